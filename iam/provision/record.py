"""What `provision` made, in a file of this checkout: `deprovision` removes that and nothing else.

Marks on the resources would not do: a binding can carry none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iam.errors import IamError
from iam.session import Session
from raydock import state

VERSION = 1
FIELDS = {"kind", "on", "role", "member"}


@dataclass(frozen=True, slots=True)
class ProvisionRecord:
    """The keys of steps, in the order in which they were begun."""

    file: Path

    def keys(self) -> list[dict[str, str]]:
        """IamError where the file is not one of ours."""
        try:
            document: Any = json.loads(self.file.read_text(encoding="utf-8"))
            steps = document["steps"]
            good = document["version"] == VERSION and all(set(step) == FIELDS for step in steps)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            good, steps = False, []
        if not good:
            text = f"The record of what was provisioned, {self.file.name}, can't be understood."
            raise IamError(
                text, f"look at what is there, remove it by hand, then the file in {self.file.parent.name}/"
            )
        return list(steps)

    def add(self, key: Mapping[str, str]) -> None:
        """Once."""
        self.write([*(one for one in self.keys() if one != key), dict(key)])

    def drop(self, key: Mapping[str, str]) -> None:
        self.write([one for one in self.keys() if one != key])

    def write(self, keys: list[dict[str, str]]) -> None:
        """All of it or nothing; no file where nothing is left."""
        try:
            if not keys:
                self.file.unlink(missing_ok=True)
                return
            state.write_private(self.file, json.dumps({"version": VERSION, "steps": keys}, indent=1))
        except OSError as fault:
            raise IamError(f"The record of what is made can't be written: {fault.strerror}.") from None


def record_of(session: Session) -> ProvisionRecord:
    """The record for the session's place and project."""
    folder = state.folder() / "provisioned"
    return ProvisionRecord(folder / f"{session.place.name}-{session.project.replace(':', '_')}.json")
