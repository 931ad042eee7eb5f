"""Runs a command with the project's environment, whichever Python of the machine it was started with.

This module runs on Pythons as old as 3.6: it is what tells an old one off.
"""

import os
import sys
from importlib.util import find_spec

GUARD = "RAYDOCK_REEXEC"  # the environment's Python, once it was tried: it is not tried twice
ENVIRONMENT = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".venv", "bin", "python"
)


def missing(packages: "list[str]") -> "list[str]":
    """Those of the packages that this Python has not. A mere folder of that name, as docker/ is, does not count."""
    return [name for name in packages if getattr(find_spec(name), "origin", None) in (None, "namespace")]


def use_environment(
    program: str,
    packages: "list[str]",
    again: "list[str]",
    minimum: "tuple[int, int]" = (3, 10),
    arrow: str = "      → ",
    otherwise: str = "",
    what: str = "it",
) -> None:
    """Returns where this Python will do; else goes on as the environment's Python, or exits with one sentence.

    `again` are the words after `python` that run the command again; `otherwise` is a second way to fix it.
    """
    absent = missing(packages)
    if sys.version_info >= minimum and not absent:
        os.environ.pop(GUARD, None)  # what we start has not been tried yet
        return
    if os.path.exists(ENVIRONMENT) and os.environ.get(GUARD) != ENVIRONMENT:
        os.environ[GUARD] = ENVIRONMENT
        os.execv(ENVIRONMENT, [ENVIRONMENT, *again])
    why = "it is older than Python {}.{}".format(*minimum)
    if sys.version_info >= minimum:
        why = "it has no " + ", ".join(absent)
    text = f"{program}: {sys.executable} can't run {what}: {why}.\n{arrow}make setup{otherwise}\n"
    write(text)
    sys.exit(2)


def write(text: str) -> None:
    """To stderr, whatever its encoding."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
