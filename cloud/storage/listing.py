"""Lists objects: https://cloud.google.com/storage/docs/json_api/v1/objects/list

Names sort by their UTF-8 bytes. This equals sorting by code point, as Python and SQLite do.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from cloud.storage.glob import Glob, compile_glob
from cloud.storage.request import StorageRequest, count, invalid, unsupported
from cloud.storage.store.index import Index
from cloud.storage.store.records import ObjectRecord

PAGE = 1000  # maximum items and prefixes per page
SCAN = 10_000  # maximum steps per page, so a glob with few matches does not block other requests
METADATA_BYTES = 1 << 22  # maximum bytes of object metadata per page
PARAMETERS = frozenset(
    {
        "prefix", "delimiter", "includeTrailingDelimiter", "startOffset", "endOffset", "pageToken", "maxResults",
        "versions", "matchGlob", "projection", "softDeleted", "includeFoldersAsPrefixes",
    }
)  # fmt: skip
LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A parsed request. `start` is inclusive, `end` exclusive; `after`: the last returned generation of `start`."""

    prefix: str = ""
    delimiter: str = ""
    trailing: bool = False
    start: str = ""
    end: str = ""
    after: int = 0
    limit: int = PAGE
    versions: bool = False
    glob: Glob | None = None


@dataclass(slots=True)
class Page:
    """One page. `next` is the next page's token, or "" on the last page."""

    items: list[ObjectRecord] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next: str = ""
    seen: int = 0  # steps: objects scanned, plus the cost of matching their names
    bytes: int = 0  # approximate size of the objects' metadata


def read_list(call: StorageRequest) -> ListRequest:
    """Parse a list request. For an unsupported parameter, raises ApiError (400) with its name."""
    query = call.query
    for name in ("softDeleted", "includeFoldersAsPrefixes"):
        if call.flag(name):
            raise unsupported(f"{name}: its buckets support neither soft delete nor folders")
    glob, delimiter = query.get("matchGlob", ""), query.get("delimiter", "")
    if glob and delimiter:
        raise unsupported("matchGlob together with delimiter")
    limit = call.number("maxResults")
    projection(call)
    token = decode_token(query["pageToken"]) if query.get("pageToken") else None
    start = max(query.get("prefix", ""), query.get("startOffset", ""))
    return ListRequest(
        prefix=query.get("prefix", ""),
        delimiter=delimiter,
        trailing=call.flag("includeTrailingDelimiter"),
        start=max(start, token[0]) if token else start,
        end=query.get("endOffset", ""),
        after=token[1] if token else 0,
        limit=min(limit or PAGE, PAGE),
        versions=call.flag("versions"),
        glob=compile_glob(glob) if glob else None,
    )


def page(index: Index, bucket: str, wanted: ListRequest) -> Page:
    """Read one page. A common prefix counts as one entry, and its objects are skipped without being read."""
    found = Page()
    start: str | None = wanted.start
    after = wanted.after
    while start is not None:
        start, after = _fill(found, index, bucket, wanted, start, after), 0
    return found


def _fill(found: Page, index: Index, bucket: str, wanted: ListRequest, start: str, after: int) -> str | None:
    """Add entries up to and including the first new prefix. Returns where to continue, or None at the end."""
    for one in index.scan(bucket, start, wanted.versions):
        if not one.name.startswith(wanted.prefix) or (wanted.end and one.name >= wanted.end):
            return None
        if one.name == start and one.generation <= after:
            continue
        if found.seen >= SCAN:
            found.next = encode_token(one.name, one.generation - 1)
            return None
        found.seen += wanted.glob.cost(one.name) if wanted.glob else 1
        if wanted.glob and not wanted.glob.matches(one.name):
            continue
        common = _common(one.name, wanted)
        if len(found.items) + len(found.prefixes) >= wanted.limit or found.bytes > METADATA_BYTES:
            found.next = encode_token(common or one.name, 0 if common else one.generation - 1)
            return None
        if not common or (wanted.trailing and common == one.name):
            found.items.append(one)
            found.bytes += sum(map(len, one.document.get("metadata", {}).values()))
        if common and not (found.prefixes and found.prefixes[-1] == common):
            found.prefixes.append(common)
        if common and not (wanted.trailing and common == one.name and wanted.versions):
            # Skip the prefix, but still list all generations of a folder's own object.
            return after_prefix(common)
    return None


def _common(name: str, wanted: ListRequest) -> str:
    cut = name.find(wanted.delimiter, len(wanted.prefix)) if wanted.delimiter else -1
    return name[: cut + len(wanted.delimiter)] if cut >= 0 else ""


def after_prefix(prefix: str) -> str | None:
    """The smallest string greater than all strings with this prefix, or None if none exists."""
    rest = prefix.rstrip(LAST)
    if not rest:
        return None
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if code == 0xD800 else code)


def encode_token(name: str, generation: int) -> str:
    """A page token."""
    return base64.urlsafe_b64encode(json.dumps([name, generation]).encode()).decode()


def decode_token(token: str) -> tuple[str, int]:
    """The name and generation in a page token. Raises ApiError (400) if the token is invalid."""
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token.encode()))
        name.encode()
        return name, count("pageToken", generation)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise invalid("pageToken", token) from None


def projection(call: StorageRequest) -> None:
    """Validate the `projection` parameter. It has no effect: `full` adds ACLs, which uniform access excludes."""
    if call.query.get("projection", "noAcl") not in ("noAcl", "full"):
        raise invalid("projection", call.query["projection"])
