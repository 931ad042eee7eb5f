"""A call to the JSON API, parsed once into values.

Handlers see only these values, so they act on exactly what was authorized. Ambiguous requests (with a repeated
parameter or an invalid percent escape) are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from cloud.google_errors import ApiError
from cloud.json_body import read_json

BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The parameters that every method accepts: https://cloud.google.com/storage/docs/json_api/v1/parameters#query
EVERYWHERE = frozenset(
    {"alt", "fields", "key", "access_token", "oauth_token", "prettyPrint", "quotaUser", "userIp"}
)


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """A call.

    `names`: the decoded names in the path; `query`: the parameters; `repeated`: the repeatable ones; `base`: the URL at
    which the client reaches Cloud Storage.
    """

    method: str
    path: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    repeated: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    principal: str
    base: str
    body: AsyncIterator[bytes] = field(repr=False)

    @property
    def media(self) -> bool:
        """Whether the call asks for an object's content rather than its metadata."""
        return self.query.get("alt") == "media" or self.path.startswith("/download/")

    def number(self, name: str) -> int | None:
        """A non-negative int64 parameter; None if not given. Raises ApiError (400) if it is invalid."""
        text = self.query.get(name)
        return None if text is None else count(name, text)

    def flag(self, name: str) -> bool:
        """A boolean parameter; False if not given. Raises ApiError (400) if it is invalid."""
        text = self.query.get(name, "false").lower()
        if text not in ("true", "false"):
            raise invalid(name, text)
        return text == "true"

    def tags(self, name: str) -> tuple[str, ...]:
        """A header's entity tags, without quotes."""
        return tuple(filter(None, (one.strip().strip('"') for one in self.headers.get(name, "").split(","))))

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} if there is none. Raises ApiError: 413 over 1 MiB, 400 for anything else."""
        return await read_json(self.body, self.headers.get("Content-Encoding", ""))


def count(name: str, value: object) -> int:
    """A non-negative int64 from JSON or a query. Raises ApiError (400) for anything else."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch("[0-9]{1,19}", text) or int(text) >= 2**63:
        raise invalid(name, str(value))
    return int(text)


def invalid(name: str, value: str) -> ApiError:
    """The 400 for an invalid parameter, header or field."""
    return ApiError(400, "invalidParameter", f"Invalid value for {name}: {value[:100]!r}.")


def unsupported(what: str) -> ApiError:
    """The 400 for a Google Cloud feature that the lab does not support."""
    return ApiError(400, "invalid", f"The lab's storage does not support {what[:200]}.")


def decoded(text: str, plus: str = "+") -> str:
    """Decode part of a URL. Raises ApiError (400) for an invalid escape or anything but UTF-8."""
    if BROKEN.search(text):
        raise ApiError(
            400, "badRequest", "The URL contains a '%' that is not followed by two hexadecimal digits."
        )
    try:
        return unquote_to_bytes(text.replace("+", plus)).decode()
    except UnicodeError:
        raise ApiError(400, "badRequest", "The URL is not UTF-8.") from None


def read_query(
    raw: str, known: frozenset[str], repeatable: frozenset[str] = frozenset()
) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Parse a query into single and repeatable parameters. Raises ApiError (400) for an unknown or repeated one."""
    single: dict[str, str] = {}
    several: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, raw.split("&")):
        name, _, value = (decoded(part, " ") for part in pair.partition("="))
        if name in repeatable:
            several[name] = (*several.get(name, ()), value)
        elif name in single:
            raise ApiError(400, "invalidParameter", f"The parameter {name} is repeated.")
        elif name in known or name in EVERYWHERE:
            single[name] = value
        else:
            raise unsupported(f"the parameter {name!r} here")
    if single.get("alt", "json") not in ("json", "media"):
        raise invalid("alt", single["alt"])
    return single, several


@dataclass(frozen=True, slots=True)
class StorageResponse:
    """A response: a JSON document, raw bytes, or streamed content (`length` is -1 if unknown in advance).

    `cut`: a fault closes the connection in the middle of the body.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""
    content: AsyncIterator[bytes] | None = None
    length: int = 0
    cut: bool = False

    def encoded(self) -> bytes:
        """The body's bytes; not for streamed content."""
        return self.raw if self.body is None else json.dumps(self.body).encode()
