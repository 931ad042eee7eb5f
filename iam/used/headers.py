"""The `reads` and `writes` that a script's header should declare, according to what a run did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from iam.policy.required_permissions import ARGUMENT, uris, values_of
from iam.used.attribution import Attributed
from iam.used.decisions import Decided
from iam.used.folders import folder_of, folders_of
from iam.used.jobs import Declared, JobRun
from iam.used.needs import is_needed

READS = frozenset({"storage.objects.get", "storage.objects.list"})
WRITES = frozenset({f"storage.objects.{verb}" for verb in ("create", "delete", "update", "move")})
KINDS = ("reads", "writes")


@dataclass(frozen=True, slots=True)
class HeaderAdvice:
    """What the header should declare, and how that differs from what it declares.

    `missing` and `unused` are (kind, entry), kind being "reads" or "writes". `declared`: whether what the header
    declares is known.
    """

    proposed: Declared
    missing: tuple[tuple[str, str], ...] = ()
    unused: tuple[tuple[str, str], ...] = ()
    declared: bool = True

    @property
    def accurate(self) -> bool:
        """Whether the header declares exactly what the run used."""
        return self.declared and not self.missing and not self.unused


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a header, with the gs:// URIs that it stands for in this run."""

    kind: str
    text: str
    uris: tuple[str, ...]

    def covers(self, one: Decided) -> bool:
        """Whether it declares an object, or what is listed."""
        return any(under(uri_of(one), uri) for uri in self.uris)

    def leads_through(self, one: Decided) -> bool:
        """Whether it lies in a folder that the job looked up or created on the way to it, as pyarrow does."""
        way = uri_of(one)
        return one.on_object and way.endswith("/") and any(uri.startswith(way) for uri in self.uris)


def under(uri: str, declared: str) -> bool:
    """Whether a declared URI covers another one. Even without a slash at its end, it may be a folder."""
    if "*" in declared:
        return uri.startswith(declared.partition("*")[0])
    folder = declared.rstrip("/")
    return uri == folder or uri.startswith(f"{folder}/")


def advise(attributed: Attributed) -> HeaderAdvice:
    """Compare a run with its header. What a job that failed did not use is not counted as unused."""
    run = attributed.run
    entries = entries_of(run)
    used = [one for one in attributed.decisions if one.permission in READS | WRITES and is_needed(one, run)]
    open_uses = [one for one in used if not is_declared(one, entries)]
    missing = tuple(dict.fromkeys(additions(open_uses, run)))
    unused = [one for one in entries if run.succeeded and one.uris and not is_used(one, used)]
    kept = {kind: [one.text for one in entries if one.kind == kind and one not in unused] for kind in KINDS}
    for kind, text in missing:
        kept[kind].append(text)
    proposed = Declared(tuple(kept["reads"]), tuple(kept["writes"]))
    pairs = tuple((one.kind, one.text) for one in unused)
    return HeaderAdvice(proposed, missing, pairs, run.declared is not None)


def entries_of(run: JobRun) -> list[Entry]:
    """The header's entries."""
    declared = run.declared or Declared()
    return [
        Entry(kind, text, uris_of(text, run, declared.defaults))
        for kind, texts in zip(KINDS, (declared.reads, declared.writes), strict=True)
        for text in texts
    ]


def uris_of(entry: str, run: JobRun, defaults: Mapping[str, str]) -> tuple[str, ...]:
    """The gs:// URIs that an entry stands for: itself, an argument's value or default, or a variable's value."""
    name, _, default = entry.partition("=")
    if not ARGUMENT.fullmatch(name):
        return tuple(uris(entry))
    values = values_of(name, run.arguments)
    if not values:
        values = [run.variables.get(name) or default or defaults.get(entry, "")]
    return tuple(uri for value in values for uri in uris(value))


def is_declared(one: Decided, entries: Iterable[Entry]) -> bool:
    """Whether the header covers a use. `writes` includes reading; `reads` does not include writing."""
    kinds = KINDS if one.permission in READS else ("writes",)
    able = [entry for entry in entries if entry.kind in kinds]
    return any(entry.covers(one) or entry.leads_through(one) for entry in able)


def is_used(entry: Entry, used: Iterable[Decided]) -> bool:
    """Whether the run did what an entry declares: read for `reads`, write for `writes`."""
    permissions = READS if entry.kind == "reads" else WRITES
    return any(one.permission in permissions and entry.covers(one) for one in used)


def additions(uses: Sequence[Decided], run: JobRun) -> Iterable[tuple[str, str]]:
    """The entries that the header lacks. What is also written needs no entry in `reads`."""
    writes = list(dict.fromkeys(spelled([one for one in uses if one.permission in WRITES], run)))
    places = [uri for text in writes for uri in uris_of(text, run, {})]
    read = [one for one in uses if one.permission in READS]
    rest = [one for one in read if not any(under(uri_of(one), uri) for uri in places)]
    yield from (("writes", text) for text in writes)
    yield from (("reads", text) for text in spelled(rest, run))


def spelled(uses: Sequence[Decided], run: JobRun) -> Iterable[str]:
    """The entries for some uses: the arguments whose values cover them, and URIs for the others."""
    arguments = argument_uris(run)
    rest = []
    for one in uses:
        name = next((name for uri, name in arguments if under(uri_of(one), uri)), "")
        if name:
            yield name
        else:
            rest.append(one)
    yield from groups(rest)


def argument_uris(run: JobRun) -> list[tuple[str, str]]:
    """The gs:// URIs in the run's arguments, each with its flag."""
    flags = dict.fromkeys(word.partition("=")[0] for word in run.arguments if word.startswith("--"))
    return [
        (uri, flag)
        for flag in flags
        if ARGUMENT.fullmatch(flag)
        for value in values_of(flag, run.arguments)
        for uri in uris(value)
    ]


def uri_of(one: Decided) -> str:
    """The URI of an object, or of what was listed."""
    return f"gs://{one.bucket}/{one.name}"


def groups(uses: Sequence[Decided]) -> list[str]:
    """URIs that cover these uses: objects, or folders with several of them."""
    names: dict[str, set[str]] = {}
    for one in uses:
        names.setdefault(one.bucket, set()).add(one.name)
    found = [(bucket, group) for bucket, names_of in sorted(names.items()) for group in folders_of(names_of)]
    every = list(dict.fromkeys(entry_for(bucket, group) for bucket, group in found))
    return [one for one in every if not any(under(one, other) for other in every if other != one)]


def entry_for(bucket: str, name: str) -> str:
    """The URI of an object or a folder, or of the deepest folder around it whose name is not read as several URIs."""
    while name and uris(f"gs://{bucket}/{name}") != [f"gs://{bucket}/{name}"]:
        name = folder_of(name.removesuffix("/"))
    return f"gs://{bucket}/{name}" if name else f"gs://{bucket}"
