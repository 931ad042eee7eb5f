"""Ask for confirmation on a terminal."""

from __future__ import annotations

import sys

from raydock.errors import Interrupted, UsageError


def confirmed(question: str, nothing: str) -> bool:
    """Ask on the terminal whether to proceed. `nothing` states what did not happen: "Nothing was deleted".

    Raises UsageError if there is no terminal, and Interrupted for Ctrl-C.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{nothing}: there is no terminal to ask for confirmation.", "add --yes")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise Interrupted(f"Interrupted. {nothing}.", "run the command again") from None
    return answer.strip().lower() in ("y", "yes")
