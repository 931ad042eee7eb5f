"""The commands that delete a cluster once it is idle, which `up --max-idle` prints."""

from __future__ import annotations

import shlex
import sys

from raydock.settings import ROOT


def lines(service: str, command: str) -> str:
    """One command for a terminal and one for crontab. `service` is what keeps idle clusters."""
    python = shlex.quote(sys.executable)
    once = f"cd {shlex.quote(str(ROOT))} && {python}{command.removeprefix('python')} --once"
    return (
        f"{service} does not delete idle clusters. To delete this one once idle, run:\n  {command}\n"
        f"or add this to your crontab (`crontab -e`):\n  */5 * * * * {once.replace('%', chr(92) + '%')}"
    )
