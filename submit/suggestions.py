"""Command lines of submit.py that are almost right: the error, and the corrected command line."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from raydock.errors import UsageError
from raydock.terminal.commandline import CLOSE, MEANT, Parser, Word, alike, line, near, read

PROGRAM = "python submit.py"
JOB_ARGUMENTS = "the job's own arguments go after --: "
OR_JOB_ARGUMENT = "or, if it is meant for the job: "
OR_OWN_OPTION = "or, if it is meant for submit.py: "
# What other tools call our verbs; "" for submitting a job, which needs no verb.
ALIASES = {
    "cancel": "stop", "follow": "attach", "kill": "stop", "ls": "list", "ps": "list", "tail": "logs",
    "run": "", "send": "", "submit": "",
}  # fmt: skip


def misspelt_verb(
    own_words: Sequence[str], operand: Word, verbs: Collection[str], arguments: Sequence[str]
) -> UsageError | None:
    """The error for a misspelt verb such as `stpo X`; None for a script, and for words that resemble no verb."""
    verb = ALIASES.get(operand.text, near(operand.text, verbs) or None)
    if (
        verb is None
        or os.path.lexists(operand.text)
        or os.sep in operand.text
        or operand.text.endswith(".py")
    ):
        return None
    words = [verb if place == operand.place else word for place, word in enumerate(own_words)]
    words = [word for place, word in enumerate(words) if word or place != operand.place]
    if operand.place == len(own_words) - 1 and verb in {"attach", "logs", "stop"}:
        words.append("ID")
    return UsageError(
        f"'{operand.text}' is neither a submit.py command nor a file.",
        MEANT + line(PROGRAM, [*words, *(["--", *arguments] if arguments else ())]),
    )


def job_words(words: Sequence[Word]) -> list[Word]:
    """The words that can only belong to the job: unknown options, and operands other than the script."""
    script = script_of(words)
    return [word for word in words if word.kind == "unknown" or (word.kind == "operand" and word != script)]


def script_of(words: Sequence[Word]) -> Word | None:
    """The script: the first operand, unless that may be the value of an unknown option before it."""
    operands = [word for word in words if word.kind == "operand"]
    if not operands:
        return None
    first = operands[0]
    may_be_value = any(word.kind == "unknown" and word.place == first.place - 1 for word in words)
    if may_be_value and not looks_like_script(first):
        return next(filter(looks_like_script, operands), first)
    return first


def looks_like_script(word: Word) -> bool:
    """Whether the word ends in .py or is an existing file."""
    return word.text.endswith(".py") or os.path.isfile(word.text)


def misplaced_arguments(
    verb: str, own_words: Sequence[str], parser: Parser, arguments: Sequence[str]
) -> UsageError | None:
    """The error for job arguments before `--`, with the corrected command line; None if there are none."""
    words = read(own_words, parser)
    misplaced = job_words(words)
    if not misplaced:
        return None
    program = PROGRAM if verb == "run" else f"{PROGRAM} {verb}"
    for_the_job = command_line(program, words, misplaced, arguments)
    first = next((word for word in misplaced if word.kind == "unknown"), misplaced[0])
    message = f"submit.py has no option {first.stray}."
    if first.kind == "operand":
        message = f"{program} takes one script; unexpected argument {first.text}."
    corrections = {word: near(word.stray, parser.flags) for word in misplaced if word.kind == "unknown"}
    if not any(corrections.values()):
        return UsageError(message, JOB_ARGUMENTS + for_the_job)
    corrected = read([corrected_word(word, corrections.get(word, "")) for word in words], parser)
    for_us = command_line(program, corrected, job_words(corrected), arguments)
    best = max((alike(word.stray, flag) for word, flag in corrections.items() if flag), default=0.0)
    suggestions = [MEANT + for_us, OR_JOB_ARGUMENT + for_the_job]
    if best < CLOSE:  # more likely a job argument
        suggestions = [JOB_ARGUMENTS + for_the_job, OR_OWN_OPTION + for_us]
    return UsageError(message, "\n".join(suggestions))


def corrected_word(word: Word, flag: str) -> str:
    """The word with its option replaced by the flag that it resembles; unchanged if there is none."""
    return flag + word.text[len(word.stray) :] if flag else word.text


def command_line(
    program: str, words: Sequence[Word], misplaced: Sequence[Word], arguments: Sequence[str]
) -> str:
    """The command line with the misplaced words moved after `--`."""
    places = {word.place for word in misplaced}
    ours = [word.text for word in words if word.place not in places]
    moved = [word.text for word in words if word.place in places]
    script = [] if script_of(words) else ["jobs/x.py"]
    return line(program, [*ours, *script, *job_part([*moved, *arguments])])


def job_part(arguments: Sequence[str]) -> Iterator[str]:
    """The job's part of a command line: `--` and its arguments; nothing if there are none."""
    if arguments:
        yield "--"
        yield from arguments
