"""The log on a terminal: every byte except those of RESULT lines, for any chunk boundaries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submit.follow.log_display import LogDisplay

RESULT = b'RESULT {"a": "' + b"x" * 500 + b'"}'
LINK = "http://127.0.0.1:8265"


def shown(log: bytes, cuts: list[int]) -> bytes:
    out: list[bytes] = []
    screen = LogDisplay(out.append, LINK)
    places = sorted(cut % (len(log) + 1) for cut in cuts)
    for start, end in zip([0, *places], [*places, len(log)], strict=True):
        screen.take(log[start:end])
    screen.end()
    return b"".join(out)


@given(
    st.lists(st.sampled_from([b"RESULT", b"RESULT: {}", b"RES", b"x RESULT {}", b"", b"line", "é".encode()])),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.booleans(),
)
def test_other_lines_pass_unchanged(lines: list[bytes], cuts: list[int], ended: bool) -> None:
    log = b"\n".join(lines) + (b"\n" if ended else b"")
    assert shown(log, cuts) == log


@given(
    st.sampled_from([RESULT, b"RESULT {}", b'RESULT {"n": NaN}']),
    st.lists(st.integers(0, 10_000), max_size=6),
)
def test_result_is_hidden(result: bytes, cuts: list[int]) -> None:
    assert shown(b"before\n" + result + b"\nafter", cuts) == b"before\nafter"


@pytest.mark.parametrize("line", [b"RESULT {'a': 1}", b"RESULT {oops", b"RESULT [1]", b"RESULT is above"])
def test_unusable_result_is_shown(line: bytes) -> None:
    assert shown(line + b"\n", [3, 9]) == line + b"\n"


@pytest.mark.parametrize("line", [b"x " + RESULT, RESULT[1:]])
def test_other_long_lines_pass_unchanged(line: bytes) -> None:
    assert shown(line, [3, 100]) == line


def test_hidden_result_keeps_colours_and_the_end_of_a_progress_bar() -> None:
    assert shown(b"100%|###|\rRESULT {}\nnext", []) == b"100%|###|\r\nnext"
    assert shown(b"\x1b[32mRESULT {}\x1b[0m\n", []) == b"\x1b[32m\x1b[0m"


RAY = b"INFO worker.py:1908 -- Connected to Ray cluster. View the dashboard at "


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (b"\x1b[1m\x1b[32m172.18.0.2:8265 \x1b[39m\x1b[22m\n", b"\x1b[1m\x1b[32m%s \x1b[39m\x1b[22m\n"),
        (b"http://127.0.0.1:8265\n", b"%s\n"),
        (b"\n", b"\n"),
    ],
)
def test_rays_dashboard_address_becomes_the_working_link(address: bytes, expected: bytes) -> None:
    assert shown(b"before\n" + RAY + address, [7]) == b"before\n" + RAY + expected.replace(
        b"%s", LINK.encode()
    )


def test_incomplete_lines_are_not_held_back() -> None:
    out: list[bytes] = []
    screen = LogDisplay(out.append)
    screen.take(b"progress 1")
    assert out == [b"progress 1"]
