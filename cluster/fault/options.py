"""The options of `python -m cluster fault`, and the fault that they describe."""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from typing import Any

from raydock import units
from raydock.errors import UsageError
from raydock.faults import DEFAULT_SECONDS, MAX_SECONDS, MAX_TIMES, MOMENTS, STORAGE, Fault
from raydock.terminal.commandline import MEANT, near

PROG = "python -m cluster fault"
CALLS = {"share": 10.0, "bucket": "", "seed": None, "times": 0, "commands": False}  # of all storage kinds
# The options that apply to each word, and their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    **{kind: {"seconds": DEFAULT_SECONDS, **CALLS} for kind in STORAGE},
    "control-plane": {"seconds": DEFAULT_SECONDS, "share": 100.0, "seed": None, "times": 0},
    "tokens": {"seconds": DEFAULT_SECONDS, "lifetime": 30.0},
    "node": {"seconds": DEFAULT_SECONDS},
    "list": {"json": False},
    "clear": {},
}
OPTIONS["slow"] |= {"delay": 2.0}
OPTIONS["cut"] |= {"at": "request"}
FLAGS = {"seconds": "--for"}
WORDS = tuple(OPTIONS)
MEANING = {
    "429, 503": "Cloud Storage answers with this status and does nothing",
    "slow": "it answers late",
    "cut": "it closes the connection",
    "tokens": "access tokens expire early",
    "node NAME": "a worker dies, and starts again when the fault ends",
    "control-plane": "the Job API and the lab's Vertex AI answer 503",
    "list": "show the active faults",
    "clear [ID ...]": "end all faults, or these",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fault to start, and how long it lasts in seconds."""

    fault: Fault
    seconds: float


def add(verbs: Any) -> None:
    """Add the command. `verbs` is an argparse._SubParsersAction."""
    about = ", ".join(f"{word} ({meaning})" for word, meaning in MEANING.items())
    parser = verbs.add_parser("fault", help="cause faults in the lab, to test how jobs handle them")
    parser.add_argument("what", metavar="WHAT", help=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help="the node, or the IDs of faults to end")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=duration,
        metavar="TIME",
        help=f"when it ends by itself (default {units.span(DEFAULT_SECONDS)}, at most {units.span(MAX_SECONDS)})",
    )
    parser.add_argument(
        "--share", type=percent, metavar="PERCENT", help="of the calls (default 10%%; control-plane: 100%%)"
    )
    parser.add_argument("--bucket", metavar="NAME", help="only calls for this bucket")
    parser.add_argument(
        "--seed",
        type=int,
        help="hits the same calls again, in the order in which they arrive (default random)",
    )
    parser.add_argument("--times", type=times, metavar="N", help="hit at most N calls (default no limit)")
    parser.add_argument(
        "--commands", action="store_true", default=None, help="also hit this project's own commands"
    )
    parser.add_argument(
        "--at",
        choices=MOMENTS,
        help="cut: before the call takes effect (request, the default), in the middle of the body that is uploaded "
        "or downloaded, or after the call took effect (response)",
    )
    parser.add_argument("--delay", type=duration, metavar="TIME", help="slow: by how much (default 2s)")
    parser.add_argument(
        "--lifetime", type=duration, metavar="TIME", help="tokens: their age when they expire (default 30s)"
    )
    parser.add_argument("--json", action="store_true", default=None, help="list: print JSON")


def duration(text: str) -> float:
    """Parse a duration into seconds."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{fault}; {units.DURATION}") from None


def times(text: str) -> int:
    """Parse a number of calls. In a fault, 0 means no limit, which is not what `--times 0` says."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_TIMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_TIMES}")
    return int(text)


def percent(text: str) -> float:
    """Parse a percentage, with or without its sign."""
    try:
        return float(text.strip().removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage; write it as 10% or 0.5%") from None


def checked(options: argparse.Namespace) -> dict[str, Any]:
    """The options that apply, with defaults filled in. Raises UsageError for a wrong word or option."""
    what = options.what
    if what not in OPTIONS:
        close = near(what, WORDS, 0.6)
        fix = f"{MEANT}{PROG} {close}" if close else f"{PROG} --help"
        raise UsageError(f"{what!r} is not a fault; use {', '.join(WORDS)}.", fix)
    applies = OPTIONS[what]
    every = {name for found in OPTIONS.values() for name in found}
    for name in sorted(every - applies.keys()):
        if getattr(options, name) is not None:
            raise UsageError(f"{FLAGS.get(name, f'--{name}')} does not apply to {what}.", f"{PROG} --help")
    if options.names and what not in ("node", "clear"):
        raise UsageError(f"{what} takes no name, but {options.names[0]!r} was given.", f"{PROG} --help")
    given = {name: getattr(options, name) for name in applies}
    return {name: applies[name] if value is None else value for name, value in given.items()}


def wanted(options: argparse.Namespace) -> Wanted:
    """The fault to start. Raises UsageError."""
    fields = checked(options)
    seconds = fields.pop("seconds")
    if seconds > MAX_SECONDS:
        longest = units.span(MAX_SECONDS)
        raise UsageError(
            f"A fault lasts at most {longest}, but --for is {units.span(seconds)}.",
            f"{PROG} {' '.join([options.what, *options.names])} --for {MAX_SECONDS / 60:g}m",
        )
    if "seed" in fields and fields["seed"] is None:
        fields["seed"] = random.randrange(10_000)
    if options.what == "node":
        fields["node"] = only_name(options.names)
    try:
        return Wanted(Fault(options.what, **fields), seconds)
    except ValueError as problem:
        raise UsageError(str(problem), f"{PROG} --help") from None


def only_name(names: list[str]) -> str:
    """The one node's name. Raises UsageError."""
    if len(names) != 1:
        raise UsageError("Name the one node that dies.", f"for example: {PROG} node cpu-worker-1")
    return names[0]
