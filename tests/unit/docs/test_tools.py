"""The tools that write output and pictures into the pages."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable

import pytest

from docs.tools import picture, refresh, terminal

Char = namedtuple("Char", "data fg bold", defaults=("default", False))  # as pyte's


def line(text: str) -> list[Char]:
    return [Char(char) for char in text]


def screen(*texts: str) -> Callable[[str, int], list[list[Char]]]:
    def after(command: str, width: int) -> list[list[Char]]:
        return [line(text) for text in texts]

    return after


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ("", "one\ntwo\nthree\nfour"),
        (" head=1", "one\n …"),
        (" head=1 tail=2", "one\n …\nthree\nfour"),
        (" tail=9", "one\ntwo\nthree\nfour"),
    ],
)
def test_the_output_below_a_mark_is_replaced(
    monkeypatch: pytest.MonkeyPatch, limits: str, shown: str
) -> None:
    monkeypatch.setattr(refresh, "screen_after", screen("one", "two", "three", "four"))
    mark = f"<!-- output{limits}: python x.py -- --y -->\n"
    page = f"Before\n{mark}```\n$ python x.py\nold\n```\n```\nkept\n```\n"
    assert (
        refresh.refreshed(page) == f"Before\n{mark}```\n$ python x.py -- --y\n{shown}\n```\n```\nkept\n```\n"
    )


def test_the_labs_key_and_port_never_reach_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_PORT", "8314")
    shown = terminal.as_readers("http://127.0.0.1:8314/?token=AbCdEfGhIjKlMnOpQrStUvWxYz-_0123456789abcde")
    assert shown == f"http://127.0.0.1:8265/?{terminal.READERS_TOKEN}"


def test_a_picture_shows_text_where_the_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "screen_after", lambda command: [[*line("  a<b "), Char("c", "red", True)]])
    drawn = picture.picture(["python x.py"])
    assert ">python x.py</text>" in drawn
    assert (
        '<text x="32.8" y="65" fill="#d5d9e0" xml:space="preserve" textLength="25.2">a&lt;b</text>' in drawn
    )
    assert (
        '<text x="66.4" y="65" fill="#f2777a" font-weight="600" xml:space="preserve" textLength="8.4">c</text>'
        in drawn
    )
