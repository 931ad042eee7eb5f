"""A complete page. Its head embeds the styles and the icon, so the page loads nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from .html import Html, element, join

STYLES = ("colours.css", "page.css")
# Repeated inside the page, since a file opened from disk has no headers. A page runs no scripts and loads nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3.5" '
    'fill="#0b6e4f"/><path d="M3 4.5h5M3 8h10M3 11.5h7" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)


def stylesheet() -> str:
    """The style of all pages."""
    folder = Path(__file__).parent
    return "".join((folder / name).read_text(encoding="utf-8") for name in STYLES)


def document(title: str, *body: object, kind: str = "") -> str:
    """A page with this title and body. `kind` is the class of its body element."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:image/svg+xml," + quote(ICON)),
        element("style", Html(stylesheet())),
    )
    brand = element("header", element("span", "raydock", class_="brand"))
    page = element("body", brand, element("main", *body), class_=kind or None)
    return "<!doctype html>\n" + element("html", join(head, Html("\n"), page), lang="en") + "\n"
