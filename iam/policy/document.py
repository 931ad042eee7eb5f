"""Reading JSON and YAML strictly: every complaint names its place, and a misspelt key the one that was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from iam.errors import IamError

KINDS = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}


@dataclass(frozen=True, slots=True)
class DocumentReader:
    """Returns what was expected, or raises `error`."""

    error: type[IamError]

    def mapping(self, item: object, where: str) -> Mapping[Any, Any]:
        """An object with any keys."""
        if not isinstance(item, Mapping):
            raise self._unexpected(item, "an object", where)
        return item

    def keys(self, item: object, allowed: tuple[str, ...], where: str) -> Mapping[Any, Any]:
        """An object with no keys but these."""
        fields = self.mapping(item, where)
        for key in fields:
            if key not in allowed:
                near = get_close_matches(str(key), allowed, n=1)
                hint = f'Did you mean "{near[0]}"?' if near else f"It can have {', '.join(allowed)}."
                raise self.error(f'{where} has the unknown key "{key}".', hint)
        return fields

    def items(self, item: object, where: str) -> list[Any]:
        """A list."""
        if not isinstance(item, list):
            raise self._unexpected(item, "a list", where)
        return item

    def texts(self, item: object, where: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self.text(text, f"{where}[{n}]") for n, text in enumerate(self.items(item, where)))

    def text(self, item: object, where: str) -> str:
        """A string."""
        if not isinstance(item, str):
            raise self._unexpected(item, "a string", where)
        return item

    def _unexpected(self, item: object, wanted: str, where: str) -> IamError:
        number = "a number" if isinstance(item, (int, float)) else type(item).__name__
        return self.error(f"{where} is {KINDS.get(type(item), number)}, where {wanted} was expected.")
