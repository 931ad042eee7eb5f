"""The import command: reads a real project and writes a lab file."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iam.console import OK, echo, echo_json, echo_wrapped
from iam.errors import FileFailed
from iam.options import Usage
from raydock import event_loop
from raydock.settings import ROOT, setting

if TYPE_CHECKING:
    from iam.project_import.project import Request
    from iam.project_import.snapshot import ProjectSnapshot
    from iam.project_import.summary import Summary
    from iam.session import Session

REGION = "us-central1"


def run(options: argparse.Namespace) -> int:
    """Import a project."""
    from iam.lab.file import loads
    from iam.project_import.document import lab_text
    from iam.project_import.project import Request, named_buckets, require_id
    from iam.project_import.summary import summary
    from iam.session import open_session

    named = options.project or setting("GOOGLE_CLOUD_PROJECT")
    if not named and options.target == "google":
        raise Usage("No project is set.", "pass --project ID")
    if named:
        require_id(named)
    buckets = named_buckets(options.bucket)
    session = open_session(options.target, named)
    project = session.project  # the lab has one of its own
    file = output(options.output, project, options.force)
    request = Request(project, session.caller, buckets, options.objects)
    found = event_loop.run(snapshot(session, request, options))
    assumed = frozenset(options.assume_none)
    text = lab_text(found, assumed)
    loads(text.encode(), file.name)  # the lab's own parser: never write a file that it would reject
    write(file, text)
    report(summary(found, assumed), file, found, options.json)
    return OK


async def snapshot(session: Session, request: Request, options: argparse.Namespace) -> ProjectSnapshot:
    """Read the cluster, if one is requested, and the project."""
    from iam.project_import.api import ProjectApi
    from iam.project_import.cluster import read_cluster
    from iam.project_import.project import read_project
    from iam.session import open_reader

    region = options.region or setting("GOOGLE_CLOUD_REGION", REGION)
    async with open_reader(session) as reader:
        named = options.cluster
        cluster = await read_cluster(reader, request.project, region, named) if named else None
        found = await read_project(ProjectApi(reader, request.project), request)
    return replace(found, cluster=cluster)


def output(named: str, project: str, force: bool) -> Path:
    """The file to write. Raises FileFailed if it can't be written, or if it exists and is not to be replaced."""
    file = Path(named).expanduser() if named else ROOT / "iam" / f"lab-{project}.yaml"
    if file.is_dir():
        raise FileFailed(f"{file} is a folder.", "pass the path of a file: --output FILE")
    if file.exists() and not force:
        raise FileFailed(f"{shown(file)} already exists.", "add --force to replace it, or pass --output FILE")
    if not os.access(file.parent, os.W_OK):
        reason = "its folder can't be written" if file.parent.exists() else "its folder does not exist"
        raise FileFailed(f"{shown(file)} can't be written: {reason}.", "pass another path: --output FILE")
    return file


def write(file: Path, text: str) -> None:
    """Write the file atomically. Raises FileFailed."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise FileFailed(
            f"{file} can't be written: {fault.strerror}.", "pass another path: --output FILE"
        ) from None


def report(found: Summary, file: Path, snapshot: ProjectSnapshot, json: bool) -> None:
    """Print the summary."""
    if json:
        echo_json(
            {
                "version": 1,
                "project": snapshot.id,
                "file": str(file),
                "read": found.read,
                "hidden": list(found.hidden),
                "assumed": list(found.assumed),
                "notes": list(found.notes),
            }
        )
        return
    echo(found.read)
    if found.hidden:
        echo("Could not be read, so what depends on it is UNKNOWN in the lab:")
    for line in found.hidden:
        echo_wrapped("  · ", line)
    for line in (*found.assumed, *found.notes):
        echo_wrapped("Note: ", line)
    echo(f"Wrote {shown(file)}. To use it, add to .env and run make cluster-up:")
    echo(f"LAB_FILE={shown(file)}", f"LAB_PROJECT={snapshot.id}")
    if snapshot.cluster:
        echo(f"A cluster of the same shape: python -m cluster up --like {snapshot.cluster[0]}")


def shown(file: Path) -> str:
    """The file's path, relative to the checkout if it is inside, as LAB_FILE expects it."""
    path = file.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
