"""One rewritten line on a terminal, and nothing elsewhere."""

from __future__ import annotations

import io

import pytest

from raydock.terminal.status_line import ERASE, StatusLine, cut


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_is_rewritten_and_erased() -> None:
    line = StatusLine(terminal := Terminal())
    line.update("pip is installing x")
    line.update("pip is installing x")
    line.clear()
    line.clear()
    assert terminal.getvalue() == f"{ERASE}pip is installing x{ERASE}"


def test_line_never_wraps_and_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    StatusLine(terminal := Terminal()).update("\x1b[2J" + "x" * 100)
    assert terminal.getvalue() == ERASE + r"\x1b[2J" + "x" * 11 + "…"


def test_silent_on_a_terminal_that_cannot_erase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    StatusLine(terminal := Terminal()).update("x")
    assert terminal.getvalue() == ""


def test_silent_without_a_terminal() -> None:
    line = StatusLine(file := io.StringIO())
    line.update("x")
    line.clear()
    assert file.getvalue() == ""
    file.close()
    line.update("x")


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
    ],
)
def test_cut_counts_columns(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected
