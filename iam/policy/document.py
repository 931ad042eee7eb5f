"""Reads JSON and YAML documents strictly. Errors contain the location, and suggest the key for a misspelled one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from iam.errors import IamError

KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """Checks the type of each item, and raises `error` if it is wrong. `where` is the item's path in the document."""

    error: type[IamError]

    def mapping(self, item: object, where: str) -> Mapping[Any, Any]:
        """Return an object with any keys."""
        if not isinstance(item, Mapping):
            raise self._unexpected(item, "an object", where)
        return item

    def keys(self, item: object, allowed: tuple[str, ...], where: str) -> Mapping[Any, Any]:
        """Return an object that has only allowed keys."""
        fields = self.mapping(item, where)
        for key in fields:
            if key not in allowed:
                near = get_close_matches(str(key), allowed, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else f"Allowed keys: {', '.join(allowed)}."
                raise self.error(f'{where} has an unknown key "{key}".', hint)
        return fields

    def items(self, item: object, where: str) -> list[Any]:
        """Return a list."""
        if not isinstance(item, list):
            raise self._unexpected(item, "a list", where)
        return item

    def texts(self, item: object, where: str) -> tuple[str, ...]:
        """Return a list of strings, as a tuple."""
        return tuple(self.text(text, f"{where}[{n}]") for n, text in enumerate(self.items(item, where)))

    def text(self, item: object, where: str) -> str:
        """Return a string."""
        if not isinstance(item, str):
            raise self._unexpected(item, "a string", where)
        return item

    def _unexpected(self, item: object, wanted: str, where: str) -> IamError:
        number = "a number" if isinstance(item, (int, float)) else type(item).__name__
        return self.error(f"{where} must be {wanted}, not {KINDS.get(type(item), number)}.")
