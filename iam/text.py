"""Formats the results of the check, for the submitter and `python -m iam check`."""

from __future__ import annotations

from collections.abc import Iterator

from iam.check import CheckResult
from iam.policy.evaluate import Verdict
from iam.policy.resource import parse_gs

VERDICTS = {Verdict.GRANTED: "OK", Verdict.DENIED: "DENIED", Verdict.UNKNOWN: "UNKNOWN"}
NO_NARROW_ROLE = "ask a project owner: no narrow role on the bucket alone would be enough"


def sentence(one: CheckResult) -> str:
    """The principal, the permission, the resource, the declaration that needs it, and the reason."""
    if one.verdict is Verdict.GRANTED:
        doing = ", ".join(operation.value for operation in one.operations)
        return f"{one.uri}: {doing}, as {one.principal} ({one.how})"
    permissions, why = " and ".join(one.missing), one.why.replace(f" to {one.principal}", "")
    if one.verdict is Verdict.DENIED:
        return f"{one.principal} lacks {permissions} on {one.uri} ({one.because}): {why}."
    return (
        f"Could not determine whether {one.principal} has {permissions} on {one.uri} ({one.because}): {why}."
    )


def fix(one: CheckResult, cloud: str) -> str:
    """The grants that fix a denial, as commands of `python -m iam` and of gcloud, one per line.

    `cloud` is the name of the cloud that was checked: "local" for the lab.
    """
    target = "" if cloud == "local" else f" --target {cloud}"
    if one.why.startswith("the bucket gs://"):
        correct = f"did you mean gs://{one.similar}?" if one.similar else "correct the bucket name"
        return f"{correct}\nor create the bucket: python -m iam bucket add {parse_gs(one.uri)[0]}{target}"
    if not one.fixes:
        return NO_NARROW_ROLE
    where = "in the lab: " if cloud == "local" else ""
    commands = [f"{where}{each.iam_command}{target}" for each in one.fixes if each.iam_command]
    return "\n".join([*commands, *(f"on Google Cloud: {each.gcloud}" for each in one.fixes)])


def lines(one: CheckResult, cloud: str) -> Iterator[tuple[str, str]]:
    """The lines of a result, each with the label before it."""
    yield f"{VERDICTS[one.verdict]:<7}  ", sentence(one)
    if one.verdict is not Verdict.GRANTED:
        yield from (("       → ", line) for line in fix(one, cloud).splitlines())
