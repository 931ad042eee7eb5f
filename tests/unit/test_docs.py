"""What the docs refer to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raydock.settings import ROOT

DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
EXAMPLES = {"test_x", "tests/….py"}  # CONTRIBUTING shows the form of a reference


def names_of_tests() -> set[str]:
    found = set[str]()
    for path in (ROOT / "tests").rglob("*.py"):
        found |= set(re.findall(r"\bdef (test_\w+)", path.read_text("utf-8", "replace")))
    return found


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.name)
def test_the_files_and_tests_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|yaml|in|ipynb))\b", text))
    ours = {name for name in files if (ROOT / name.partition("/")[0]).is_dir()}
    assert [name for name in sorted(ours) if not (ROOT / name).exists()] == []
    tests = set(re.findall(r"::(test_\w+)", text)) - EXAMPLES
    assert sorted(tests - names_of_tests()) == []
