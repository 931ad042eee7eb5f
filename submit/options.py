"""The command line, as a frozen value."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import UsageError
from .flags import VERBS, parser_of, unknown_option
from .header import Resources, memory_bytes
from .targets import Asked


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `operand` is a job script or a submission id; durations are in seconds.

    `report` takes any number of submission ids or files, `operands`, and writes to `output`.
    """

    verb: str
    operand: str
    arguments: tuple[str, ...]
    target: str
    address: str | None
    working_dir: Path | None
    env: tuple[str, ...]
    reserve: Resources | None
    submission_id: str | None
    wait: bool
    dry_run: bool
    skip_check: bool
    deadline: float | None
    result: Path | None
    probe: bool = False
    operands: tuple[str, ...] = ()
    output: Path | None = None
    asked: Asked = Asked()

    @property
    def where(self) -> str:
        """The flags that say where, as they were given."""
        named = {"target": "" if self.target == "local" else self.target, "address": self.address or ""}
        named |= {name: getattr(self.asked, name) for name in ("cluster", "project", "region")}
        return "".join(f"--{name} {value} " for name, value in named.items() if value)


def parse(argv: Sequence[str]) -> Options:
    """Options from the arguments. Raises UsageError; `--help` exits as argparse does."""
    own, arguments = split(argv)
    place = first_operand(own)
    verb = own.pop(place) if own[place : place + 1] and own[place] in VERBS else "run"
    parser = parser_of(verb)
    given, rest = parser.parse_known_args(own)
    if rest:
        raise unknown_option(rest[0], parser, verb)
    if arguments and verb not in {"run", "check"}:
        raise UsageError(f"`{verb}` takes no job arguments.", f"python submit.py {verb} --help")
    return options_of(given, verb, arguments)


def split(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Our words, and the job's behind the first `--`."""
    words = list(argv)
    if "--" not in words:
        return words, ()
    cut = words.index("--")
    return words[:cut], tuple(words[cut + 1 :])


def first_operand(words: Sequence[str]) -> int:
    """Where the first word stands that is neither an option nor an option's value."""
    takes_value = {
        flag for action in parser_of("run")._actions if action.nargs is None for flag in action.option_strings
    }
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in takes_value else 1
    return place


def options_of(given: argparse.Namespace, verb: str, arguments: tuple[str, ...]) -> Options:
    """The parsed words as a value."""
    deadline = getattr(given, "deadline", None)
    return Options(
        verb=verb,
        operand=getattr(given, "operand", ""),
        arguments=arguments,
        target=getattr(given, "target", "local"),
        address=getattr(given, "address", None),
        working_dir=getattr(given, "working_dir", None),
        env=tuple(getattr(given, "env", ())),
        reserve=reserved(given),
        submission_id=getattr(given, "submission_id", None),
        wait=not getattr(given, "no_wait", False),
        dry_run=getattr(given, "dry_run", False),
        skip_check=getattr(given, "skip_check", False),
        deadline=seconds(deadline) if deadline is not None else None,
        result=getattr(given, "result", None),
        probe=getattr(given, "probe", False),
        operands=tuple(getattr(given, "operands", ())),
        output=getattr(given, "output", None),
        asked=asked_of(given),
    )


def asked_of(given: argparse.Namespace) -> Asked:
    """Where the cluster is. Raises UsageError for flags of another target."""
    names = {name: getattr(given, name, "") for name in ("cluster", "project", "region")}
    target = getattr(given, "target", "local")
    for name, value in names.items():
        if value and target != "vertex":
            raise UsageError(f"--{name} is for a cluster on Vertex AI.", f"--target vertex --{name} {value}")
    return Asked(wait=seconds(getattr(given, "cluster_wait", "30m"), "--cluster-wait"), **names)


def reserved(given: argparse.Namespace) -> Resources | None:
    """What the flags reserve for the entrypoint; None where they say nothing, so that the header speaks."""
    cpus, gpus = getattr(given, "entrypoint_num_cpus", None), getattr(given, "entrypoint_num_gpus", None)
    memory = getattr(given, "entrypoint_memory", None)
    if cpus is None and gpus is None and memory is None:
        return None
    size = memory_bytes(memory or "0")
    if size is None:
        raise UsageError(
            f"--entrypoint-memory {memory!r} is not an amount of memory.", "write it as 512MiB or 2GiB"
        )
    return Resources(cpus or 0, gpus or 0, size)


def seconds(text: str, flag: str = "--deadline") -> float:
    """A duration: 90, 90s, 30m, 2h, 1h30m."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    if not match or not text.strip() or not any(match.groups()):
        raise UsageError(f"{flag} {text!r} is not a duration.", "write it as 90s, 30m, 2h or 1h30m")
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + rest
    if total <= 0:
        raise UsageError(f"{flag} must be more than 0.", "write it as 90s, 30m, 2h or 1h30m")
    return total
