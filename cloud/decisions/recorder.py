"""Records decisions: counts equal ones in memory, and appends the counts to the journal once a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cloud.decisions.call import CURRENT
from cloud.decisions.entry import Key, Tally, as_json, of_line, to_line
from cloud.decisions.journal import Journal

log = logging.getLogger("cloud")

SLICE = 1.0  # seconds; decisions of two consecutive jobs are this far apart, as a job takes longer to start
MOST = 2_000  # entries in memory, after which they are written early
LONGEST = 2_048  # characters of a name: more than an object's can have. A prefix in a batch request may have megabytes


@dataclass(slots=True)
class Recorder:
    """The record. Without a journal, it keeps nothing. Decisions outside of an API call are not recorded."""

    journal: Journal | None = None
    clock: Callable[[], float] = time.time
    entries: dict[Key, Tally] = field(default_factory=dict)
    lost: int = 0  # entries that could not be written
    timer: asyncio.TimerHandle | None = None

    def decided(
        self, principal: str, permission: str, resource: str, granted: bool, prefix: str | None = None
    ) -> None:
        """Record one decision about the current call. The same check in one call counts once."""
        call, resource = CURRENT.get(), resource[:LONGEST]
        if self.journal is None or call is None:
            return
        check = (permission, resource, granted)
        if check not in call.principals:
            call.principals[check] = principal
            listed = (prefix or "")[:LONGEST] if permission == "storage.objects.list" else None
            self.tally(
                Key(principal, permission, resource, listed, granted, call.source, call.client)
            ).count += 1

    def moved(self, permission: str, resource: str, size: int) -> None:
        """Add bytes of content to a decision that granted the current call this permission."""
        call, resource = CURRENT.get(), resource[:LONGEST]
        if self.journal is None or call is None or not size:
            return
        if principal := call.principals.get((permission, resource, True)):
            self.tally(
                Key(principal, permission, resource, None, True, call.source, call.client)
            ).bytes += size

    def tally(self, key: Key) -> Tally:
        """The entry with this key that is not yet written."""
        now = self.clock()
        found = self.entries.get(key)
        if found is None:
            if len(self.entries) >= MOST:
                self.flush()
            found = self.entries[key] = Tally(now, now)
            self.schedule()
        found.last = now
        return found

    def schedule(self) -> None:
        """Write the entries in a second, unless that is already planned."""
        if self.timer is None:
            try:
                self.timer = asyncio.get_running_loop().call_later(SLICE, self.flush)
            except RuntimeError:  # outside of an event loop, the reader writes them
                return

    def flush(self) -> None:
        """Append the entries to the journal. A failure is logged and counted: it must not fail the calls."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        entries, self.entries = self.entries, {}
        if self.journal is None or not entries:
            return
        try:
            self.journal.append(to_line(key, tally) for key, tally in entries.items())
        except OSError as fault:
            self.lost += len(entries)
            log.warning("could not record %d decisions: %s", len(entries), fault)

    async def between(self, since: float, until: float) -> dict[str, Any]:
        """The decisions between two Unix times, with equal ones merged, in the lab API's format.

        `complete`: whether the record still has everything since then.
        """
        self.flush()
        if self.journal is None:
            return {"version": 1, "complete": False, "decisions": []}
        return await asyncio.to_thread(read, self.journal, since, until, self.lost)


def read(journal: Journal, since: float, until: float, lost: int) -> dict[str, Any]:
    """The journal's entries between two times."""
    merged: dict[Key, Tally] = {}
    dropped = journal.dropped
    oldest = (
        min((tally.first for _, tally in entries(journal.oldest())), default=float("inf")) if dropped else 0
    )
    for key, tally in entries(journal.lines(since)):
        if tally.last >= since and tally.first <= until:
            known = merged.setdefault(key, tally)
            if known is not tally:
                known.add(tally)
    complete = not lost and not (dropped and oldest > since)
    return {"version": 1, "complete": complete, "decisions": [as_json(*one) for one in merged.items()]}


def entries(lines: Iterable[bytes]) -> Iterator[tuple[Key, Tally]]:
    """The entries in lines. Skips those that are not entries."""
    for line in lines:
        with suppress(ValueError, TypeError):
            yield of_line(line)
