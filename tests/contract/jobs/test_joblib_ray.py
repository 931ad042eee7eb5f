"""The backend that jobs/sklearn_joblib.py uses: what it promises, on a cluster of three nodes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import MARK, started

CHECKS = ROOT / "tests" / "jobs" / "joblib_contract.py"
SEARCHES = ROOT / "tests" / "jobs" / "joblib_searches.py"
KILLS, FITS = 20, 150
HERE = "tests/contract/jobs/test_joblib_ray.py::test_the_backend_keeps_its_promises"
OK = " s: ok\n"
# In the gate. The others end workers or wait for something, which takes seconds each.
QUICK = (
    "data_is_stored_once_per_node_and_freed",
    "every_kind_of_data",
    "changes_of_a_task_stay_with_it",
    "results_are_writable",
    "generators_share_the_workers",
)
LATE = [
    name for name in re.findall(r"^def check_(\w+)", CHECKS.read_text(), re.MULTILINE) if name not in QUICK
]


def run(nodes: Nodes, folder: Path, *names: str) -> dict[str, str]:
    """The outcome of each check. They run in a process of their own, since Ray leaves threads and files behind."""
    nodes.resize(2)
    log = folder / "log"
    env = {"RAY_ADDRESS": nodes.address, "PYTHONPATH": str(ROOT / "jobs"), "PYTHONFAULTHANDLER": "1"}
    with started(CHECKS, *names, env=env, log=log) as process:
        process.wait(600)
    found = re.split(r"^check_(\w+)\n", log.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.ray
def test_the_backend_keeps_its_promises(every_node: Nodes, tmp_path: Path) -> None:
    outcomes = run(every_node, tmp_path, *QUICK)
    assert [name for name in QUICK if OK not in outcomes.get(name, "")] == [], outcomes


@pytest.mark.ray
@pytest.mark.nightly(HERE)
@pytest.mark.parametrize("name", LATE)
def test_the_backend_keeps_its_other_promises(every_node: Nodes, tmp_path: Path, name: str) -> None:
    outcome = run(every_node, tmp_path, name).get(name, "it did not run")
    assert OK in outcome, outcome


@pytest.mark.ray
@pytest.mark.nightly(HERE)
def test_twenty_searches_outlive_a_node_each(every_node: Nodes, tmp_path: Path) -> None:
    """The node dies at another moment of each search, before the first fit or near the end. A new one soon joins."""
    log, folder = tmp_path / "log", tmp_path / "searches"
    folder.mkdir()
    env = {"RAY_ADDRESS": every_node.address, "PYTHONPATH": str(ROOT / "jobs")}
    outcomes = []
    every_node.resize(2)
    with started(SEARCHES, str(folder), str(KILLS + 1), env=env, log=log):
        for number in range(KILLS + 1):  # the first one is not disturbed
            (folder / str(number)).touch()
            if number:
                wait(log, number, partial(has_done, FITS * (number - 1) // KILLS))
                every_node.kill(0)
                every_node.resize(2)
            text = wait(log, number, lambda text: "\n" in text.partition(MARK)[2])
            outcomes.append(json.loads(text.partition(MARK)[2].splitlines()[0]))
    assert [one for one in outcomes if one["fits"] != FITS] == []
    assert {json.dumps(one["best"]) for one in outcomes} == {json.dumps(outcomes[0]["best"])}
    assert sum(one["reruns"] > 0 for one in outcomes[1:]) >= KILLS / 2


def has_done(least: int, text: str) -> bool:
    """Whether joblib has reported that at least so many fits are done."""
    return max([0, *map(int, re.findall(r"Done +(\d+) (?:tasks|out of)", text))]) >= least


def wait(log: Path, number: int, holds: Callable[[str], bool]) -> str:
    """The log of a search from the beginning, once it `holds`."""
    deadline = time.monotonic() + 300
    while True:
        _, line, text = log.read_text().partition(f"search {number}\n")
        if line and holds(text):
            return text
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
