"""The bucket commands: bucket add, list and remove."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from iam.console import OK, agreed, echo, echo_json
from iam.options import Usage

if TYPE_CHECKING:
    from iam.storage.buckets import Buckets


def add(options: argparse.Namespace) -> int:
    """Create a bucket."""
    from iam.errors import Conflict
    from iam.storage.buckets import location, new_name
    from raydock.errors import PermissionDenied

    name, where = new_name(options.name), location(options.location)
    buckets = open_buckets(options)
    try:
        created = buckets.create(name, where)
    except Conflict:
        text = f"The bucket name {name} is taken: bucket names are unique across all projects."
        fix = f"choose another name, such as {buckets.project}-{name}"[:100]
        raise PermissionDenied(text, fix) from None
    if not created:
        there = buckets.find(name)
        echo(f"Nothing to do: gs://{name} already exists, in {there.location}.")
        return OK
    echo(f"Created gs://{name} in project {buckets.project}, {where}.")
    flags = buckets.store.session.flags
    echo(f"Copy a file into it: python -m iam cp FILE gs://{name}/{flags}")
    echo(f"Who may use it:      python -m iam show gs://{name}{flags}")
    return OK


def show(options: argparse.Namespace) -> int:
    """List a project's buckets."""
    buckets = open_buckets(options)
    found = buckets.all()
    if options.json:
        known = {"project": buckets.project, "buckets": [one.as_json() for one in found]}
        echo_json({"version": 1, **known})
        return OK
    widest = max((len(one.name) for one in found), default=0)
    for one in found:
        echo(f"gs://{one.name:<{widest}}  {one.location:<12}  created {one.created[:10]}")
    if not found:
        echo(f"Project {buckets.project} has no buckets.")
    if others := sorted({*buckets.store.session.buckets} - {one.name for one in found}):
        echo(f"In the lab's other projects: {', '.join(others)}")
    return OK


def remove(options: argparse.Namespace) -> int:
    """Remove a bucket. Without --force, refuses to remove one that is not empty."""
    from iam.storage.paths import bucket_of
    from iam.storage.progress import readable
    from raydock.errors import PermissionDenied
    from raydock.units import counted

    name = bucket_of(options.name)
    buckets: Buckets = open_buckets(options)
    buckets.find(name)
    files = buckets.files(name)
    if files and not options.force:
        text = f"gs://{name} contains {counted(len(files), 'object')}, so it was not removed."
        raise PermissionDenied(
            text, f"python -m iam bucket remove {name} --force{buckets.store.session.flags}"
        )
    size = readable(sum(one.size for one in files))
    content = f" and its {counted(len(files), 'object')} ({size})" if files else ""
    if agreed(f"Remove gs://{name}{content}", options.yes):
        buckets.remove(name, files)
        echo(f"Removed gs://{name}{content}.")
    return OK


def open_buckets(options: argparse.Namespace) -> Buckets:
    """Return the buckets of the selected project. Raises Usage if no project is set."""
    from iam.session import open_session
    from iam.storage.buckets import Buckets
    from iam.storage.store import open_store

    session = open_session(options.target, options.project)
    if not session.project:
        raise Usage("No project is set.", "pass --project ID")
    return Buckets(open_store(session), session.project)
