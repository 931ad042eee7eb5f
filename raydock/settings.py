"""Settings: a flag, else the environment, else `.env` in the checkout, else the default. `.env.example` has them all.

A variable of the environment that is empty hides the file's and counts as not set, as in compose.yaml's
${NAME:-default}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from raydock.dotenv import dotenv

ROOT = Path(__file__).resolve().parent.parent


def read(root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Every setting as Docker Compose sees it. Raises SettingsError for a `.env` that Compose would refuse."""
    return {**dotenv(root / ".env", environ), **environ}


def setting(name: str, default: str = "") -> str:
    """The value of one setting. Raises SettingsError likewise."""
    value = os.environ[name] if name in os.environ else dotenv(ROOT / ".env", os.environ).get(name)
    return value or default
