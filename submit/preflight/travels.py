"""Checks of what travels: nothing secret in files, environment and arguments."""

from __future__ import annotations

from collections.abc import Iterable

from ..findings import Finding, denied, ok
from ..package import find_secrets, find_secrets_in_text
from .draft import Draft, counted

SECRET_NAMES = (
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
)


def check_package(draft: Draft) -> Iterable[Finding]:
    """Nothing secret is in the files that travel."""
    leaks = find_secrets(draft.contents)
    for leak in leaks[:5]:
        yield denied(
            "package",
            f"{leak.name}:{leak.line} holds a secret ({leak.kind}), and whoever reaches the cluster could read it.",
            f"take it out of the file, or keep the file here: echo {leak.name!r} >> .rayignore",
        )
    if not leaks:
        entries = draft.contents.entries
        size = draft.contents.unpacked_bytes
        yield ok("package", f"{counted(len(entries), 'file')}, {size:,} bytes, nothing secret in them")
    for left in draft.contents.left[:3]:
        yield ok("left out", f"{left.name}: {left.reason}")
    if len(draft.contents.left) > 3:
        yield ok("left out", f"and {len(draft.contents.left) - 3:,} more")


def check_environment(draft: Draft) -> Iterable[Finding]:
    """Nothing secret is in the environment variables: the dashboard shows them (ray#39502)."""
    for name, value in draft.env.items():
        kinds = find_secrets_in_text(value)
        if kinds or any(mark in name.upper() for mark in SECRET_NAMES):
            kind = f" ({kinds[0]})" if kinds else ""
            yield denied(
                "environment",
                f"{name} looks like a secret{kind}, and the dashboard shows a job's environment.",
                "let the job read it from Secret Manager or a bucket, as the identity it runs as",
            )


def check_arguments(draft: Draft) -> Iterable[Finding]:
    """Nothing secret is in the job's arguments: they are its entrypoint, in plain sight."""
    for argument in draft.arguments:
        for kind in find_secrets_in_text(argument):
            yield denied(
                "arguments",
                f"An argument of the job looks like a secret ({kind}), and the dashboard shows a job's entrypoint.",
                "let the job read it from Secret Manager or a bucket, as the identity it runs as",
            )
