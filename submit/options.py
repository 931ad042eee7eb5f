"""The command line, as a frozen value."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raydock import units
from raydock.errors import UsageError
from raydock.jobscript.header import Resources, memory_bytes
from raydock.terminal.commandline import MEANT, Parser, line, near, read, refuse_choice

from .findings import CHECKS
from .flags import VERBS, build_parser
from .suggestions import PROGRAM, job_part, misplaced_arguments, misspelt_verb
from .targets import TargetOptions

# Checks whose failure means that the command line may contain a secret.
SECRET_CHECKS = frozenset({"arguments", "environment", "secrets"})


# The flags that select a cluster, each with the targets that take it.
CLUSTER_OPTIONS = {
    "cluster": ("vertex", "kuberay"),
    "project": ("vertex",),
    "region": ("vertex",),
    "context": ("kuberay",),
    "namespace": ("kuberay",),
}


@dataclass(frozen=True, slots=True)
class Options:
    """The parsed command line. `operand` is a job script or a submission id; durations are in seconds.

    `operands` are the submission ids or files passed to `report`, and `output` is the page that it writes. `skip_check`
    lists the checks that may fail. `own_words` are the words before `--` as typed, without the verb.
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
    alone: bool = False
    as_least: tuple[str, ...] = ()  # the submission ids whose roles are used
    target_options: TargetOptions = TargetOptions()
    own_words: tuple[str, ...] = ()
    ephemeral: bool = False
    manifest: Path | None = None

    @property
    def target_flags(self) -> str:
        """The flags that select the target, as given, each followed by a space."""
        named = {"target": "" if self.target == "local" else self.target, "address": self.address or ""}
        named |= {name: getattr(self.target_options, name) for name in CLUSTER_OPTIONS}
        flags = "".join(f"--{name} {shlex.quote(value)} " for name, value in named.items() if value)
        return flags + ("--lab " if self.target_options.lab else "")

    def skipping(self, checks: Iterable[str]) -> str:
        """The command line that submits the job with these checks skipped, in addition to those already skipped.

        If the command line may contain a secret, only the flag is returned: the output may end up in a log.
        """
        skipped = dict.fromkeys((*self.skip_check, *checks))
        names = ",".join(skipped)
        if not SECRET_CHECKS.isdisjoint(skipped):
            return f"add --skip-check={names}"
        rest = [word for word in self.own_words if word.partition("=")[0] != "--skip-check"]
        return line(PROGRAM, [f"--skip-check={names}", *rest, *job_part(self.arguments)])


def parse(argv: Sequence[str]) -> Options:
    """Parse the command line. Raises UsageError; `--help` exits as in argparse."""
    own_words, arguments = split_job_arguments(argv)
    operand = next(
        (word for word in read(own_words, parser_of_all_options()) if word.kind == "operand"), None
    )
    verb = "run"
    if operand and operand.text in VERBS:
        verb = own_words.pop(operand.place)
    elif operand and (misspelt := misspelt_verb(own_words, operand, VERBS, arguments)):
        raise misspelt
    skipped, rest = skipped_checks(own_words, verb, arguments)
    namespace = parse_words(verb, rest, arguments)
    return replace(options_of(namespace, verb, arguments), skip_check=skipped, own_words=tuple(own_words))


def parse_words(verb: str, own_words: Sequence[str], arguments: tuple[str, ...]) -> argparse.Namespace:
    """Parse the words before `--`. Raises UsageError, with the corrected command line if there is one."""
    parser = build_parser(verb)
    takes_job = verb in {"run", "check"}
    if (
        takes_job
        and "-h" not in own_words
        and "--help" not in own_words
        and (misplaced := misplaced_arguments(verb, own_words, parser, arguments))
    ):
        raise misplaced
    program = PROGRAM if verb == "run" else f"{PROGRAM} {verb}"
    for word in read(own_words, parser) if takes_job else ():
        refuse_choice(parser, word, line(program, [*own_words, *job_part(arguments)]))
    namespace = parser.checked(own_words)
    if arguments and not takes_job:
        raise UsageError(f"`{verb}` takes no job arguments.", f"python submit.py {verb} --help")
    return namespace


def skipped_checks(
    own_words: Sequence[str], verb: str, arguments: tuple[str, ...]
) -> tuple[tuple[str, ...], list[str]]:
    """The checks listed in `--skip-check`, or all checks if it lists none, and the remaining words.

    Names are accepted only after an equals sign, so that `--skip-check x.py` still means the script x.py.
    """
    flags = [word for word in own_words if word.partition("=")[0] == "--skip-check"]
    skipped: list[str] = []
    for word in flags:
        names = word.partition("=")[2].split(",") if "=" in word else CHECKS
        for name in names:
            if name not in CHECKS:
                raise unknown_check(
                    name, word, [*([] if verb == "run" else [verb]), *own_words, *job_part(arguments)]
                )
        skipped += names
    rest = ["--skip-check" if word in flags else word for word in own_words]
    return tuple(dict.fromkeys(skipped)), rest


def unknown_check(name: str, word: str, words: Sequence[str]) -> UsageError:
    """The error for `--skip-check=NAME` if no check has that name."""
    close = near(name, CHECKS, 0.6)
    names = [close if one == name else one for one in word.partition("=")[2].split(",")]
    corrected = ["--skip-check=" + ",".join(names) if one == word else one for one in words]
    return UsageError(
        f"{word}: unknown check {name!r}; the checks are {', '.join(CHECKS)}.",
        MEANT + line(PROGRAM, corrected) if close else "--skip-check alone skips all of them",
    )


def split_job_arguments(argv: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The submitter's words, and the job's arguments, which follow the first `--`."""
    words = list(argv)
    if "--" not in words:
        return words, ()
    separator = words.index("--")
    return words[:separator], tuple(words[separator + 1 :])


def parser_of_all_options() -> Parser:
    """A parser that knows which options of any verb take a value; used to find the verb."""
    parser = build_parser("run")
    parser.add_argument("--output")
    return parser


def options_of(namespace: argparse.Namespace, verb: str, arguments: tuple[str, ...]) -> Options:
    """Convert the result of argparse. Raises UsageError."""
    deadline = getattr(namespace, "deadline", None)
    require_lab(namespace)
    refuse_as_least(namespace)
    require_ephemeral(namespace)
    return Options(
        verb=verb,
        operand=getattr(namespace, "operand", ""),
        arguments=arguments,
        target=getattr(namespace, "target", "local"),
        address=getattr(namespace, "address", None),
        working_dir=getattr(namespace, "working_dir", None),
        env=tuple(getattr(namespace, "env", ())),
        reserve=entrypoint_resources(namespace),
        submission_id=getattr(namespace, "submission_id", None),
        wait=not getattr(namespace, "no_wait", False),
        dry_run=getattr(namespace, "dry_run", False),
        skip_check=(),
        deadline=seconds(deadline) if deadline is not None else None,
        result=getattr(namespace, "result", None),
        probe=getattr(namespace, "probe", False),
        operands=tuple(getattr(namespace, "operands", ())),
        output=getattr(namespace, "output", None),
        alone=getattr(namespace, "alone", False),
        as_least=tuple(getattr(namespace, "as_least", None) or ()),
        ephemeral=getattr(namespace, "ephemeral", False),
        manifest=getattr(namespace, "manifest", None),
        target_options=replace(target_options_of(namespace), methods=methods_of(verb, deadline is not None)),
    )


def require_lab(namespace: argparse.Namespace) -> None:
    """Raise UsageError for an option that works only in the lab if the job is sent elsewhere."""
    for flag in ("alone", "as_least"):
        if getattr(namespace, flag, None) and (namespace.target != "local" or namespace.address):
            name = f"--{flag.replace('_', '-')}"
            raise UsageError(
                f"{name} runs a job in the lab, not on another cluster.", "omit --target and --address"
            )


def refuse_as_least(namespace: argparse.Namespace) -> None:
    """Raise UsageError for `--as-least` with an option that it can't be combined with."""
    if not getattr(namespace, "as_least", None):
        return
    for flag in ("dry_run", "no_wait"):
        if getattr(namespace, flag):
            name = f"--{flag.replace('_', '-')}"
            raise UsageError(
                f"--as-least follows the job to its end, so {name} can't be used with it.", f"omit {name}"
            )


def target_options_of(namespace: argparse.Namespace) -> TargetOptions:
    """The flags that select a cluster. Raises UsageError if the chosen target does not take one of them."""
    names: dict[str, Any] = {name: getattr(namespace, name, "") for name in CLUSTER_OPTIONS}
    target = getattr(namespace, "target", "local")
    for name, value in names.items():
        if value and target not in CLUSTER_OPTIONS[name]:
            takers = " and ".join(f"--target {one}" for one in CLUSTER_OPTIONS[name])
            raise UsageError(
                f"--{name} applies only to {takers}.",
                f"--target {CLUSTER_OPTIONS[name][0]} --{name} {shlex.quote(value)}",
            )
    lab = getattr(namespace, "lab", False)
    if lab and target != "vertex":
        raise UsageError("--lab applies only to clusters on Vertex AI.", "--target vertex --lab")
    return TargetOptions(
        lab=lab, wait=seconds(getattr(namespace, "cluster_wait", "30m"), "--cluster-wait"), **names
    )


def require_ephemeral(namespace: argparse.Namespace) -> None:
    """Raises UsageError if the flags of `--ephemeral` do not fit together."""
    if not getattr(namespace, "ephemeral", False):
        if getattr(namespace, "manifest", None):
            raise UsageError("--manifest applies only to --ephemeral.", "add --target kuberay --ephemeral")
        return
    if namespace.target != "kuberay" or namespace.address:
        raise UsageError("--ephemeral applies only to --target kuberay.", "--target kuberay --ephemeral")
    if namespace.cluster:
        raise UsageError(
            "--ephemeral creates a cluster of its own, so it takes no --cluster.", "leave out one of them"
        )


def methods_of(verb: str, deadline: bool) -> tuple[str, ...]:
    """The HTTP methods that a command sends to the dashboard. A deadline may stop the job."""
    if verb in {"run", "check"}:
        return TargetOptions().methods
    return ("GET", "POST") if verb == "stop" or deadline else ("GET",)


def entrypoint_resources(namespace: argparse.Namespace) -> Resources | None:
    """The resources that the flags reserve for the entrypoint; None if there is none, so that the header decides."""
    cpus, gpus = (
        getattr(namespace, "entrypoint_num_cpus", None),
        getattr(namespace, "entrypoint_num_gpus", None),
    )
    memory = getattr(namespace, "entrypoint_memory", None)
    if cpus is None and gpus is None and memory is None:
        return None
    size = memory_bytes(memory or "0")
    if size is None:
        raise UsageError(
            f"--entrypoint-memory {memory!r} is not a memory size.", "use a value such as 512MiB or 2GiB"
        )
    return Resources(cpus or 0, gpus or 0, size)


def seconds(text: str, flag: str = "--deadline") -> float:
    """Parse a duration such as 30m into seconds; see raydock/units.py. Raises UsageError."""
    try:
        return units.seconds(text)
    except ValueError as fault:
        raise UsageError(f"{flag} {fault}.", units.DURATION) from None
