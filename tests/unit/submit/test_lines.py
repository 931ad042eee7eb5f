"""RESULT lines as a terminal shows them; time and memory do not depend on the length of lines."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submit.follow import lines
from submit.follow.lines import HEAD_BYTES, MARKER, MAX_RESULT_BYTES, Line
from submit.follow.log import Log
from submit.follow.log_display import LogDisplay

LONG = b'{"a": "' + b"x" * 500 + b'"}'


def result(*chunks: bytes) -> bytes:
    log = Log(lambda chunk: None)
    for chunk in chunks:
        log.take(chunk)
    log.end()
    return log.result


def screened(*chunks: bytes) -> bytes:
    out: list[bytes] = []
    screen = LogDisplay(out.append)
    for chunk in chunks:
        screen.take(chunk)
    screen.end()
    return b"".join(out)


FOUND = {
    "a progress bar that erased itself": b"\rfolds: 3/3 |###|\r                \rRESULT %s\n",
    "a progress bar left with a carriage return": b"100%|#####| 8/8 [00:01<00:00]\rRESULT %s\n",
    "an erased line": b"epoch 3\x1b[2K\rRESULT %s\n",
    "an erased line, with the cursor unmoved": b"epoch 3\x1b[2KRESULT %s\n",
    "the cursor moved to the first column": b"epoch 3\x1b[1G\x1b[0KRESULT %s\n",
    "a progress bar of several lines": b"outer\ninner 3/3\x1b[A\r\x1b[K\x1b[?25hRESULT %s\n",
    "colours": b"\x1b[1;32mRESULT\x1b[0m %s\x1b[0m\n",
    "a true colour and an 8-bit colour": b"\x1b[38;2;1;2;3mRESULT \x1b[48:5:1m%s\n",
    "a window title": b"\x1b]0;training\x07RESULT %s\n",
    "a link that ends with ST": b"\x1b]8;;http://x\x1b\\RESULT %s\x1b]8;;\x1b\\\n",
    "a spinner's backspaces": b"|\b/\b-\b\\\b \bRESULT %s\n",
    "a progress bar removed with backspaces": "größe ████".encode() + b"\b" * 10 + b"RESULT %s\n",
    "a cursor move instead of a space": b"RESULT\x1b[1C%s\n",
    "Windows line ends": b"before\r\nRESULT %s\r\nafter\r\n",
    "a byte order mark": b"\xef\xbb\xbfRESULT %s\n",
    "leading blanks": b"  \tRESULT %s\n",
    "bells and NULs": b"\x07\x00RESULT\x00 %s\n",
    "no newline at the end": b"epoch 3\rRESULT %s",
    "an incomplete escape sequence after it": b"RESULT %s\x1b[",
    "an unterminated escape sequence before it": b"\x1b]0;no end\nRESULT %s\n",
    "prose with the marker after it": b"RESULT %s\nRESULT is in the table above\n",
}
HIDDEN = {
    "within a line": b"my RESULT %s\n",
    "after a progress bar without a carriage return": b"100%|###| 3/3RESULT %s\n",
    "after coloured text": b"\x1b[32m(task)\x1b[0m RESULT %s\n",
    "in another case": b"Result %s\n",
    "after a partly removed progress bar": b"folds 3/3\b\b\bRESULT %s\n",
    "after a cursor move": b"x\x1b[3CRESULT %s\n",
    "another word": b"RESULTS %s\n",
}


@pytest.mark.parametrize("log", FOUND.values(), ids=FOUND)
def test_finds_results_that_are_visible_as_a_line(log: bytes) -> None:
    whole = log.replace(b"%s", LONG)
    assert result(whole) == LONG
    assert result(*(whole[place : place + 1] for place in range(len(whole)))) == LONG
    assert LONG not in screened(whole), "the summary follows"


@pytest.mark.parametrize("log", HIDDEN.values(), ids=HIDDEN)
def test_ignores_markers_in_the_middle_of_a_line(log: bytes) -> None:
    whole = log.replace(b"%s", LONG)
    assert result(whole) == b""
    assert screened(whole) == whole


TEXT = [b"RESULT ", b"RES", b"ULT ", b'{"a": 1}', b"x", "é".encode(), b" ", b"y" * HEAD_BYTES]
CODES = [b"\n", b"\r", b"\b", b"\b\b\b", b"\x1b[2K", b"\x1b[0m", b"\x1b[A", b"\x1b[1G", b"\x1b]8;;u\x1b\\"]
HALVES = [b"\x1b", b"[", b"\x1b]", b"\x07"]
PARTS = st.sampled_from(TEXT + CODES + HALVES)


@given(st.lists(PARTS, max_size=30), st.lists(st.integers(0, 2000), max_size=5))
def test_chunk_boundaries_make_no_difference(parts: list[bytes], cuts: list[int]) -> None:
    """Compare with a reference that processes single characters and keeps everything."""
    whole = b"".join(parts)
    places = sorted(cut % (len(whole) + 1) for cut in cuts)
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    found = lines.ResultFinder()
    results = [line for piece in pieces for line in found.take(piece)] + list(found.end())
    assert results == list(reference(whole))
    assert screened(*pieces) == screened(whole)


def reference(log: bytes) -> Iterator[bytes]:
    begun = lines.INCOMPLETE_ESCAPE.search(log)
    text = lines.visible(log[: begun.start()] if begun else log)
    for line in lines.ENDS.split(text):
        seen: list[str] = []
        for char in line.decode("utf-8", "surrogateescape"):
            if char != "\b":
                seen.append(char)
            elif seen:
                seen.pop()
        plain = "".join(seen).encode("utf-8", "surrogateescape").lstrip(lines.BLANKS)
        if plain.startswith(MARKER):
            yield plain[len(MARKER) :]


ENDLESS = {
    "text": b"x" * 2**18,
    "a bar": b"\rfolds \x1b[A" * 4000,
    "colours": b"\x1b[0m" * 2**12,
    "\b": b"\b" * 2**14,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_log_without_newlines_needs_constant_memory(kind: str) -> None:
    log, screen, peaks = Log(lambda chunk: None), LogDisplay(lambda chunk: None), []
    tracemalloc.start()
    try:
        for _ in range(24):
            log.take(ENDLESS[kind])
            screen.take(ENDLESS[kind])
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[-1] < peaks[2] + len(ENDLESS[kind])


def test_each_byte_is_processed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that arrives in 2,000 chunks is joined once, not with every chunk."""
    added: list[int] = []
    append = Line._append

    def counted(line: Line, text: bytes) -> None:
        added.append(len(text))
        append(line, text)

    monkeypatch.setattr(Line, "_append", counted)
    pieces = [b"RESULT ", *[b"y" * 1000] * 2000, b"\n"]
    assert len(result(*pieces)) == 2_000_000
    assert sum(added) == 2_000_000 + len(MARKER)


@pytest.mark.parametrize(
    ("size", "kept"), [(MAX_RESULT_BYTES - len(MARKER), True), (MAX_RESULT_BYTES - len(MARKER) + 1, False)]
)
def test_result_is_limited_to_16_mib(size: int, kept: bool) -> None:
    log = Log(lambda chunk: None)
    log.take(b"RESULT {}\nRESULT " + b"{" * size + b"\n")
    assert (len(log.result), log.too_long) == ((size, False) if kept else (0, True))
    log.take(b'RESULT {"later": 1}\n')
    assert (log.result, log.too_long) == (b'{"later": 1}', False)
