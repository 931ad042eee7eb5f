"""Reads progress from the plain output that Docker Compose writes when stdout is not a terminal."""

from __future__ import annotations

import re

STEP = re.compile(r"#\d+ \[([^\]]+)\]|(Step \d+/\d+)")  # BuildKit, or the builder that preceded it
CONTAINER = re.compile(r" *Container (\S+) +(\w+)")
FINAL = ("Healthy", "Removed")


def build_step(line: str) -> str:
    """The step that a line of build output reports, such as "head ray 3/5", or "" if it reports none."""
    found = STEP.match(line)
    return (found[1] or found[2]) if found else ""


class Containers:
    """The states of the containers that `up` starts or `down` removes."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}

    def after(self, line: str) -> str:
        """The progress after this line of output, such as "2 of 5 healthy", or "" if the line reports none."""
        found = CONTAINER.match(line)
        if not found:
            return ""
        self.states[found[1]] = found[2]
        reached = next((state for state in FINAL if state in self.states.values()), "")
        if not reached:
            return f"{found[1]} {found[2].lower()}"
        return f"{sum(state == reached for state in self.states.values())} of {len(self.states)} {reached.lower()}"
