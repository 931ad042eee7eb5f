"""Partial responses: https://cloud.google.com/storage/docs/json_api#partial-response

fields=items/name,nextPageToken      fields=items(name,owner/entity)      fields=*
"""

from __future__ import annotations

from typing import Any

from cloud.storage.request import invalid

Tree = dict[str, "Tree"]
DEEPEST = 20
ALL = "*"


def read_fields(text: str) -> Tree:
    """Parse a `fields` parameter. Raises ApiError (400) if it is malformed."""
    tree, rest = _read(text, 0)
    if rest or not tree:
        raise invalid("fields", text)
    return tree


def selected(document: Any, tree: Tree) -> Any:
    """The selected parts of a document. An empty tree selects the whole document."""
    if isinstance(document, list):
        return [selected(one, tree) for one in document]
    if not isinstance(document, dict) or not tree:
        return document
    if ALL in tree:
        return (
            document
            if not tree[ALL]
            else {name: selected(value, tree[ALL]) for name, value in document.items()}
        )
    return {name: selected(document[name], below) for name, below in tree.items() if name in document}


def _read(text: str, depth: int) -> tuple[Tree, str]:
    """Read up to a closing parenthesis or the end of the text."""
    tree: Tree = {}
    if depth > DEEPEST:
        raise invalid("fields", text)
    while text and text[0] != ")":
        node, end = tree, 0
        while end < len(text) and text[end] not in ",()":
            end += 1
        for name in text[:end].split("/"):
            if not name:
                raise invalid("fields", text)
            node = node.setdefault(name, {})
        text = text[end:]
        if not text.startswith("("):
            node[ALL] = {}
        if text.startswith("("):
            inner, text = _read(text[1:], depth + 1)
            if not text.startswith(")"):
                raise invalid("fields", text)
            node.update(inner)
            text = text[1:]
        if text.startswith(","):
            text = text[1:]
    return tree, text
