"""The Cloud Storage permissions that a job needs, from its declared reads and writes and from its arguments.

Permissions per operation: https://cloud.google.com/storage/docs/access-control/iam-json. Overwriting means creating
and deleting. Ray Train and Tune list, read, write and clean up their `storage_path`. To create a folder, Ray and
pyarrow also look up the bucket; submit/preflight/bucket_lookups.py finds such calls.
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
    """An operation on Cloud Storage."""

    READ = "read"
    LIST = "list"
    CREATE = "create"
    OVERWRITE = "overwrite"
    DELETE = "delete"
    GET_BUCKET = "look up the bucket"

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions that the operation needs."""
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
SCHEME = re.compile(
    r"(?i)(?<![a-z0-9+.-])gc?s://(?:anonymous@)?"
)  # in the forms that fsspec and pyarrow accept
EMBEDDED = re.compile(SCHEME.pattern + r"[^\s\"'<>,;(){}\[\]]+")
OUTPUT = re.compile(
    r"(?i)-*(\w+[-_])?(out|save|dest|dst|log|checkpoint|ckpt|result|artifact|tmp|work|cache|write|target|model[-_]dir|storage)"
)
NO_LOOKUPS: Mapping[str, str] = MappingProxyType({})
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
IN_ARGUMENTS = "in the job's arguments"


@dataclass(frozen=True, slots=True)
class RequiredPermission:
    """One operation of a job, with the permissions it needs.

    object_name: the object, or a prefix up to the first wildcard if `uri` is one
    because: the declaration or argument that implies the operation
    there: whether the object must already exist: True for the header's `reads`, None if the job probably reads it
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
        """Whether it covers all objects whose names start with `object_name`."""
        return is_prefix(self.uri)

    @property
    def resource(self) -> Resource:
        """The resource on which the permissions are needed."""
        if self.operation in (Operation.LIST, Operation.GET_BUCKET):
            return bucket(self.bucket)
        if self.is_prefix:
            return objects_under(self.bucket, self.object_name)
        return obj(self.bucket, self.object_name)


@dataclass(slots=True)
class Collector:
    """Collects required permissions and remarks."""

    needs: dict[tuple[str, str, Operation, bool], RequiredPermission] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)

    def add(
        self, uri: str, operations: Iterable[Operation], because: str, there: bool | None = False
    ) -> None:
        """Add the operations on a URI. The same operation on the same resource is merged into one entry."""
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
        """Whether the URI, or a prefix of it, is already declared or collected."""
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
    """The required permissions, and remarks about what was not checked. Raises MalformedResource for a bad gs:// URI.

    An entry in `reads` or `writes` is a gs:// URI, a prefix (ending with / or *), or the name of a job argument or
    environment variable that holds URIs. An argument may have a default: "--read=gs://bucket/x". Local paths and other
    schemes need no permissions. gcs:// is the same as gs://.

    lookups: entries for which the job looks up the bucket → reason. Such an entry in `writes` is a folder; one in
    `reads` needs the lookup only if it is a whole bucket.
    """
    collector = Collector()
    for kind, entries in (("reads", reads), ("writes", writes)):
        for entry in entries:
            _add_declared(collector, kind, entry, arguments, lookups.get(entry, ""), variables)
    _add_mentioned(collector, arguments)
    for name, value in variables.items():
        because, subject = f"in the environment variable {name}", f"The environment variable {name}"
        for uri in uris(value):
            _add_probable(collector, uri, because, subject, OUTPUT.match(name) is None)
    return list(collector.needs.values()), collector.remarks


def is_prefix(uri: str) -> bool:
    """Whether the URI covers every object whose name starts with it. A bucket alone does, too."""
    return uri.endswith(("/", "*")) or "/" not in uri.removeprefix("gs://") or "*" in uri


def _add_declared(
    collector: Collector,
    kind: str,
    entry: str,
    arguments: Sequence[str],
    lookup: str,
    variables: Mapping[str, str],
) -> None:
    if not ARGUMENT.fullmatch(entry.partition("=")[0]):
        _add_use(collector, kind, entry, f'{kind} = "{entry}"', lookup)
        return
    entry, _, default = entry.partition("=")
    values = values_of(entry, arguments)
    if not values and entry in variables:
        values, flag = [variables[entry]], entry
    else:
        values = values or ([default] if default else [])
        flag = f"--{entry.lstrip('-')}" if not entry.startswith("-") else entry
    if not values:
        collector.remarks.append(
            f"{flag} (in {kind}) is not among the job's arguments, so its default was not checked."
        )
    for value in (one for text in values for one in uris(text) or [text]):
        collector.declared.add(value)
        path = _folder(value) if bare(entry) == "storage_path" else value
        _add_use(collector, kind, path, f"{flag} {value} ({kind})", lookup)


def uris(text: str) -> list[str]:
    """The URIs in a string, normalized to gs://. The string is a URI, a list of URIs, or contains some."""
    starts = [found.start() for found in SCHEME.finditer(text)]
    if starts[:1] == [0]:
        ends = [*starts[1:], len(text)]
        pieces = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        found = [*(piece.rstrip(",;|: \t\n") for piece in pieces[:-1]), pieces[-1]]
    else:
        found = [match[0] for match in EMBEDDED.finditer(text)]
    return [SCHEME.sub("gs://", one, count=1) for one in found]


def _add_use(collector: Collector, kind: str, uri: str, because: str, lookup: str) -> None:
    """Add a declared path. One that starts with gs:/ is a malformed URI, not a local path."""
    uri = SCHEME.sub("gs://", uri, count=1)
    if not uri.lower().startswith("gs:/"):
        return
    if lookup and kind == "writes":
        uri = _folder(uri)
    whole = is_prefix(uri)
    if kind == "reads":
        collector.add(uri, READ_ALL if whole else READ_ONE, because, True)
    else:
        collector.add(uri, WRITE_ALL if whole else WRITE_ONE, because)
    if lookup and (kind == "writes" or "/" not in uri.removeprefix("gs://").rstrip("/")):
        collector.add(uri, (Operation.GET_BUCKET,), lookup)


def _folder(uri: str) -> str:
    return uri if not uri.startswith("gs://") or is_prefix(uri) else f"{uri}/"


def bare(entry: str) -> str:
    """The Python name of the argument in an entry; a URI is returned unchanged."""
    name = entry.partition("=")[0]
    return name.lstrip("-").replace("-", "_") if ARGUMENT.fullmatch(name) else entry


def values_of(name: str, arguments: Sequence[str]) -> list[str]:
    """The values of an argument, in any of the forms `--x v`, `--x=v` and `--x v gs://another`."""
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


def _add_mentioned(collector: Collector, arguments: Sequence[str]) -> None:
    """Add gs:// URIs that no declaration covers: the job probably reads them."""
    flag = ""
    for token in arguments:
        name, equals, value = token.partition("=") if token.startswith("-") else (flag, "", token)
        flag = token if token.startswith("-") and not equals else ""
        read = OUTPUT.match(name) is None
        if SCHEME.match(value):
            for uri in uris(value):
                if not collector.covers(uri):
                    collector.add(
                        uri, READ_ALL if is_prefix(uri) else READ_ONE, IN_ARGUMENTS, None if read else False
                    )
            continue
        for uri in uris(token):
            _add_probable(collector, uri, IN_ARGUMENTS, f'The argument "{token}"', read)


def _add_probable(collector: Collector, uri: str, because: str, subject: str, read: bool) -> None:
    """Add a likely URI from a longer string. A malformed one only adds a remark, since it may not be a URI."""
    try:
        if not collector.covers(uri):
            collector.add(uri, READ_ALL if is_prefix(uri) else READ_ONE, because, None if read else False)
    except MalformedResource as error:
        collector.remarks.append(f"{subject} was not checked: {error.message}")
