"""Asks for confirmation before a command deletes something or starts billing."""

from __future__ import annotations

import sys

from cluster.errors import ClusterError
from raydock.terminal import prompt


def is_possible() -> bool:
    """Whether the user can be asked: stdin and stderr are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, nothing: str) -> None:
    """Ask, and return if the answer is yes. Raises ClusterError for any other answer, UsageError without a terminal.

    `nothing` states what did not happen, for example "Nothing was deleted".
    """
    if not prompt.confirmed(question, nothing):
        raise ClusterError(f"{nothing}.", "Answer y to confirm, or add --yes.")
