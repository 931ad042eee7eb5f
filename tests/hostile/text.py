"""Text and JSON values that are hard to pass on, to print and to trust."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import strategies as st

CODES = "\x1b[2J\x1b]0;x\x07\r\u202e\u2028"  # a terminal's codes, a line end, an override of direction
HARD = (
    "",
    " ",
    "-",
    "--",
    "\n",
    "=",
    "$HOME",
    "$(id)",
    "`id`",
    "%s",
    "{}",
    "[bold]",
    "~",
    "..",
    "a\nb",
    "'\"",
    CODES,
)
hard_text = st.one_of(
    st.sampled_from(HARD),
    st.text(max_size=12),
    st.binary(max_size=8).map(os.fsdecode),  # with lone surrogates
    st.text(st.characters(), min_size=1, max_size=3).map(lambda text: text * 700),
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from((10**400, -(10**20), 1e308, 2**63)))
scalars = st.one_of(st.none(), st.booleans(), numbers, hard_text)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hard_text, inner, max_size=3),
    max_leaves=6,
)


def mostly(
    usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any], one_in: int = 5
) -> st.SearchStrategy[Any]:
    """The odd one now and then; a plain `|` gives both alike, and counts a repeated one once."""
    return st.integers(1, one_in).flatmap(lambda number: odd if number == one_in else usual)


def listed(*choices: str) -> st.SearchStrategy[str]:
    """Mostly one of these, now and then anything."""
    return mostly(st.sampled_from(choices), hard_text)
