"""`gcloud config`: properties in the file that Google's program uses, so that other programs find them too."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from raydock import state
from raydock.errors import UsageError
from raydock.settings import setting

SECTIONS = ("core", "compute", "ai", "storage", "billing")


def file() -> Path:
    """The active configuration: https://cloud.google.com/sdk/docs/configurations"""
    folder = Path(os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud")
    return folder / "configurations" / "config_default"


def read() -> configparser.ConfigParser:
    """The configuration; empty if there is none yet."""
    found = configparser.ConfigParser(interpolation=None)
    found.read(file(), encoding="utf-8")
    return found


def name_of(text: str) -> tuple[str, str]:
    """The section and name of a property, such as project or compute/region. Raises UsageError."""
    section, slash, name = text.partition("/")
    if not slash:
        section, name = "core", text
    if section not in SECTIONS or not name:
        raise UsageError(f"{text} is not a property.", f"SECTION/NAME, with one of {', '.join(SECTIONS)}")
    return section, name


def get(text: str) -> str:
    """The value of a property; "" if it is not set. The project defaults to the container's."""
    section, name = name_of(text)
    found = read().get(section, name, fallback="")
    return found or (setting("GOOGLE_CLOUD_PROJECT") if (section, name) == ("core", "project") else "")


def put(text: str, value: str) -> None:
    """Set a property, or remove it if the value is ""."""
    section, name = name_of(text)
    found = read()
    if value:
        if not found.has_section(section):
            found.add_section(section)
        found.set(section, name, value)
    elif found.has_section(section):
        found.remove_option(section, name)
    lines = [
        f"[{one}]\n" + "".join(f"{key} = {found[one][key]}\n" for key in found[one])
        for one in found.sections()
    ]
    state.write_private(file(), "\n".join(lines))
