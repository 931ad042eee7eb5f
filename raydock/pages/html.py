"""Build HTML from values. Everything that is not yet HTML is escaped, so no value can add markup."""

from __future__ import annotations

from html import escape

from raydock.terminal.printable import printable

VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Text that is already HTML, and is not escaped again."""

    __slots__ = ()


def text(value: object) -> Html:
    """The value as HTML: escaped, unless it is already HTML. Unprintable characters are written as escapes."""
    return value if isinstance(value, Html) else Html(escape(printable(str(value))))


def join(*children: object) -> Html:
    """The children as HTML, one after the other."""
    return Html("".join(map(text, children)))


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """An element with escaped children and attributes.

    In an attribute's name, a trailing underscore is dropped (`class_`), and others become hyphens (`aria_label`).
    None and False omit the attribute; True writes only its name.
    """
    given = "".join(
        f" {attribute_name(key)}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{given}>" + ("" if name in VOID else f"{join(*children)}</{name}>"))


def attribute_name(key: str) -> str:
    """The attribute name for a keyword argument."""
    return key.rstrip("_").replace("_", "-")
