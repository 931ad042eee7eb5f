"""Checks on what the job sends: files, variables, arguments and dependencies. They read nothing but files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

from raydock.units import counted

from ..findings import Finding, denied, ok, unknown
from ..package import Contents, find_secrets, find_secrets_in_text
from ..package.secrets.variables import secret_in, secrets_in_arguments
from ..plan import JobPlan

_READ_IT = "have the job read it from Secret Manager or a bucket, using the identity it runs as"
_CREDENTIAL_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG")
_SHOWN = 5  # secrets; the rest are reported once these are fixed


def check_package(plan: JobPlan) -> Iterator[Finding]:
    """Check the files for secrets, and for imports and programs that would fail on the cluster."""
    contents = plan.contents
    secrets = find_secrets(contents)
    for secret in secrets[:_SHOWN]:
        message = (
            f"{secret.name}:{secret.line} contains a secret ({secret.kind}) that anyone with access to the cluster "
            "could read."
        )
        yield denied("secrets", message, _exclude(contents, plan.name, secret.name))
    if not secrets:
        files = counted(len(contents.entries), "file")
        yield ok("package", f"{files}, {contents.unpacked_bytes:,} bytes, no secrets found")
    for missing in contents.missing:
        yield denied("imports", missing.message, missing.fix)
    yield from _modes(contents)
    for one in contents.excluded[:3]:
        yield ok("left out", f"{one.name}: {one.reason}")
    if len(contents.excluded) > 3:
        yield ok("left out", f"and {len(contents.excluded) - 3:,} more")


def _exclude(contents: Contents, script: str, name: str) -> str:
    """How to keep a secret out of the package: ignore files apply to a tree only, and the script is always sent."""
    if contents.tree and name != script:
        path = shlex.quote(os.path.join(contents.root, ".rayignore"))
        return f"remove it from the file, or exclude the file: echo {shlex.quote('/' + name)} >> {path}"
    if name in contents.header_only:
        return "remove it from the file, or remove the file from the header's files"
    return f"remove it from the file, and {_READ_IT}"


def _modes(contents: Contents) -> Iterator[Finding]:
    for lost in contents.lost_modes:
        message = f"{lost.runner}:{lost.line} runs {lost.name}, which is not executable on the cluster"
        yield denied("package", f"{message}: Ray does not restore file modes.", lost.fix)
    reported = {lost.name for lost in contents.lost_modes}
    programs = [
        entry.name for entry in contents.entries if entry.mode == 0o755 and entry.name in contents.header_only
    ]
    if len(programs) < len(contents.entries) - 1:  # some file systems make every file executable
        for name in (name for name in programs if name not in reported):
            yield ok("package", f"{name} is not executable on the cluster: Ray does not restore file modes")


def check_environment(plan: JobPlan) -> Iterator[Finding]:
    """Check the variables for secrets, which the dashboard would show (ray#39502), and for credential files."""
    for name, value in plan.env.items():
        if kind := secret_in(name, value):
            message = f"The variable {name} contains a secret ({kind}), and the dashboard shows a job's environment."
            yield denied("secrets", message, f"remove it, and {_READ_IT}")
        elif name in _CREDENTIAL_FILES and value:
            yield _credential_file(name, value)


def _credential_file(name: str, value: str) -> Finding:
    fix = f"omit {name}: the job has its own identity; grant it the access it needs"
    if os.path.exists(value):
        message = f"{name} points to {value}, a file on this machine; credential files are never packaged."
        return denied("environment", message, fix)
    return unknown("environment", f"{name} points to {value}, which may not exist on the cluster.", fix)


def check_arguments(plan: JobPlan) -> Iterator[Finding]:
    """Check the arguments and dependencies for secrets: the dashboard shows both."""
    for option, kind in secrets_in_arguments(plan.arguments):
        which = f"The job's argument {option}" if option else "A job argument"
        message = f"{which} contains a secret ({kind}), and the dashboard shows a job's entrypoint."
        yield denied("secrets", message, f"remove it, and {_READ_IT}")
    for dependency in plan.header.dependencies:
        for kind in find_secrets_in_text(dependency):
            name = re.split(r"[^\w.-]", dependency, maxsplit=1)[0]
            message = f"The dependency {name} contains a secret ({kind}), and the dashboard shows what a job installs."
            fix = "put the package's source next to the script, or install it from an index that needs no password"
            yield denied("secrets", message, fix)
