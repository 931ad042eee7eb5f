"""The command line, as a frozen value."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from raydock import units
from raydock.commandline import MEANT, line, near, read, refuse_choice
from raydock.errors import UsageError
from raydock.jobscript.header import Resources, memory_bytes

from .findings import CHECKS
from .flags import VERBS, parser_of
from .suggestions import PROGRAM, behind, misplaced, misspelt_verb
from .targets import TargetOptions

# Checks that fail where the command line may hold a secret.
SECRET = frozenset({"arguments", "environment", "secrets"})


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `operand` is a job script or a submission id; durations are in seconds.

    `report` takes any number of submission ids or files, `operands`, and writes to `output`. `skip_check` are the
    names of the checks that may fail; `own` are the words of the command line as given, without the job's.
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
    skip_check: tuple[str, ...]
    deadline: float | None
    result: Path | None
    probe: bool = False
    operands: tuple[str, ...] = ()
    output: Path | None = None
    asked: TargetOptions = TargetOptions()
    own: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The flags that say where, as they were given."""
        named = {"target": "" if self.target == "local" else self.target, "address": self.address or ""}
        named |= {name: getattr(self.asked, name) for name in ("cluster", "project", "region")}
        return "".join(f"--{name} {shlex.quote(value)} " for name, value in named.items() if value)

    def skipping(self, checks: Iterable[str]) -> str:
        """What submits the job although these checks fail, besides those skipped already: the whole command line.

        A line that holds a secret is not repeated: it would stand in a log.
        """
        found = dict.fromkeys((*self.skip_check, *checks))
        names = ",".join(found)
        if not SECRET.isdisjoint(found):
            return f"add --skip-check={names}"
        rest = [word for word in self.own if word.partition("=")[0] != "--skip-check"]
        return line(PROGRAM, [f"--skip-check={names}", *rest, *behind(self.arguments)])


def parse(argv: Sequence[str]) -> Options:
    """Options from the arguments. Raises UsageError; `--help` exits as argparse does."""
    own, arguments = split(argv)
    operand = next((word for word in read(own, every_option()) if word.kind == "operand"), None)
    verb = "run"
    if operand and operand.text in VERBS:
        verb = own.pop(operand.place)
    elif operand and (meant := misspelt_verb(own, operand, VERBS, arguments)):
        raise meant
    skipped, rest = skipped_checks(own, verb, arguments)
    given = given_of(verb, rest, arguments)
    return replace(options_of(given, verb, arguments), skip_check=skipped, own=tuple(own))


def given_of(verb: str, own: Sequence[str], arguments: tuple[str, ...]) -> argparse.Namespace:
    """What argparse makes of our words. Raises UsageError, where it can with the whole line that was meant."""
    parser = parser_of(verb)
    takes_job = verb in {"run", "check"}
    if (
        takes_job
        and "-h" not in own
        and "--help" not in own
        and (odd := misplaced(verb, own, parser, arguments))
    ):
        raise odd
    program = PROGRAM if verb == "run" else f"{PROGRAM} {verb}"
    for word in read(own, parser) if takes_job else ():
        refuse_choice(parser, word, line(program, [*own, *behind(arguments)]))
    given = parser.checked(own)
    if arguments and not takes_job:
        raise UsageError(f"`{verb}` takes no job arguments.", f"python submit.py {verb} --help")
    return given


def skipped_checks(
    own: Sequence[str], verb: str, arguments: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]]:
    """The checks that `--skip-check` names, all of them where it names none; and the other words.

    Its names stand behind an equals sign only, so that `--skip-check x.py` still has a script.
    """
    named = [word for word in own if word.partition("=")[0] == "--skip-check"]
    found: list[str] = []
    for word in named:
        names = word.partition("=")[2].split(",") if "=" in word else CHECKS
        for name in names:
            if name not in CHECKS:
                raise unknown_check(
                    name, word, [*([] if verb == "run" else [verb]), *own, *behind(arguments)]
                )
        found += names
    rest = ["--skip-check" if word in named else word for word in own]
    return tuple(dict.fromkeys(found)), rest


def unknown_check(name: str, word: str, words: Sequence[str]) -> UsageError:
    close = near(name, CHECKS, 0.6)
    names = [close if one == name else one for one in word.partition("=")[2].split(",")]
    meant = ["--skip-check=" + ",".join(names) if one == word else one for one in words]
    return UsageError(
        f"{word}: there is no check {name!r}; there are {', '.join(CHECKS)}.",
        MEANT + line(PROGRAM, meant) if close else "--skip-check alone skips all of them",
    )


def split(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Our words, and the job's behind the first `--`."""
    words = list(argv)
    if "--" not in words:
        return words, ()
    cut = words.index("--")
    return words[:cut], tuple(words[cut + 1 :])


def every_option() -> argparse.ArgumentParser:
    """A parser that knows which options of any verb take a value, to find the verb."""
    parser = parser_of("run")
    parser.add_argument("--output")
    return parser


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
        skip_check=(),
        deadline=seconds(deadline) if deadline is not None else None,
        result=getattr(given, "result", None),
        probe=getattr(given, "probe", False),
        operands=tuple(getattr(given, "operands", ())),
        output=getattr(given, "output", None),
        asked=asked_of(given),
    )


def asked_of(given: argparse.Namespace) -> TargetOptions:
    """Where the cluster is. Raises UsageError for flags of another target."""
    names = {name: getattr(given, name, "") for name in ("cluster", "project", "region")}
    target = getattr(given, "target", "local")
    for name, value in names.items():
        if value and target != "vertex":
            raise UsageError(f"--{name} is for a cluster on Vertex AI.", f"--target vertex --{name} {value}")
    return TargetOptions(wait=seconds(getattr(given, "cluster_wait", "30m"), "--cluster-wait"), **names)


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
    """A duration: raydock/units.py."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise UsageError(f"{flag} {fault}.", units.DURATION) from None
