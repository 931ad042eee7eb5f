"""Do the conditions of bindings hold? TRUE or FALSE where it can be known, else UNKNOWN; nothing raises.

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
from iam.policy.ternary import Ternary as Truth  # re-exported: it is what `evaluate` answers
from iam.policy.ternary import any_of, known

LIST_PREFIX = f"{STORAGE}/objectListPrefix"
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of the request.

    now: its time; None is not known
    list_prefix: the prefix that objects.list asks for; "" where there is none, None where it is not known
    """

    resource: Resource
    now: datetime | None = None
    list_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """A string of which only the beginning is known."""

    text: str


Value = (
    Truth | str | float | datetime | Beginning | list["Value"]
)  # Truth.UNKNOWN stands for anything not known


def evaluate(expression: str, attributes: Attributes) -> Truth:
    """Does it hold? UNKNOWN for whatever is not known or not understood."""
    try:
        return _truth(_value(cel.parse(expression), attributes))
    except (BadCondition, RecursionError):  # the latter of thousands of operators; IAM takes 12
        return Truth.UNKNOWN


def _truth(value: Value) -> Truth:
    return value if isinstance(value, Truth) else Truth.UNKNOWN


def _value(node: cel.Node, given: Attributes) -> Value:
    if isinstance(node, cel.Literal):
        if isinstance(node.value, bool):
            return known(node.value)
        return Truth.UNKNOWN if node.value is None else node.value
    if isinstance(node, cel.Path):
        return _attribute(node.name, given)
    if node.name == ".getAttribute" and node.arguments[0] == cel.Path("api"):
        return _api_attribute(node.arguments[1:], given)
    return _apply(node.name, [_value(argument, given) for argument in node.arguments])


def _attribute(name: str, given: Attributes) -> Value:
    if name == "request.time" and given.now is not None:
        return given.now if given.now.tzinfo else Truth.UNKNOWN
    resource = given.resource
    # What other services put into these attributes differs (project ids or numbers), where they have them at all.
    if not name.startswith("resource.") or resource.service != STORAGE:
        return Truth.UNKNOWN
    whole: Value = Beginning(resource.name) if resource.open_ended else resource.name
    return {"name": whole, "type": resource.type, "service": resource.service}.get(name[9:], Truth.UNKNOWN)


def _api_attribute(arguments: tuple[cel.Node, ...], given: Attributes) -> Value:
    if len(arguments) != 2 or arguments[0] != cel.Literal(LIST_PREFIX) or given.list_prefix is None:
        return Truth.UNKNOWN
    return given.list_prefix or _value(arguments[1], given)


def _apply(name: str, values: list[Value]) -> Value:
    """An operator, function or method on values."""
    if name == "list":
        return values
    if name == "!" and len(values) == 1:
        return ~_truth(values[0])
    if name == "?:":
        return _ternary(values)
    if name == "timestamp" and len(values) == 1:
        return _timestamp(values[0])
    return _binary(name, *values) if len(values) == 2 else Truth.UNKNOWN


def _binary(name: str, left: Value, right: Value) -> Value:
    if name == "&&":
        return _truth(left) & _truth(right)
    if name == "||":
        return _truth(left) | _truth(right)
    if name == "==":
        return _equal(left, right)
    if name == "!=":
        return ~_equal(left, right)
    if name in ("<", "<=", ">", ">="):
        return _ordered(name, left, right)
    if name == "in":
        return any_of(_equal(left, item) for item in right) if isinstance(right, list) else Truth.UNKNOWN
    return _method(name, left, right)


def _method(name: str, whole: Value, part: Value) -> Truth:
    if not isinstance(part, str):
        return Truth.UNKNOWN
    if isinstance(whole, Beginning):
        return _method_on_beginning(name, whole.text, part)
    if not isinstance(whole, str):
        return Truth.UNKNOWN
    results = {
        ".startsWith": whole.startswith(part),
        ".endsWith": whole.endswith(part),
        ".contains": part in whole,
    }
    return known(results[name]) if name in results else Truth.UNKNOWN


def _method_on_beginning(name: str, text: str, part: str) -> Truth:
    if name == ".startsWith":
        return known(text.startswith(part)) | (Truth.UNKNOWN if part.startswith(text) else Truth.FALSE)
    if name == ".contains" and part in text:
        return Truth.TRUE
    return Truth.TRUE if name == ".endsWith" and not part else Truth.UNKNOWN


def _equal(left: Value, right: Value) -> Truth:
    if isinstance(right, Beginning):
        left, right = right, left
    if isinstance(left, Beginning) and isinstance(right, str):
        return Truth.UNKNOWN if right.startswith(left.text) else Truth.FALSE
    if isinstance(left, Truth) and isinstance(right, Truth):
        return (left & right) | (~left & ~right)
    if isinstance(left, (str, float, datetime)) and type(left) is type(right):
        return known(left == right)
    return Truth.UNKNOWN


def _ordered(name: str, left: Value, right: Value) -> Truth:
    a, b = _number(left), _number(right)
    if a is None or b is None or type(left) is not type(right):
        return Truth.UNKNOWN
    return known({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[name])


def _number(value: Value) -> float | None:
    """What orders numbers and times; seconds as a float hold microseconds until the year 2255."""
    if isinstance(value, datetime):
        return value.timestamp()
    return value if isinstance(value, float) else None


def _ternary(values: list[Value]) -> Value:
    choice, yes, no = values
    if choice is Truth.TRUE or choice is Truth.FALSE:
        return yes if choice is Truth.TRUE else no
    return yes if yes == no else Truth.UNKNOWN


def _timestamp(value: Value) -> Value:
    """RFC 3339, to the microsecond: Python 3.10's fromisoformat reads neither Z nor nanoseconds."""
    found = RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return Truth.UNKNOWN
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        return datetime.fromisoformat(f"{found[1].upper()}.{(found[2] or '0')[:6].ljust(6, '0')}{zone}")
    except ValueError:
        return Truth.UNKNOWN
