"""What the tests of the single jobs share: the module's SCRIPT as a module, and a cluster to kill nodes of."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.contract.jobs.nodes import Nodes

KILLS = int(os.environ.get("RAYDOCK_KILLS", "1"))  # 5 by hand


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `later` kills a node so many seconds after it could: each time at another moment."""
    if "later" in metafunc.fixturenames:
        metafunc.parametrize("later", [0.4 * number for number in range(KILLS)], ids="{:.1f}s".format)


@pytest.fixture
def job(request: pytest.FixtureRequest) -> ModuleType:
    """The script of the test's module, freshly imported."""
    script = request.module.SCRIPT
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    """Two workers of one CPU each."""
    with Nodes() as nodes:
        nodes.ask("add")
        nodes.ask("add")
        yield nodes
