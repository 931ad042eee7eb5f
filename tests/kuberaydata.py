"""KubeRay's definitions (kuberay/definitions), and its chart rendered with our values (tests/data/kuberay).

python -m tests.kuberaydata CHECKOUT     # writes them from a checkout of ray-project/kuberay; needs helm-python-sdk
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from cloud.kubernetes.apiserver.contents import DEFINITIONS, KINDS
from kuberay.manifest import ManifestOptions, raycluster
from kuberay.spec import chart
from raydock import topology
from raydock.settings import ROOT

DATA = ROOT / "tests/data/kuberay"
# Settings of compose.yaml and bounds of the autoscaler, by case.
CASES: dict[str, tuple[dict[str, str], tuple[int, int] | None]] = {
    "default": ({}, None),
    "cuda": (
        {"GPU_BUILD": "cuda", "GPU_WORKER_GPUS": "2", "RAYDOCK_IMAGE_PREFIX": "localhost:5000/lab"},
        None,
    ),
    "no-workers": ({"CPU_WORKERS": "0", "GPU_WORKERS": "0", "HEAD_MEMORY": "1.5g"}, None),
    "autoscaled": ({}, (1, 4)),
}


def chart_cases() -> dict[str, dict[str, Any]]:
    """Values, and the object that the chart makes of them, by case."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((DATA / "chart.yaml").read_text())
    return found


def manifest(case: str) -> dict[str, Any]:
    """The RayCluster of a case."""
    settings, bounds = CASES[case]
    options = ManifestOptions("lab", "ray", "ray-head", bounds=bounds)
    return raycluster(topology.load(ROOT, settings), options)


def minimal(path: Path) -> dict[str, Any]:
    """A definition with version v1 alone, without descriptions."""
    found = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    found["spec"]["versions"] = [one for one in found["spec"]["versions"] if one["name"] == "v1"]
    found.pop("status", None)
    return {**found, "spec": stripped(found["spec"])}


def stripped(value: Any) -> Any:
    """A schema without its descriptions. A property of that name is a schema itself, so an object."""
    if isinstance(value, list):
        return [stripped(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: stripped(one)
        for name, one in value.items()
        if not (name == "description" and isinstance(one, str))
    }


def rendered(chart_folder: Path) -> dict[str, Any]:
    """What the chart makes of our values, by case."""
    from helm_python import Chart

    loaded = Chart.load(str(chart_folder))
    found = {}
    for case in CASES:
        values = chart.values(manifest(case))
        files = loaded.render(values, name="lab", namespace="ray")
        (text,) = (text for path, text in files.items() if path.endswith("raycluster-cluster.yaml"))
        found[case] = {"values": values, "rendered": yaml.safe_load(text)}
    return found


def main() -> None:
    """Write the files."""
    checkout = Path(sys.argv[1])
    DATA.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        path = checkout / f"ray-operator/config/crd/bases/ray.io_{kind}.yaml"
        text = json.dumps(minimal(path), separators=(",", ":"))
        (DEFINITIONS / f"{kind}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    cases = yaml.safe_dump(rendered(checkout / "helm-chart/ray-cluster"), sort_keys=False)
    (DATA / "chart.yaml").write_text(cases)


if __name__ == "__main__":
    main()
