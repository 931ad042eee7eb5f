"""Kleene's strong three-valued logic: a result is UNKNOWN unless the known operands decide it.

https://plato.stanford.edu/entries/logic-manyvalued/#KleeSyst
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum


class Ternary(Enum):
    """FALSE < UNKNOWN < TRUE: `&` is the minimum, `|` the maximum, and `~` swaps TRUE and FALSE."""

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
        raise TypeError("a Ternary has three values; compare it with `is Ternary.TRUE`")


def from_bool(value: bool) -> Ternary:
    """TRUE or FALSE."""
    return Ternary.TRUE if value else Ternary.FALSE


def any_of(values: Iterable[Ternary]) -> Ternary:
    """The disjunction of the values; FALSE if there are none."""
    result = Ternary.FALSE
    for value in values:
        result = result | value
    return result
