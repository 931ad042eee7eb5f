"""What a job needs of Cloud Storage, from what it declares to read and write and from its arguments.

Permissions an operation: https://cloud.google.com/storage/docs/access-control/iam-json. Overwriting is creating and
deleting; Ray Train's and Tune's `storage_path` is listed, read, written and cleaned up. Where Ray or pyarrow makes a
folder, it looks up the bucket, too: submit/preflight/bucket_lookups.py finds out where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType

from iam.errors import MalformedResource
from iam.policy.resource import Resource, bucket, obj, objects_under, parse_gs


class Operation(Enum):
    """What is done; `permissions` is what it takes."""

    READ = "read"
    LIST = "list"
    CREATE = "create"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    GET_BUCKET = "look up the bucket"

    @property
    def permissions(self) -> tuple[str, ...]:
        """In Google's names."""
        return PERMISSIONS[self]


PERMISSIONS = {
    Operation.READ: ("storage.objects.get",),
    Operation.LIST: ("storage.objects.list",),
    Operation.CREATE: ("storage.objects.create",),
    Operation.OVERWRITE: ("storage.objects.create", "storage.objects.delete"),
    Operation.DELETE: ("storage.objects.delete",),
    Operation.GET_BUCKET: ("storage.buckets.get",),
}
READ_ONE = (Operation.READ,)
READ_ALL = (Operation.LIST, Operation.READ)
WRITE_ONE = (Operation.OVERWRITE,)
WRITE_ALL = (Operation.LIST, Operation.READ, Operation.CREATE, Operation.DELETE)
ARGUMENT = re.compile(r"-{0,2}[A-Za-z][A-Za-z0-9_-]*")
SCHEME = re.compile(r"(?i)(?<![a-z0-9+.-])gc?s://(?:anonymous@)?")  # as fsspec and pyarrow take it
EMBEDDED = re.compile(SCHEME.pattern + r"[^\s\"'<>,;(){}\[\]]+")
OUTPUT = re.compile(
    r"(?i)-*(\w+[-_])?(out|save|dest|dst|log|checkpoint|ckpt|result|artifact|tmp|work|cache|write|target|model[-_]dir|storage)"
)
NO_LOOKUPS: Mapping[str, str] = MappingProxyType({})
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
IN_ARGUMENTS = "it is in the job's arguments"


@dataclass(frozen=True, slots=True)
class RequiredPermission:
    """One operation that a job will do, and which of its lines says so.

    `object_name` is a prefix if `uri` is one, up to the first wildcard. `there`: must it exist before? True where the
    header has it in `reads`, None where it was only noticed and is probably read.
    """

    uri: str
    bucket: str
    object_name: str
    operation: Operation
    permissions: tuple[str, ...]
    because: str
    there: bool | None = False

    @property
    def is_prefix(self) -> bool:
        """Does it stand for all objects whose names begin so?"""
        return is_prefix(self.uri)

    @property
    def resource(self) -> Resource:
        """What the permissions are needed on."""
        if self.operation in (Operation.LIST, Operation.GET_BUCKET):
            return bucket(self.bucket)
        if self.is_prefix:
            return objects_under(self.bucket, self.object_name)
        return obj(self.bucket, self.object_name)


@dataclass(slots=True)
class Collector:
    """Needs and remarks while they are gathered."""

    needs: dict[tuple[str, str, Operation, bool], RequiredPermission] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)

    def add(
        self, uri: str, operations: Iterable[Operation], because: str, there: bool | None = False
    ) -> None:
        """Merges with what is there: the same operation on the same thing is one need."""
        name, tail = parse_gs(uri)
        tail, prefix = tail.partition("*")[0], is_prefix(uri)
        for operation in operations:
            key = (name, tail, operation, prefix)
            known = self.needs.get(key)
            if known is None:
                self.needs[key] = RequiredPermission(
                    uri, name, tail, operation, operation.permissions, because, there
                )
            elif because not in known.because.split("; "):
                self.needs[key] = replace(known, because=f"{known.because}; {because}")

    def covers(self, uri: str) -> bool:
        """Is it, or something that it lies under, declared or needed already?"""
        name, tail = parse_gs(uri)
        return uri in self.declared or any(
            need.bucket == name
            and (need.uri == uri or (is_prefix(need.uri) and tail.startswith(need.object_name)))
            for need in self.needs.values()
        )


def needs_of(
    reads: Sequence[str],
    writes: Sequence[str],
    arguments: Sequence[str],
    lookups: Mapping[str, str] = NO_LOOKUPS,
    variables: Mapping[str, str] = NO_VARIABLES,
) -> tuple[list[RequiredPermission], list[str]]:
    """The needs, and sentences about what could not be known. Raises MalformedResource for a bad gs:// URI.

    An entry of `reads` and `writes` is a gs:// URI, a prefix (it ends with / or *), or the name of a job argument
    that holds one or several, if need be with what it is by default: "--read=gs://bucket/x". The name of one of the
    job's environment `variables` does as well. Local paths and other schemes are no needs. gcs:// is gs://.

    lookups: entries for which the bucket is looked up → why. One of `writes` is a folder then, and one of `reads`
    takes the lookup only where it is a whole bucket.
    """
    ledger = Collector()
    for kind, entries in (("reads", reads), ("writes", writes)):
        for entry in entries:
            _declared(ledger, kind, entry, arguments, lookups.get(entry, ""), variables)
    _noticed(ledger, arguments)
    for name, value in variables.items():
        for uri in uris(value):
            _guess(
                ledger,
                uri,
                f"it is in the variable {name}",
                f"The variable {name}",
                OUTPUT.match(name) is None,
            )
    return list(ledger.needs.values()), ledger.remarks


def is_prefix(uri: str) -> bool:
    """Does it stand for all that begins so? A bucket alone does, too."""
    return uri.endswith(("/", "*")) or "/" not in uri.removeprefix("gs://") or "*" in uri


def _declared(
    ledger: Collector,
    kind: str,
    entry: str,
    arguments: Sequence[str],
    lookup: str,
    variables: Mapping[str, str],
) -> None:
    if not ARGUMENT.fullmatch(entry.partition("=")[0]):
        _use(ledger, kind, entry, f'{kind} = "{entry}"', lookup)
        return
    entry, _, default = entry.partition("=")
    values = values_of(entry, arguments)
    if not values and entry in variables:
        values, flag = [variables[entry]], entry
    else:
        values = values or ([default] if default else [])
        flag = f"--{entry.lstrip('-')}" if not entry.startswith("-") else entry
    if not values:
        ledger.remarks.append(
            f"{kind} names {flag}, which is not among the job's arguments, so what it is by default was not checked."
        )
    for value in (one for text in values for one in uris(text) or [text]):
        ledger.declared.add(value)
        path = _folder(value) if bare(entry) == "storage_path" else value
        _use(ledger, kind, path, f"{flag} {value} ({kind})", lookup)


def uris(text: str) -> list[str]:
    """The gs:// URIs in a text, in Google's own spelling: it is one, a list of them, or holds some."""
    starts = [found.start() for found in SCHEME.finditer(text)]
    if starts[:1] == [0]:
        ends = [*starts[1:], len(text)]
        pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        found = [*(piece.rstrip(",;|: \t\n") for piece in pieces[:-1]), pieces[-1]]
    else:
        found = [match[0] for match in EMBEDDED.finditer(text)]
    return [SCHEME.sub("gs://", one, count=1) for one in found]


def _use(ledger: Collector, kind: str, uri: str, because: str, lookup: str) -> None:
    """A path that only begins like gs:// is a mistake, and no local path."""
    uri = SCHEME.sub("gs://", uri, count=1)
    if not uri.lower().startswith("gs:/"):
        return
    if lookup and kind == "writes":
        uri = _folder(uri)
    whole = is_prefix(uri)
    if kind == "reads":
        ledger.add(uri, READ_ALL if whole else READ_ONE, because, True)
    else:
        ledger.add(uri, WRITE_ALL if whole else WRITE_ONE, because)
    if lookup and (kind == "writes" or "/" not in uri.removeprefix("gs://").rstrip("/")):
        ledger.add(uri, (Operation.GET_BUCKET,), lookup)


def _folder(uri: str) -> str:
    return uri if not uri.startswith("gs://") or is_prefix(uri) else f"{uri}/"


def bare(entry: str) -> str:
    """The name of the argument that an entry names, as Python spells it; a URI as it is."""
    name = entry.partition("=")[0]
    return name.lstrip("-").replace("-", "_") if ARGUMENT.fullmatch(name) else entry


def values_of(name: str, arguments: Sequence[str]) -> list[str]:
    """The values of an argument, in each of its forms: `--x v`, `--x=v`, `--x v gs://another`."""
    found: list[str] = []
    for n, token in enumerate(arguments):
        flag, equals, value = token.partition("=")
        if not flag.startswith("-") or bare(flag) != bare(name):
            continue
        if equals:
            found.append(value)
            continue
        for later, following in enumerate(arguments[n + 1 :]):
            if following.startswith("-") or (later and not SCHEME.match(following)):
                break
            found.append(following)
    return found


def _noticed(ledger: Collector, arguments: Sequence[str]) -> None:
    """gs:// URIs that no declaration covers are probably read."""
    flag = ""
    for token in arguments:
        name, equals, value = token.partition("=") if token.startswith("-") else (flag, "", token)
        flag = token if token.startswith("-") and not equals else ""
        read = OUTPUT.match(name) is None
        if SCHEME.match(value):
            for uri in uris(value):
                if not ledger.covers(uri):
                    ledger.add(
                        uri, READ_ALL if is_prefix(uri) else READ_ONE, IN_ARGUMENTS, None if read else False
                    )
            continue
        for uri in uris(token):
            _guess(ledger, uri, IN_ARGUMENTS, f'The argument "{token}"', read)


def _guess(ledger: Collector, uri: str, because: str, where: str, read: bool) -> None:
    """Within a longer text a URI is a guess, so one that is malformed is only remarked on."""
    try:
        if not ledger.covers(uri):
            ledger.add(uri, READ_ALL if is_prefix(uri) else READ_ONE, because, None if read else False)
    except MalformedResource as error:
        ledger.remarks.append(f"{where} was not checked: {error.message}")
