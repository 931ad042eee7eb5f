"""Command lines of submit.py that are almost right: the sentence, and the whole line as it was probably meant."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from raydock.commandline import CLOSE, MEANT, Parser, Word, alike, line, near, read
from raydock.errors import UsageError

PROGRAM = "python submit.py"
OWN = "the job's own arguments go after --: "
OR_OWN = "or, if it is the job's: "
# What other tools call ours; "" for sending a job, which takes no verb.
ELSEWHERE = {
    "cancel": "stop", "follow": "attach", "kill": "stop", "ls": "list", "ps": "list", "tail": "logs",
    "run": "", "send": "", "submit": "",
}  # fmt: skip


def misspelt_verb(
    own: Sequence[str], operand: Word, verbs: Collection[str], job: Sequence[str]
) -> UsageError | None:
    """The error for `stpo X`; None for a script, and for what resembles no verb."""
    verb = ELSEWHERE.get(operand.text, near(operand.text, verbs) or None)
    if (
        verb is None
        or os.path.lexists(operand.text)
        or os.sep in operand.text
        or operand.text.endswith(".py")
    ):
        return None
    words = [verb if place == operand.place else word for place, word in enumerate(own)]
    words = [word for place, word in enumerate(words) if word or place != operand.place]
    if operand.place == len(own) - 1 and verb in {"attach", "logs", "stop"}:
        words.append("ID")
    return UsageError(
        f"{operand.text} is not a command of submit.py, and there is no file of that name.",
        MEANT + line(PROGRAM, [*words, *(["--", *job] if job else ())]),
    )


def strangers(found: Sequence[Word]) -> list[Word]:
    """The words that are the job's, if anything's: unknown options, and operands beside the script."""
    script = script_of(found)
    return [word for word in found if word.kind == "unknown" or (word.kind == "operand" and word != script)]


def script_of(found: Sequence[Word]) -> Word | None:
    """The script among the words: the first operand, unless that may be the value of an option that we don't know."""
    operands = [word for word in found if word.kind == "operand"]
    if not operands:
        return None
    first = operands[0]
    doubtful = any(word.kind == "unknown" and word.place == first.place - 1 for word in found)
    if doubtful and not looks_like_script(first):
        return next(filter(looks_like_script, operands), first)
    return first


def looks_like_script(word: Word) -> bool:
    return word.text.endswith(".py") or os.path.isfile(word.text)


def misplaced(verb: str, own: Sequence[str], parser: Parser, job: Sequence[str]) -> UsageError | None:
    """The error for job arguments in front of `--`, with the whole line as it should be; None where there are none."""
    found = read(own, parser)
    odd = strangers(found)
    if not odd:
        return None
    program = PROGRAM if verb == "run" else f"{PROGRAM} {verb}"
    all_the_jobs = whole(program, found, odd, job)
    first = next((word for word in odd if word.kind == "unknown"), odd[0])
    message = f"{first.stray} is not an option of submit.py."
    if first.kind == "operand":
        message = f"{program} takes one script; {first.text} is one word too many."
    corrected = {word: near(word.stray, parser.flags) for word in odd if word.kind == "unknown"}
    if not any(corrected.values()):
        return UsageError(message, OWN + all_the_jobs)
    meant = read([adopted(word, corrected.get(word, "")) for word in found], parser)
    ours = whole(program, meant, strangers(meant), job)
    best = max((alike(word.stray, flag) for word, flag in corrected.items() if flag), default=0.0)
    guesses = [MEANT + ours, OR_OWN + all_the_jobs]
    if best < CLOSE:  # rather the job's
        guesses = [OWN + all_the_jobs, "or, if it is submit.py's: " + ours]
    return UsageError(message, "\n".join(guesses))


def adopted(word: Word, flag: str) -> str:
    """The word, as the option of ours that it resembles."""
    return flag + word.text[len(word.stray) :] if flag else word.text


def whole(program: str, found: Sequence[Word], odd: Sequence[Word], job: Sequence[str]) -> str:
    """The line with the job's words behind `--`."""
    places = {word.place for word in odd}
    ours = [word.text for word in found if word.place not in places]
    theirs = [word.text for word in found if word.place in places]
    script = [] if script_of(found) else ["jobs/x.py"]
    return line(program, [*ours, *script, *behind([*theirs, *job])])


def behind(job: Sequence[str]) -> Iterator[str]:
    if job:
        yield "--"
        yield from job
