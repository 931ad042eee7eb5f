"""Commands whose output goes to a log, and what an error quotes of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cluster.docker.compose_output import Containers, build_step
from cluster.state import logs
from cluster.state.logs import TIMED_OUT, relevant
from raydock.settings import ROOT

BUILD = """\
#0 building with "default" instance using docker driver

#5 [head ray 2/5] RUN pip install
#5 1.2 Collecting numpy
#5 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
------
 > [head ray 2/5] RUN pip install:
1.234 ERROR: No matching distribution found for numpy==99\x1b[0m
------
failed to solve: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
"""
UP = """\
 Network raydock_cluster  Creating
 Container raydock-cloud-1  Starting
 Container raydock-cloud-1  Healthy
Error response from daemon: driver failed programming external connectivity
"""


def test_the_output_is_in_the_log_and_its_lines_are_seen(tmp_path: Path) -> None:
    log, seen = logs.named(tmp_path, "build"), list[str]()
    script = (
        "import sys; print('one'); print(b'\\xff'.decode('latin-1'), 'two', file=sys.stderr); sys.exit(3)"
    )
    assert log.run([sys.executable, "-c", script], 60, seen.append, {**os.environ, "PYTHONUTF8": "1"}) == 3
    assert sorted(seen) == ["one", "ÿ two"]
    assert sorted(log.read().splitlines()) == ["one", "ÿ two"]
    error = log.failure("The build", 3, "Try again")
    assert error.message.splitlines()[0] == "The build failed with exit code 3:"
    assert error.message.splitlines()[-1] == f"Full log: {tmp_path}/logs/build.log"


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """The child holds the output open, as Compose does under `docker compose`."""
    log = logs.named(tmp_path, "up")
    assert log.run(["sh", "-c", "sleep 1000 & wait"], 0.01, lambda line: None) == TIMED_OUT
    assert log.failure("It", TIMED_OUT, "").message.startswith("It did not finish in time.\n")


def test_an_interrupted_command_is_ended(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logs.named(tmp_path, "up").run(["sh", "-c", "echo started; exec sleep 1000"], 600, interrupt)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (BUILD, [
            " > [head ray 2/5] RUN pip install:",
            "1.234 ERROR: No matching distribution found for numpy==99\\x1b[0m",
            'failed to solve: process "/bin/sh -c pip install" did not complete successfully: exit code: 1',
        ]),
        (UP, ["Error response from daemon: driver failed programming external connectivity"]),
        ("\n".join(map(str, range(99))), [str(number) for number in range(87, 99)]),
        ("", []),
    ],
)  # fmt: skip
def test_an_error_quotes_the_lines_that_matter(text: str, found: list[str]) -> None:
    assert relevant(text) == found


def test_a_log_in_the_checkout_has_a_short_name() -> None:
    assert logs.named(ROOT / ".raydock", "x").reference == "Full log: .raydock/logs/x.log"


def test_the_progress_of_compose() -> None:
    assert [build_step(line) for line in BUILD.splitlines()[2:4]] == ["head ray 2/5", ""]
    assert build_step("Step 3/12 : RUN pip install") == "Step 3/12"
    states = Containers()
    lines = [*UP.splitlines(), " Container raydock-head-1  Started", " Container raydock-head-1  Healthy"]
    assert [states.after(line) for line in lines] == [
        "", "raydock-cloud-1 starting", "1 of 1 healthy", "", "1 of 2 healthy", "2 of 2 healthy",
    ]  # fmt: skip
