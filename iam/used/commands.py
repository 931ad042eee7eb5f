"""The grants as commands: `python -m iam grant`, gcloud and Terraform. Names are a job's choice, so all are quoted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from iam.grant import Edit
from iam.policy.least_role import Grant
from iam.policy.resource import ACCOUNT
from iam.used.needs import NeededGrants
from iam.used.report import UsedReport
from raydock.terminal.printable import UNSAFE


def gcloud(report: UsedReport) -> Iterator[str]:
    """The gcloud commands, and comments about what no role covers."""
    yield from (ansi_quoted(one.gcloud) for one in report.grants.grants)
    yield from (f"# {line}" for line in uncovered(report.grants))


def iam(report: UsedReport) -> Iterator[str]:
    """Our commands, for the lab. For a real project, they take --target google."""
    if report.grants.grants:
        yield "# In a real project, add: --target google --project ID"
    for one in report.grants.grants:
        yield ansi_quoted(one.iam_command or f"# on Google Cloud: {one.gcloud}")
    yield from (f"# {line}" for line in uncovered(report.grants))


def terraform(report: UsedReport) -> Iterator[str]:
    """Terraform resources of the provider hashicorp/google."""
    used: set[str] = set()
    for one in report.grants.grants:
        label = unique(re.sub(r"\W+", "_", f"{one.resource}_{one.role.rpartition('.')[2]}").strip("_"), used)
        yield from (*block(one, label), "")
    yield from (f"# {line}" for line in uncovered(report.grants))


def block(one: Grant, label: str) -> list[str]:
    """One grant as a Terraform resource."""
    account = one.resource.type == ACCOUNT
    kind = "google_service_account_iam_member" if account else "google_storage_bucket_iam_member"
    name = ("service_account_id", one.resource.name) if account else ("bucket", one.resource.bucket)
    pairs = [name, ("role", one.role), ("member", one.principal)]
    widest = max(len(key) for key, _ in pairs)
    lines = [f"  {key:<{widest}} = {hcl(value)}" for key, value in pairs]
    if one.prefix:
        lines += ["", "  condition {", f"    title      = {hcl(f'objects under {one.prefix}'[:100])}"]
        condition = Edit(one.resource.bucket, one.role, one.principal, one.prefix).condition()
        lines += [f"    expression = {hcl(condition.expression if condition else '')}", "  }"]
    return [f'resource "{kind}" "{label}" {{', *lines, "}"]


def hcl(text: str) -> str:
    """A quoted string in HCL, in which nothing is a template: https://developer.hashicorp.com/terraform/language"""
    return f'"{hcl_inner(text)}"'


def hcl_inner(text: str) -> str:
    """The inside of a quoted string in HCL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return UNSAFE.sub(lambda found: escape(found[0]), escaped)


def ansi_quoted(command: str) -> str:
    """A command for bash in which words with control characters use $'…', so that it can be shown and copied."""
    if not UNSAFE.search(command):
        return command
    return " ".join(map(ansi_word, shlex.split(command)))


def ansi_word(word: str) -> str:
    """One word, quoted for bash."""
    if not UNSAFE.search(word):
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + UNSAFE.sub(lambda found: escape(found[0]), escaped) + "'"


def escape(char: str) -> str:
    """A character as bash's $'…' and HCL escape it."""
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unique(label: str, used: set[str]) -> str:
    """A label that is not in use yet; it is added to those in use."""
    number = next(n for n in range(1, len(used) + 2) if (label if n == 1 else f"{label}_{n}") not in used)
    found = label if number == 1 else f"{label}_{number}"
    used.add(found)
    return found


def uncovered(needed: NeededGrants) -> Sequence[str]:
    """One line per need that no role covers."""
    return [
        f"no narrow role on {one.target} includes {', '.join(one.permissions)}" for one in needed.uncovered
    ]
