"""Settings: a flag, else the environment, else `.env` in the checkout, else the default. `.env.example` lists them all.

An empty environment variable overrides the one in the file and counts as not set, as with ${NAME:-default} in
compose.yaml.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from raydock.compose.dotenv import dotenv

ROOT = Path(__file__).resolve().parent.parent


def read(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Every setting as Docker Compose sees it. Raises SettingsError for a `.env` that Compose would reject."""
    return {**dotenv(root / ".env", environ), **environ}


def setting(name: str, default: str = "") -> str:
    """The value of one setting. Raises SettingsError for a `.env` that Compose would reject."""
    value = os.environ[name] if name in os.environ else dotenv(ROOT / ".env", os.environ).get(name)
    return value or default
