"""The look that all pages share."""

from __future__ import annotations

import re

import pytest

from raydock.pages.document import document, stylesheet
from raydock.pages.html import Html, element, join


def test_values_are_escaped_and_html_is_not() -> None:
    assert element("p", "<b>", Html("<i>x</i>"), title='"&') == '<p title="&quot;&amp;">&lt;b&gt;<i>x</i></p>'
    assert element("p", 3, "\u202e\ud800") == r"<p>3\u202e\ud800</p>"
    assert element("input", required=True, disabled=False, name=None, aria_label="a", for_="b") == (
        '<input required aria-label="a" for="b">'
    )
    assert isinstance(join(element("br"), "x"), Html)


def test_a_document_is_self_contained() -> None:
    page = document("<t>", element("h1", "x"))
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>&lt;t&gt;</title>" in page
    assert re.findall(r'(?:src|href)="([^,]*),', page) == ["data:image/svg+xml"]
    assert "url(" not in page


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """As defined by WCAG 2.2."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast(scheme: int) -> None:
    css = stylesheet()
    blocks = css[: css.index("@media")], css[css.index("@media") :]
    found = colours(blocks[scheme])
    assert found.keys() == colours(blocks[0]).keys()  # both schemes define all colours
    for name in found.keys() - {"background", "surface", "line", "on-accent"}:
        for behind in ("background", "surface"):
            assert contrast(found[name], found[behind]) >= 4.5, (name, behind)
    assert contrast(found["on-accent"], found["accent"]) >= 4.5


def test_only_the_colours_file_names_colours() -> None:
    css = stylesheet()
    assert not re.findall(r"#[0-9a-f]{3,6}\b", css[css.index("box-sizing") :])
