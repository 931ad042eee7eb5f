"""`raydock/` lies below every other package; what `python submit.py` starts with needs nothing installed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from raydock.settings import ROOT


def imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name.partition(".")[0] for name in names)


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "raydock").glob("*.py")))
def test_it_imports_nothing_above_it(name: str) -> None:
    found = set(imported((ROOT / "raydock" / name).read_text()))
    installed = {"yaml"} if name == "topology.py" else set()
    assert found <= {"raydock", *installed, *sys.stdlib_module_names}
