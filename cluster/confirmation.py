"""Asks on the terminal before something is deleted or billed."""

from __future__ import annotations

import sys

from cluster.errors import ClusterError
from raydock.terminal import prompt


def is_possible() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, nothing: str) -> None:
    """Ask, and return if the answer is yes. Raises UsageError without a terminal, ClusterError for another answer.

    `nothing` says what did not happen, for example "Nothing was deleted".
    """
    if not prompt.confirmed(question, nothing):
        raise ClusterError(f"{nothing}.", "Answer y to confirm, or add --yes.")
