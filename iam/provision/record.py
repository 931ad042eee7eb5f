"""The record of what `provision` created, so that `deprovision` removes that and nothing else.

The record is a file in this checkout, because bindings can't have labels.
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
    """The keys of the steps, in the order in which they were started."""

    file: Path

    def keys(self) -> list[dict[str, str]]:
        """The recorded keys. Raises IamError if the file is malformed."""
        try:
            document: Any = json.loads(self.file.read_text(encoding="utf-8"))
            steps = document["steps"]
            valid = document["version"] == VERSION and all(set(step) == FIELDS for step in steps)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            valid, steps = False, []
        if not valid:
            raise IamError(
                f"Could not parse the record of provisioned resources, {self.file.name}.",
                f"remove the resources by hand, then delete the file in {self.file.parent.name}/",
            )
        return list(steps)

    def add(self, key: Mapping[str, str]) -> None:
        """Append a key; an equal one is replaced."""
        self.write([*(one for one in self.keys() if one != key), dict(key)])

    def drop(self, key: Mapping[str, str]) -> None:
        """Remove a key, if it is recorded."""
        self.write([one for one in self.keys() if one != key])

    def write(self, keys: list[dict[str, str]]) -> None:
        """Write the file atomically, or delete it if there are no keys. Raises IamError."""
        try:
            if not keys:
                self.file.unlink(missing_ok=True)
                return
            state.write_private(self.file, json.dumps({"version": VERSION, "steps": keys}, indent=1))
        except OSError as fault:
            text = f"Could not write the record of provisioned resources: {fault.strerror}."
            raise IamError(text) from None


def record_of(session: Session) -> ProvisionRecord:
    """The record for the session's cloud and project."""
    folder = state.folder() / "provisioned"
    return ProvisionRecord(folder / f"{session.cloud.name}-{session.project.replace(':', '_')}.json")
