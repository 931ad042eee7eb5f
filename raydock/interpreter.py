"""Run a command in the project's environment, regardless of the Python that started it.

This module must run on Python 3.6 or later, because it reports interpreters that are too old.
"""

import os
import sys
from importlib.util import find_spec

GUARD = "RAYDOCK_REEXEC"  # set to the environment's Python once it has been tried, to prevent a loop
ENVIRONMENT = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".venv", "bin", "python"
)


def missing(packages: "list[str]") -> "list[str]":
    """The packages that this Python lacks. A namespace package, such as the folder docker/, does not count."""
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
    """Return if this Python is suitable; else re-execute with the environment's Python, or exit with one sentence.

    `again` are the arguments after `python` that run the command again; `otherwise` is an alternative fix.
    """
    absent = missing(packages)
    if sys.version_info >= minimum and not absent:
        os.environ.pop(GUARD, None)  # child processes may try again
        return
    if os.path.exists(ENVIRONMENT) and os.environ.get(GUARD) != ENVIRONMENT:
        os.environ[GUARD] = ENVIRONMENT
        os.execv(ENVIRONMENT, [ENVIRONMENT, *again])
    why = "it is older than Python {}.{}".format(*minimum)
    if sys.version_info >= minimum:
        why = "it lacks " + ", ".join(absent)
    text = f"{program}: {sys.executable} can't run {what}: {why}.\n{arrow}make setup{otherwise}\n"
    write(text)
    sys.exit(2)


def write(text: str) -> None:
    """Write to stderr, replacing characters that its encoding lacks."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
