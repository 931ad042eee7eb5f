"""Fixtures for the tests of single jobs: the script as a module, and a cluster whose nodes can be killed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.jobs.nodes import Nodes

MOMENTS = 5  # when a worker is killed, 0.4 s apart


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize `later`, the seconds before a node is killed: 0 in the gate, the others nightly."""
    if "later" not in metafunc.fixturenames:
        return
    moments: list[object] = [0.0]
    known = metafunc.definition.get_closest_marker("nightly")
    again = () if known else pytest.mark.nightly(f"{metafunc.definition.nodeid}[0.0s]")
    moments += [pytest.param(0.4 * number, marks=again) for number in range(1, MOMENTS)]
    metafunc.parametrize("later", moments, ids="{:.1f}s".format)


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Path:
    """The test module's SCRIPT. Tests of several scripts are parametrized with it."""
    return Path(request.module.SCRIPT)


@pytest.fixture
def job(script: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, freshly imported."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(script.parent)  # as for `python jobs/x.py`
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="package")
def every_node() -> Iterator[Nodes]:
    """The cluster that all tests share."""
    with Nodes() as nodes:
        yield nodes


@pytest.fixture
def nodes(every_node: Nodes) -> Nodes:
    """Two workers with one CPU each, whatever state the previous test left."""
    every_node.resize(2)
    return every_node
