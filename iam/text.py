"""An outcome of the check in words: the same ones in the submitter and on the command line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from iam.check import Outcome
from iam.policy.evaluate import Verdict

TOLD = {Verdict.GRANTED: "OK", Verdict.DENIED: "DENIED", Verdict.UNKNOWN: "UNKNOWN"}
NO_SMALL_ROLE = "ask an owner of that project; no small role on the bucket alone would mend it"


def sentence(one: Outcome) -> str:
    """Principal, permission, resource, which declaration needs it, why."""
    if one.verdict is Verdict.GRANTED:
        doing = ", ".join(operation.value for operation in one.operations)
        return f"{one.uri}: {doing}, as {one.principal} ({one.how})"
    what, why = " and ".join(one.missing), one.why.replace(f" to {one.principal}", "")
    if one.verdict is Verdict.DENIED:
        return f"{one.principal} has no {what} on {one.uri} ({one.because}): {why}."
    return f"It can't be told whether {one.principal} has {what} on {one.uri} ({one.because}): {why}."


def fix(one: Outcome, place: str) -> str:
    """The grants that mend it, as our command and as Google's; the lab takes ours alone."""
    if one.why.startswith("there is no bucket"):
        return "mend its name, or make the bucket"
    if not one.fixes:
        return NO_SMALL_ROLE
    target = "" if place == "local" else f" --target {place}"
    ours = [f"{each.ours}{target}" for each in one.fixes if each.ours]
    return "\n".join([*ours, *(f"on Google Cloud: {each.gcloud}" for each in one.fixes)])


def lines(one: Outcome, place: str) -> Iterator[tuple[str, str]]:
    """Each with what it hangs from."""
    yield f"{TOLD[one.verdict]:<7}  ", sentence(one)
    if one.verdict is not Verdict.GRANTED:
        yield from (("       → ", line) for line in fix(one, place).splitlines())


def is_command(text: str) -> bool:
    """Whether it is to be copied: then it stays on one line, however long."""
    return text.startswith(("python -m iam ", "on Google Cloud: gcloud "))


def hanging(start: str, text: str, width: int) -> list[str]:
    """Text below its start; no word is broken, and a command not at all."""
    if is_command(text):
        return [start + text]
    indent = " " * len(start)
    return textwrap.wrap(
        text,
        width,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
