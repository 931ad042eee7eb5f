"""The log on a terminal: every byte except those of a long RESULT line, for any chunk boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submit.follow.log_display import LogDisplay

LONG_RESULT = b'RESULT {"a": "' + b"x" * 500 + b'"}'


def shown(log: bytes, cuts: list[int]) -> bytes:
    out: list[bytes] = []
    screen = LogDisplay(out.append)
    places = sorted(cut % (len(log) + 1) for cut in cuts)
    for start, end in zip([0, *places], [*places, len(log)], strict=True):
        screen.take(log[start:end])
    screen.end()
    return b"".join(out)


@given(
    st.lists(st.sampled_from([b"RESULT", b"RESULT {}", b"RES", b"x RESULT {}", b"", b"line", "é".encode()])),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.booleans(),
)
def test_short_lines_pass_unchanged(lines: list[bytes], cuts: list[int], ended: bool) -> None:
    log = b"\n".join(lines) + (b"\n" if ended else b"")
    assert shown(log, cuts) == log


@given(st.lists(st.integers(0, 10_000), max_size=6))
def test_long_result_is_abbreviated(cuts: list[int]) -> None:
    summary = b"RESULT { %d bytes; see the table below, or use --result PATH for all of it }\n" % (
        len(LONG_RESULT) + 1
    )
    assert shown(b"before\n" + LONG_RESULT + b"\nafter", cuts) == b"before\n" + summary + b"after"


@pytest.mark.parametrize("line", [b"x " + LONG_RESULT, LONG_RESULT[1:]])
def test_other_long_lines_pass_unchanged(line: bytes) -> None:
    assert shown(line, [3, 100]) == line


def test_incomplete_lines_are_not_held_back() -> None:
    out: list[bytes] = []
    screen = LogDisplay(out.append)
    screen.take(b"progress 1")
    assert out == [b"progress 1"]
