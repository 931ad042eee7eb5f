"""Changes the account that jobs in the running lab run as. The server side is cloud/identity/job_account.py."""

from __future__ import annotations

from iam.errors import IamError
from raydock.answers import text
from raydock.errors import NotFound, PermissionDenied, Unreachable
from raydock.gcp.clouds import LabCloud
from raydock.gcp.lab_api import SECONDS, LabRequest


def use(lab: LabCloud, account: str, force: bool, lasting: bool = True) -> None:
    """Change the service account that jobs in the lab run as.

    `lasting`: the account will still exist after a refusal, so the error can suggest commands that use it.

    Raises NotFound for an unknown account, PermissionDenied if jobs are running or if LAB_SERVICE_ACCOUNT is set, and
    Unreachable if the lab or its dashboard does not answer.
    """
    body = {"account": account, "force": force}
    found = lab.call(LabRequest("POST", "/lab/job", body, seconds=2 * SECONDS))
    if found.status != 200:
        message = text(found.error.get("message")) or f"HTTP {found.status}"
        raise refusal(text(found.error.get("reason")), message, account, lasting)


def refusal(reason: str, message: str, account: str, lasting: bool = True) -> Exception:
    """The error for the lab's refusal."""
    command = f"python -m iam account use {account} --force"
    if reason == "running":
        text = f"{message} New access tokens would be for {account}, so nothing was changed."
        fix = "wait until all jobs have finished (python submit.py list)"
        return PermissionDenied(text, f"{fix}, or switch now: {command}" if lasting else fix)
    if reason == "set":
        fix = "remove it from .env and run make cluster-up"
        again = f", or: LAB_SERVICE_ACCOUNT={account} make cluster-up"
        return PermissionDenied(message, f"{fix}{again}" if lasting else fix)
    if reason == "unknown":
        return NotFound(message, "python -m iam account list")
    if reason == "unavailable":
        text = f"{message} It is therefore unknown whether jobs are running, and nothing was changed."
        return Unreachable(text, f"try again, or switch anyway: {command}" if lasting else "try again")
    return IamError(f"The lab did not change the account that jobs run as: {message}", "make cluster-up")
