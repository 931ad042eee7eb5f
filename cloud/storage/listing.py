"""Lists of objects: https://cloud.google.com/storage/docs/json_api/v1/objects/list

Names are in the order of their UTF-8, which is the order of code points that Python and SQLite use as well.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

from cloud.storage.glob import Glob, compile_glob
from cloud.storage.request import StorageRequest, count, invalid, unsupported
from cloud.storage.store.index import Index, ObjectRecord

PAGE = 1000  # items and prefixes in one answer at most
SCAN = 10_000  # objects that one answer looks at, so that a glob with few matches holds up nobody else
FIELDS = 1 << 22  # bytes of objects' metadata in one answer
PARAMETERS = frozenset(
    {
        "prefix", "delimiter", "includeTrailingDelimiter", "startOffset", "endOffset", "pageToken", "maxResults",
        "versions", "matchGlob", "projection", "softDeleted", "includeFoldersAsPrefixes",
    }
)  # fmt: skip
LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`start` is inclusive, `end` exclusive; `after` is the generation of `start` that was returned last."""

    prefix: str = ""
    delimiter: str = ""
    trailing: bool = False
    start: str = ""
    end: str = ""
    after: int = 0
    most: int = PAGE
    versions: bool = False
    glob: Glob | None = None


@dataclass(slots=True)
class Page:
    """`next` is the token of the page that follows; empty on the last."""

    items: list[ObjectRecord] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next: str = ""
    seen: int = 0  # objects that were looked at
    bytes: int = 0  # of metadata, about


def read_list(call: StorageRequest) -> ListRequest:
    """Refusal (400) for what the lab does not have, by name."""
    query = call.query
    for name in ("softDeleted", "includeFoldersAsPrefixes"):
        if call.flag(name):
            raise unsupported(f"{name}: its buckets have neither soft delete nor folders")
    glob, delimiter = query.get("matchGlob", ""), query.get("delimiter", "")
    if glob and delimiter:
        raise unsupported("matchGlob together with delimiter")
    most = call.number("maxResults")
    projection(call)
    token = opened(query["pageToken"]) if query.get("pageToken") else None
    start = max(query.get("prefix", ""), query.get("startOffset", ""))
    return ListRequest(
        prefix=query.get("prefix", ""),
        delimiter=delimiter,
        trailing=call.flag("includeTrailingDelimiter"),
        start=max(start, token[0]) if token else start,
        end=query.get("endOffset", ""),
        after=token[1] if token else 0,
        most=min(most or PAGE, PAGE),
        versions=call.flag("versions"),
        glob=compile_glob(glob) if glob else None,
    )


def page(index: Index, bucket: str, wanted: ListRequest) -> Page:
    """One page. A common prefix is one entry, whose objects are skipped rather than read."""
    found = Page()
    start: str | None = wanted.start
    after = wanted.after
    while start is not None:
        start, after = _fill(found, index, bucket, wanted, start, after), 0
    return found


def _fill(found: Page, index: Index, bucket: str, wanted: ListRequest, start: str, after: int) -> str | None:
    """Adds entries up to and including the first new prefix. Returns where to go on, None at the end."""
    for one in index.scan(bucket, start, wanted.versions):
        if not one.name.startswith(wanted.prefix) or (wanted.end and one.name >= wanted.end):
            return None
        if one.name == start and one.generation <= after:
            continue
        if found.seen >= SCAN:
            found.next = sealed(one.name, one.generation - 1)
            return None
        found.seen += wanted.glob.cost(one.name) if wanted.glob else 1
        if wanted.glob and not wanted.glob.matches(one.name):
            continue
        common = _common(one.name, wanted)
        if len(found.items) + len(found.prefixes) >= wanted.most or found.bytes > FIELDS:
            found.next = sealed(common or one.name, 0 if common else one.generation - 1)
            return None
        if not common or (wanted.trailing and common == one.name):
            found.items.append(one)
            found.bytes += sum(map(len, one.document.get("metadata", {}).values()))
        if common and not (found.prefixes and found.prefixes[-1] == common):
            found.prefixes.append(common)
        if common and not (wanted.trailing and common == one.name and wanted.versions):
            return following(
                common
            )  # past all that begins so; of a folder's own object, all generations are shown
    return None


def _common(name: str, wanted: ListRequest) -> str:
    cut = name.find(wanted.delimiter, len(wanted.prefix)) if wanted.delimiter else -1
    return name[: cut + len(wanted.delimiter)] if cut >= 0 else ""


def following(prefix: str) -> str | None:
    """The first string after all that begin with `prefix`; None where there is none."""
    rest = prefix.rstrip(LAST)
    if not rest:
        return None
    code = ord(rest[-1]) + 1
    return rest[:-1] + chr(0xE000 if code == 0xD800 else code)


def sealed(name: str, generation: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([name, generation]).encode()).decode()


def opened(token: str) -> tuple[str, int]:
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token.encode()))
        name.encode()
        return name, count("pageToken", generation)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise invalid("pageToken", token) from None


def projection(call: StorageRequest) -> None:
    """`full` adds access control lists, and no object of a bucket with uniform access has one."""
    if call.query.get("projection", "noAcl") not in ("noAcl", "full"):
        raise invalid("projection", call.query["projection"])
