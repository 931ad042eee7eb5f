"""The backend that jobs/sklearn_joblib.py uses: what it promises, on a cluster of three nodes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import started

CHECKS = ROOT / "tests" / "jobs" / "joblib_contract.py"
NAMES = re.findall(r"^def check_(\w+)", CHECKS.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def checked(every_node: Nodes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The outcome of each check. They run in one process, since Ray leaves threads and files behind."""
    every_node.resize(2)
    log = tmp_path_factory.mktemp("joblib") / "log"
    env = {"RAY_ADDRESS": every_node.address, "PYTHONPATH": str(ROOT / "jobs"), "PYTHONFAULTHANDLER": "1"}
    with started(CHECKS, env=env, log=log) as process:
        process.wait(300)
    found = re.split(r"^check_(\w+)\n", log.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.ray
@pytest.mark.parametrize("name", NAMES)
def test_the_backend_keeps_its_promises(checked: dict[str, str], name: str) -> None:
    assert checked[name].endswith("ok\n"), checked[name]
