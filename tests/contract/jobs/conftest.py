"""What the tests of the single jobs share: the module's SCRIPT as a module, and a cluster to kill nodes of."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.contract.jobs.nodes import Nodes


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
