"""The table in docs/result.md is the one in submit/results/keys.py, and no other key is read.

python -m tests.unit.submit.test_result_keys    updates the page
"""

from __future__ import annotations

import ast

from raydock.settings import ROOT
from submit.results.keys import NAMES, markdown

PAGE = ROOT / "docs" / "result.md"
READERS = ("submit/results/fields.py", "submit/report/run.py")


def table() -> str:
    return PAGE.read_text(encoding="utf-8").partition("-->\n\n")[2]


def test_page_shows_the_table() -> None:
    assert table() == markdown()


def test_every_key_that_is_read_is_in_the_table() -> None:
    read = set[str]()
    for path in READERS:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get"
                and ast.unparse(node.func.value) in {"result", "record.result", "self.record.result"}
            ):
                read.add(ast.literal_eval(node.args[0]))
    assert len(read) >= 8
    assert read <= NAMES


if __name__ == "__main__":
    PAGE.write_text(
        PAGE.read_text(encoding="utf-8").partition("-->\n\n")[0] + "-->\n\n" + markdown(), encoding="utf-8"
    )
