"""Three-valued logic (Kleene, strong): what is not known stays not known unless the rest decides.

https://plato.stanford.edu/entries/logic-manyvalued/#KleeSyst
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Ternary(Enum):
    """FALSE < UNKNOWN < TRUE: `&` is the lesser, `|` the greater, `~` the mirror image."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2

    def __and__(self, other: Ternary) -> Ternary:
        return self if self.value <= other.value else other

    def __or__(self, other: Ternary) -> Ternary:
        return self if self.value >= other.value else other

    def __invert__(self) -> Ternary:
        return Ternary(2 - self.value)

    def __bool__(self) -> bool:
        raise TypeError("a Truth has three values; compare it with `is Truth.TRUE`")


def known(value: bool) -> Ternary:
    """TRUE or FALSE."""
    return Ternary.TRUE if value else Ternary.FALSE


def any_of(values: Iterable[Ternary]) -> Ternary:
    """The disjunction; FALSE of nothing."""
    result = Ternary.FALSE
    for value in values:
        result = result | value
    return result
