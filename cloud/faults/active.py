"""The active faults, and the decision whether a call is hit.

They are saved to a file, so that they end on time even if the cloud restarts, and so that Vertex AI's control plane,
another process, can follow them. A restart begins their random sequences again.
"""

from __future__ import annotations

import json
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.identity.tokens import write_private
from raydock.faults import STORAGE, Fault, from_json

log = logging.getLogger("cloud")

FILE = "faults.json"  # in the cloud's state folder
MAX_ACTIVE = 32


@dataclass(slots=True)
class ActiveFault:
    """A fault until its end (Unix time), with the number of calls that it could have hit and did hit."""

    id: str
    fault: Fault
    until: float
    calls: int = 0
    hits: int = 0
    random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.fault.seed)

    def drawn(self) -> bool:
        """Whether the fault should hit the next call. Each call advances the random sequence by one."""
        self.calls += 1
        drawn = 100 * self.random.random() < self.fault.share
        return drawn and not (self.fault.times and self.hits >= self.fault.times)

    def as_json(self) -> dict[str, Any]:
        """The fault, its ID and its end, as saved."""
        return {"id": self.id, "until": self.until, "fault": self.fault.as_json()}


@dataclass(slots=True)
class Faults:
    """All active faults. `file` is where they are saved; with `follows`, another process changes it."""

    file: Path | None = None
    follows: bool = False
    clock: Callable[[], float] = time.time
    known: dict[str, ActiveFault] = field(default_factory=dict)
    stamp: tuple[int, int] = (0, 0)

    def active(self) -> list[ActiveFault]:
        """The faults that have not ended, oldest first."""
        if self.follows:
            self.reload()
        if self.known:
            now = self.clock()
            self.known = {id: one for id, one in self.known.items() if one.until > now}
        return list(self.known.values())

    def add(self, fault: Fault, seconds: float) -> ActiveFault:
        """Start a fault. Raises ValueError if there are too many."""
        if len(self.active()) >= MAX_ACTIVE:
            raise ValueError(f"{MAX_ACTIVE} faults are active, the most that the lab allows.")
        made = ActiveFault(secrets.token_hex(3), fault, self.clock() + seconds)
        self.known[made.id] = made
        self.save()
        return made

    def clear(self, ids: Collection[str]) -> list[ActiveFault]:
        """End these faults, or all if there are no IDs. Raises LookupError for an unknown ID, and ends none then."""
        active = {one.id: one for one in self.active()}
        for id in ids:
            if id not in active:
                raise LookupError(id)
        ended = [one for id, one in active.items() if not ids or id in ids]
        for one in ended:
            del self.known[one.id]
        self.save()
        return ended

    def storage(self, buckets: Collection[str], is_command: bool = False) -> list[Fault]:
        """The faults that hit a call to Cloud Storage for these buckets. `is_command`: one of our own commands."""
        if not self.known:
            return []
        matching = (
            one for one in self.active() if one.fault.kind in STORAGE and one.fault.bucket in ("", *buckets)
        )
        return hits(one for one in matching if one.fault.commands or not is_command)

    def control_plane(self) -> list[Fault]:
        """The faults that hit a call to the Job API or to Vertex AI."""
        return hits(one for one in self.active() if one.fault.kind == "control-plane")

    def token_seconds(self) -> float:
        """The age in seconds at which tokens stop being accepted, whatever expiry time they have."""
        tokens = (one.fault.lifetime for one in self.active() if one.fault.kind == "tokens")
        return min(tokens, default=math.inf)

    def save(self) -> None:
        """Write the faults to their file, if they have one."""
        if self.file:
            write_private(self.file, json.dumps([one.as_json() for one in self.known.values()]).encode())

    def reload(self) -> None:
        """Read the file again if it has changed. Keeps the sequences of the faults that are still active."""
        try:
            about = self.file.stat() if self.file else None
        except FileNotFoundError:
            about = None
        stamp = (about.st_mtime_ns, about.st_ino) if about else (0, 0)
        if stamp != self.stamp:
            self.stamp = stamp
            found = read(self.file) if about and self.file else []
            self.known = {one.id: self.known.get(one.id, one) for one in found}


def hits(faults: Iterable[ActiveFault]) -> list[Fault]:
    """The faults that hit the next call, and count it: all slow ones, which add up, and the first of the others."""
    drawn = [one for one in faults if one.drawn()]
    slow = [one for one in drawn if one.fault.kind == "slow"]
    others = [one for one in drawn if one.fault.kind != "slow"]
    effective = [*slow, *others[:1]]
    for one in effective:
        one.hits += 1
    return [one.fault for one in effective]


def read(file: Path) -> list[ActiveFault]:
    """The saved faults; none if there is no file, or if it is damaged or from another version."""
    try:
        saved = json.loads(file.read_text())
        return [ActiveFault(str(one["id"]), from_json(one["fault"]), float(one["until"])) for one in saved]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, LookupError, AttributeError) as problem:
        log.warning("%s is not used, so no faults are active: %s", file, problem)
        return []


def load(file: Path, follows: bool = False) -> Faults:
    """The faults saved in a file."""
    return Faults(file, follows, known={} if follows else {one.id: one for one in read(file)})
