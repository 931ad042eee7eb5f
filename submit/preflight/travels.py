"""Checks of what travels: files, variables, arguments and dependencies. Pure but for reading the files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator

from ..findings import Finding, denied, ok, unknown
from ..package import Contents, find_secrets, find_secrets_in_text
from ..package.secrets.variables import secret_in, secrets_in_arguments
from .draft import Draft, counted

_READ_IT = "let the job read it from Secret Manager or a bucket, as the identity it runs as"
_CREDENTIAL_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "KUBECONFIG")
_SHOWN = 5  # secrets; the others are found once these are out


def check_package(draft: Draft) -> Iterator[Finding]:
    """Nothing secret is in the files, and what the job imports and runs is there as it needs it."""
    contents = draft.contents
    leaks = find_secrets(contents)
    for leak in leaks[:_SHOWN]:
        told = f"{leak.name}:{leak.line} holds a secret ({leak.kind}), and whoever reaches the cluster could read it."
        yield denied("secrets", told, _without(contents, draft.name, leak.name))
    if not leaks:
        files = counted(len(contents.entries), "file")
        yield ok("package", f"{files}, {contents.unpacked_bytes:,} bytes, nothing secret in them")
    for missing in contents.missing:
        yield denied("imports", missing.message, missing.fix)
    yield from _modes(contents)
    for left in contents.left[:3]:
        yield ok("left out", f"{left.name}: {left.reason}")
    if len(contents.left) > 3:
        yield ok("left out", f"and {len(contents.left) - 3:,} more")


def _without(contents: Contents, script: str, name: str) -> str:
    """How a secret stays here: an ignore file counts for a tree only, and the script itself has to travel."""
    if contents.tree and name != script:
        place = shlex.quote(os.path.join(contents.root, ".rayignore"))
        return f"take it out of the file, or keep the file here: echo {shlex.quote('/' + name)} >> {place}"
    if name in contents.named:
        return "take it out of the file, or take the file out of the header's files"
    return f"take it out of the file, and {_READ_IT}"


def _modes(contents: Contents) -> Iterator[Finding]:
    for lost in contents.lost_modes:
        told = f"{lost.runner}:{lost.line} runs {lost.name}, which is not executable on the cluster"
        yield denied("package", f"{told}: Ray unpacks without modes.", lost.fix)
    told_of = {lost.name for lost in contents.lost_modes}
    programs = [
        entry.name for entry in contents.entries if entry.mode == 0o755 and entry.name in contents.named
    ]
    if len(programs) < len(contents.entries) - 1:  # some file systems make every file executable
        for name in (name for name in programs if name not in told_of):
            yield ok("package", f"{name} is not executable on the cluster: Ray unpacks without modes")


def check_environment(draft: Draft) -> Iterator[Finding]:
    """Nothing secret is in the variables: the dashboard shows them (ray#39502). Nor do they name a file of secrets."""
    for name, value in draft.env.items():
        if kind := secret_in(name, value):
            told = (
                f"The variable {name} holds a secret ({kind}), and the dashboard shows a job's environment."
            )
            yield denied("secrets", told, f"leave it out, and {_READ_IT}")
        elif name in _CREDENTIAL_FILES and value:
            yield _stays_here(name, value)


def _stays_here(name: str, value: str) -> Finding:
    fix = f"leave {name} out: the job has its own identity, which can be granted what it needs"
    if os.path.exists(value):
        told = f"{name} names {value}, a file of this machine: files with credentials never travel."
        return denied("environment", told, fix)
    return unknown(
        "environment", f"{name} names {value}, and whether the cluster has that file is not known.", fix
    )


def check_arguments(draft: Draft) -> Iterator[Finding]:
    """Nothing secret is in the arguments or the dependencies: the dashboard shows both."""
    for option, kind in secrets_in_arguments(draft.arguments):
        which = f"The argument {option}" if option else "An argument"
        told = f"{which} of the job holds a secret ({kind}), and the dashboard shows a job's entrypoint."
        yield denied("secrets", told, f"leave it out, and {_READ_IT}")
    for dependency in draft.header.dependencies:
        for kind in find_secrets_in_text(dependency):
            name = re.split(r"[^\w.-]", dependency, maxsplit=1)[0]
            told = (
                f"The dependency {name} holds a secret ({kind}), and the dashboard shows what a job installs."
            )
            fix = "put the package's source beside the script, or install it from where no password is needed"
            yield denied("secrets", told, fix)
