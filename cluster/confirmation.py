"""Asks on the terminal before something is deleted or billed."""

from __future__ import annotations

import sys

from cluster.errors import ClusterError
from raydock.errors import Interrupted, UsageError


def is_possible() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, nothing: str) -> None:
    """Ask, and return if the answer is yes. Raises UsageError without a terminal, ClusterError for another answer.

    `nothing` says what did not happen, for example "Nothing was deleted".
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"{nothing}: there is no terminal to ask for confirmation.",
            "To skip the confirmation, add --yes.",
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise Interrupted(f"Interrupted. {nothing}.", "To be asked again, run the command again.") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise ClusterError(f"{nothing}.", "Answer y to confirm, or add --yes.")
