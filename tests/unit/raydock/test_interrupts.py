"""How a signal ends a command while it starts and while it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.command import ROOT, environment

START = "import signal; from raydock import crash, interrupts as i; i.starting('tool: interrupted.'); "


@pytest.mark.parametrize(
    ("program", "code", "err"),
    [
        ("signal.raise_signal(signal.SIGTERM)", 130, "\ntool: interrupted.\n"),
        ("signal.raise_signal(signal.SIGINT)", 130, "\ntool: interrupted.\n"),
        ("i.ending(3); signal.raise_signal(signal.SIGTERM)", 3, ""),
        ("i.ending(130, 0.01); signal.pause()", 130, ""),  # as if the message could not be written
        ("i.running(); crash.guarded('x', lambda: signal.raise_signal(signal.SIGTERM))", 130, ""),
        (
            "signal.signal(signal.SIGINT, signal.SIG_IGN); i.running(); signal.raise_signal(signal.SIGINT)",
            0,
            "",
        ),
    ],
)
def test_the_exit_code_and_the_message(program: str, code: int, err: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START + program], cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, err)
