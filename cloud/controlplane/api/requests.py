"""Builds a request message from a path, a query and a JSON body, following Google's HTTP rules.

https://github.com/googleapis/googleapis/blob/master/google/api/http.proto, and for the JSON
https://protobuf.dev/programming-guides/json. The error messages are Google's wherever those are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from cloud.controlplane import errors
from cloud.controlplane.api.routes import ALL, Match
from cloud.controlplane.errors import RpcError

# Parameters that have no effect here or that rest.py reads: https://cloud.google.com/apis/docs/system-parameters
SYSTEM = frozenset(
    {"alt", "$alt", "prettyPrint", "$prettyPrint", "key", "$key", "quotaUser", "$quotaUser", "$.xgafv"}
)
MASK = "update_mask"
AT = re.compile(r" at (?P<path>\w[\w.\[\]]*\w\]?)\.*$")
UNKNOWN = re.compile(r'has no field named "(?P<name>[^"]*)" at "(?P<path>[^"]*)"')


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A call over HTTP: its route, query parameters and JSON body."""

    match: Match
    query: Mapping[str, str]
    body: Mapping[str, Any]


def build(call: HttpCall, message: Any) -> Any:
    """Fill an empty request message. Raises RpcError (INVALID_ARGUMENT) if the call does not fit it."""
    route = call.match.route
    if call.body and not route.body:
        raise errors.bad_payload("", "The request must not have a body.")
    if route.body:
        target = message if route.body == ALL else getattr(message, route.body)
        parse(call.body, target, "" if route.body == ALL else route.body)
    for key, value in call.query.items():
        if key not in SYSTEM:
            bind(message, key, value, route.body)
    *parents, name = route.field.split(".")
    owner = message
    for parent in parents:
        owner = getattr(owner, parent)
    setattr(owner, name, call.match.name)
    return message


def parse(fields: Mapping[str, Any], message: Any, where: str) -> None:
    """Parse JSON into a message. `where` is the message's field path in the request."""
    try:
        json_format.ParseDict(fields, message)
    except json_format.ParseError as fault:
        raise payload_error(str(fault), where) from None
    message.SetInParent()


def payload_error(text: str, where: str) -> RpcError:
    """Google's error that corresponds to a parse error from protobuf."""
    if unknown := UNKNOWN.search(text):
        path = field_path(unknown["path"], where)
        place = f" at '{path}'" if path else ""
        return errors.bad_payload(path, f'Unknown name "{unknown["name"]}"{place}: Cannot find field.')
    *parents, said = text.split(" field: ")
    names = [part.rpartition("Failed to parse ")[2] for part in parents]
    if at := AT.search(said):
        path = field_path(at["path"], where)
        return errors.bad_payload(path, f"Invalid value at '{path}': {AT.sub('', said).rstrip('.')}.")
    path = field_path(".".join(["", *names]), where)  # the rest of the message is Python's
    return errors.bad_payload(path, f"Invalid value at '{path}'.")


def field_path(path: str, where: str) -> str:
    """A path in protobuf's message ("PersistentResource.resourcePools[0]") with the proto's field names."""
    inner = re.sub(r"(?<=[a-z0-9])[A-Z]", lambda one: f"_{one[0].lower()}", path.partition(".")[2])
    return ".".join(part for part in (where, inner) if part)


def bind(message: Any, key: str, value: str, body: str) -> None:
    """Set a request's field from a query parameter, whose name is in camelCase or as in the proto."""
    fields = {one.json_name: one for one in message.DESCRIPTOR.fields} | dict(
        message.DESCRIPTOR.fields_by_name
    )
    found = fields.get(key)
    if found is None or body in (ALL, found.name):
        reason = f"Cannot bind query parameter. Field '{key}' could not be found in request message."
        raise errors.bad_payload("", f'Unknown name "{key}": {reason}')
    if found.name == MASK:
        message.update_mask.paths.extend(mask_paths(value))
        return
    is_flag = found.type == found.TYPE_BOOL and value in ("true", "false")
    parse({key: value == "true" if is_flag else value}, message, "")


def mask_paths(text: str) -> list[str]:
    """The paths in a query's field mask, with the proto's field names."""
    snake = re.sub("[A-Z]", lambda one: f"_{one[0].lower()}", text)
    return [path for path in snake.split(",") if path]
