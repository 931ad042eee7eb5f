"""Evaluate the conditions of bindings: TRUE or FALSE if the result is certain, else UNKNOWN. Never raises.

https://cloud.google.com/iam/docs/conditions-attribute-reference
https://cloud.google.com/iam/docs/conditions-overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from iam.errors import BadCondition
from iam.policy import cel
from iam.policy.resource import STORAGE, Resource
from iam.policy.ternary import Ternary, any_of, from_bool

LIST_PREFIX = f"{STORAGE}/objectListPrefix"
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Attributes:
    """The known attributes of a request.

    now: the time of the request; None if unknown
    list_prefix: the prefix of objects.list; "" if there is none, None if unknown
    """

    resource: Resource
    now: datetime | None = None
    list_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class KnownPrefix:
    """A string of which only the beginning is known."""

    text: str


# Ternary.UNKNOWN stands for any unknown value.
Value = Ternary | str | float | datetime | KnownPrefix | list["Value"]


def evaluate(expression: str, attributes: Attributes) -> Ternary:
    """Evaluate a CEL expression. UNKNOWN if it is malformed or depends on something unknown."""
    try:
        return _as_ternary(_value(cel.parse(expression), attributes))
    except (BadCondition, RecursionError):  # thousands of operators recurse too deeply; IAM allows 12
        return Ternary.UNKNOWN


def _as_ternary(value: Value) -> Ternary:
    return value if isinstance(value, Ternary) else Ternary.UNKNOWN


def _value(node: cel.Node, attributes: Attributes) -> Value:
    if isinstance(node, cel.Literal):
        if isinstance(node.value, bool):
            return from_bool(node.value)
        return Ternary.UNKNOWN if node.value is None else node.value
    if isinstance(node, cel.Path):
        return _attribute(node.name, attributes)
    if node.name == ".getAttribute" and node.arguments[0] == cel.Path("api"):
        return _api_attribute(node.arguments[1:], attributes)
    return _apply(node.name, [_value(argument, attributes) for argument in node.arguments])


def _attribute(name: str, attributes: Attributes) -> Value:
    if name == "request.time" and attributes.now is not None:
        return attributes.now if attributes.now.tzinfo else Ternary.UNKNOWN
    resource = attributes.resource
    # Other services fill these attributes differently (with project ids or numbers), or not at all.
    if not name.startswith("resource.") or resource.service != STORAGE:
        return Ternary.UNKNOWN
    whole: Value = KnownPrefix(resource.name) if resource.open_ended else resource.name
    return {"name": whole, "type": resource.type, "service": resource.service}.get(name[9:], Ternary.UNKNOWN)


def _api_attribute(arguments: tuple[cel.Node, ...], attributes: Attributes) -> Value:
    if len(arguments) != 2 or arguments[0] != cel.Literal(LIST_PREFIX) or attributes.list_prefix is None:
        return Ternary.UNKNOWN
    return attributes.list_prefix or _value(arguments[1], attributes)


def _apply(name: str, values: list[Value]) -> Value:
    """Apply an operator, function or method to values."""
    if name == "list":
        return values
    if name == "!" and len(values) == 1:
        return ~_as_ternary(values[0])
    if name == "?:":
        return _ternary(values)
    if name == "timestamp" and len(values) == 1:
        return _timestamp(values[0])
    return _binary(name, *values) if len(values) == 2 else Ternary.UNKNOWN


def _binary(name: str, left: Value, right: Value) -> Value:
    if name == "&&":
        return _as_ternary(left) & _as_ternary(right)
    if name == "||":
        return _as_ternary(left) | _as_ternary(right)
    if name == "==":
        return _equal(left, right)
    if name == "!=":
        return ~_equal(left, right)
    if name in ("<", "<=", ">", ">="):
        return _ordered(name, left, right)
    if name == "in":
        return any_of(_equal(left, item) for item in right) if isinstance(right, list) else Ternary.UNKNOWN
    return _method(name, left, right)


def _method(name: str, whole: Value, part: Value) -> Ternary:
    if not isinstance(part, str):
        return Ternary.UNKNOWN
    if isinstance(whole, KnownPrefix):
        return _method_on_prefix(name, whole.text, part)
    if not isinstance(whole, str):
        return Ternary.UNKNOWN
    results = {
        ".startsWith": whole.startswith(part),
        ".endsWith": whole.endswith(part),
        ".contains": part in whole,
    }
    return from_bool(results[name]) if name in results else Ternary.UNKNOWN


def _method_on_prefix(name: str, text: str, part: str) -> Ternary:
    if name == ".startsWith":
        return from_bool(text.startswith(part)) | (
            Ternary.UNKNOWN if part.startswith(text) else Ternary.FALSE
        )
    if name == ".contains" and part in text:
        return Ternary.TRUE
    return Ternary.TRUE if name == ".endsWith" and not part else Ternary.UNKNOWN


def _equal(left: Value, right: Value) -> Ternary:
    if isinstance(right, KnownPrefix):
        left, right = right, left
    if isinstance(left, KnownPrefix) and isinstance(right, str):
        return Ternary.UNKNOWN if right.startswith(left.text) else Ternary.FALSE
    if isinstance(left, Ternary) and isinstance(right, Ternary):
        return (left & right) | (~left & ~right)
    if isinstance(left, (str, float, datetime)) and type(left) is type(right):
        return from_bool(left == right)
    return Ternary.UNKNOWN


def _ordered(name: str, left: Value, right: Value) -> Ternary:
    a, b = _number(left), _number(right)
    if a is None or b is None or type(left) is not type(right):
        return Ternary.UNKNOWN
    return from_bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[name])


def _number(value: Value) -> float | None:
    """A sortable number for a number or a time. A float of seconds holds microseconds until the year 2255."""
    if isinstance(value, datetime):
        return value.timestamp()
    return value if isinstance(value, float) else None


def _ternary(values: list[Value]) -> Value:
    choice, yes, no = values
    if choice is Ternary.TRUE or choice is Ternary.FALSE:
        return yes if choice is Ternary.TRUE else no
    return yes if yes == no else Ternary.UNKNOWN


def _timestamp(value: Value) -> Value:
    """Parse RFC 3339 to the microsecond. Python 3.10's fromisoformat accepts neither Z nor nanoseconds."""
    found = RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return Ternary.UNKNOWN
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        return datetime.fromisoformat(f"{found[1].upper()}.{(found[2] or '0')[:6].ljust(6, '0')}{zone}")
    except ValueError:
        return Ternary.UNKNOWN
