"""Which recorded decisions are a job's: those from the cluster's nodes, while it ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from iam.policy.principal import ANONYMOUS
from iam.used.decisions import GATEWAY, Decided, Record
from iam.used.jobs import JobRun

GRACE = 1.0  # seconds after a job's end in which its last calls may still be recorded


@dataclass(frozen=True, slots=True)
class Attributed:
    """A run's decisions. `elsewhere`: calls that the same identities made from other machines, which do not count."""

    run: JobRun
    decisions: tuple[Decided, ...]
    elsewhere: int = 0
    complete: bool = True

    @property
    def principals(self) -> tuple[str, ...]:
        """Who made the calls, without those that were made without credentials."""
        return tuple(dict.fromkeys(one.principal for one in self.decisions if one.principal != ANONYMOUS))


def attribute(run: JobRun, record: Record, nodes: frozenset[str]) -> Attributed:
    """Select a run's decisions. A node's address identifies it, because a container can't use another one's."""
    within = [one for one in record.decisions if one.last >= run.started and one.first <= run.ended + GRACE]
    mine = merged(one for one in within if one.source in nodes)
    principals = {one.principal for one in mine} - {ANONYMOUS}
    others = (
        one.count
        for one in within
        if one.source not in nodes and one.source != GATEWAY and one.principal in principals
    )
    return Attributed(run, mine, sum(others), record.complete)


def merged(decisions: Iterable[Decided]) -> tuple[Decided, ...]:
    """The decisions of all nodes together, ordered by resource and permission."""
    found: dict[tuple[object, ...], Decided] = {}
    for one in decisions:
        key = (one.principal, one.permission, one.resource, one.prefix, one.granted, one.client)
        known = found.get(key)
        found[key] = replace(one, source="") if known is None else added(known, one)
    return tuple(sorted(found.values(), key=order))


def order(one: Decided) -> tuple[str, ...]:
    """By resource, then by permission."""
    return (one.resource, one.prefix or "", one.permission, one.principal, one.client)


def added(one: Decided, other: Decided) -> Decided:
    """Two decisions that differ only in when and from where they were made, as one."""
    first, last = min(one.first, other.first), max(one.last, other.last)
    return replace(one, first=first, last=last, count=one.count + other.count, size=one.size + other.size)
