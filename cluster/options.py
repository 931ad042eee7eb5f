"""The command-line options for `python -m cluster`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cluster import manifest
from cluster.fault import options as fault
from cluster.runtimes import RUNTIMES
from cluster.targets import flags as target_flags
from raydock import units
from raydock.errors import UsageError
from raydock.terminal.commandline import MEANT, Parser, line, near

PROG = "python -m cluster"
RENAMED = {"--kind": "--runtime"}
Commands = Mapping[str, Callable[[argparse.Namespace, Any], None]]  # maps a command's name to its function


def parse(argv: Sequence[str], commands: Commands) -> argparse.Namespace:
    """Parse the arguments. Raises UsageError, which suggests a corrected command line if it can."""
    top, words = parser(commands), list(argv)
    verbs = top.commands
    if words and words[0] in verbs:
        verb = verbs[words[0]]
        require_current_flags(verb, words[1:])
        return verb.checked(words[1:])
    if words and not words[0].startswith("-"):
        close = near(words[0], verbs, 0.6)
        meant = MEANT + line(PROG, [close, *words[1:]]) if close else f"commands: {', '.join(verbs)}"
        raise UsageError(f"{words[0]} is not a command of {PROG}.", meant)
    return top.checked(words)


def require_current_flags(verb: Parser, words: Sequence[str]) -> None:
    """Raise UsageError for a renamed flag, and suggest the command line with its new name."""
    for word in words:
        flag, equals, value = word.partition("=")
        new = RENAMED.get(flag, "")
        if new in verb.options:
            meant = [new + equals + value if other == word else other for other in words]
            raise UsageError(f"{verb.prog} does not take {word}.", MEANT + line(verb.prog, meant))


def parser(commands: Commands) -> Parser:
    """The parser for all commands."""
    top = Parser(
        prog=PROG,
        description="Start, inspect and stop a Ray cluster, on this machine, on Vertex AI or on Kubernetes.",
    )
    verbs = top.add_subparsers(metavar="COMMAND", required=True)
    up(verbs.add_parser("up", help="start the cluster defined in compose.yaml"))
    down(verbs.add_parser("down", help="stop and remove the cluster and the lab's data"))
    status = verbs.add_parser("status", help="show the nodes")
    status.add_argument("--json", action="store_true", help="print JSON")
    scale(verbs.add_parser("scale", help="change the number of nodes in a pool"))
    images = verbs.add_parser("images", help="build the images that are missing or whose files changed")
    images.add_argument("--build", action="store_true", help="rebuild all images")
    env(verbs.add_parser("env", help="print shell variables that lead clients on this machine to the lab"))
    manifest.add(verbs)
    fault.add(verbs)
    for name, run in commands.items():
        verbs.choices[name].set_defaults(run=run)
    target_flags.add(verbs)
    return top


def up(parser: Parser) -> None:
    """Add the options for `up`."""
    parser.add_argument(
        "--runtime",
        choices=["auto", *RUNTIMES],
        default="auto",
        help="how to run the nodes (default auto: in Docker if its engine responds, otherwise as processes)",
    )
    parser.add_argument("--build", action="store_true", help="rebuild all images first")
    parser.add_argument(
        "--no-build", action="store_true", help="use the existing images, even if their files changed"
    )
    parser.add_argument(
        "--like",
        metavar="NAME",
        default="",
        help="start as many nodes and GPUs as the Ray cluster NAME on Vertex AI has; `python -m iam import` reads it",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="restart the nodes to apply changed settings; this kills the jobs running on them",
    )


def down(parser: Parser) -> None:
    """Add the options for `down`."""
    parser.add_argument(
        "--keep-data",
        action="store_true",
        help="keep the lab's buckets, objects and grants for the next `up`",
    )


def env(parser: Parser) -> None:
    """Add the options for `env`."""
    parser.add_argument(
        "--kubernetes",
        action="store_true",
        help="for the lab's Kubernetes (KUBECONFIG), instead of for Google's clients",
    )


def scale(parser: Parser) -> None:
    """Add the options for `scale`."""
    parser.add_argument("sizes", nargs="+", metavar="POOL=COUNT", help="for example cpu-worker=3")
    parser.add_argument(
        "--drain-timeout",
        type=seconds,
        default=60.0,
        metavar="TIME",
        help="how long tasks on a removed node may take to finish (default 60s)",
    )


def seconds(text: str) -> float:
    """Parse a duration into seconds. 0 means no waiting."""
    try:
        return units.seconds(text, zero=True)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{fault}; {units.DURATION}") from None
