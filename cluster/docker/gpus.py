"""Whether a Docker engine can give this machine's NVIDIA GPUs to containers, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CDI_KIND = "nvidia.com/gpu"  # https://docs.docker.com/build/building/cdi/


def overlay(about: Mapping[str, Any], is_local: bool) -> str:
    """The Compose file for GPUs, from what the engine says about itself: its NVIDIA runtime or its CDI devices.

    Engines before 28.2 name only the folders of the CDI specifications, which are on the engine's machine.
    """
    if "nvidia" in (about.get("Runtimes") or {}):
        return "compose.gpu.yaml"
    devices = [
        str(one.get("ID")) for one in about.get("DiscoveredDevices") or () if one.get("Source") == "cdi"
    ]
    if "DiscoveredDevices" not in about and is_local:
        folders = [Path(folder) for folder in about.get("CDISpecDirs") or ()]
        devices = [
            CDI_KIND for folder in folders for file in sorted(folder.glob("*")) if specifies_gpus(file)
        ]
    return "compose.cdi.yaml" if any(device.startswith(CDI_KIND) for device in devices) else ""


def specifies_gpus(file: Path) -> bool:
    """Whether the file is a CDI specification of NVIDIA's GPUs."""
    try:
        return file.suffix in (".yaml", ".json") and CDI_KIND in file.read_text()
    except (OSError, UnicodeDecodeError):
        return False
