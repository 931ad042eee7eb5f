"""The file commands: cp, ls, cat and rm."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from iam.console import OK, agreed, echo
from iam.options import PROG, Usage
from raydock.errors import RaydockError
from raydock.terminal.commandline import line
from raydock.units import counted

if TYPE_CHECKING:
    from iam.storage.paths import CloudPath, LocalPath
    from iam.storage.plan import Copy, Destination
    from iam.storage.progress import CopyProgress
    from iam.storage.sources import Source
    from iam.storage.store import ObjectStore


def copy(options: argparse.Namespace) -> int:
    """Copy files between this machine and buckets, or from bucket to bucket."""
    from iam.storage.paths import LocalPath, parse_path
    from iam.storage.plan import planned, size_of
    from iam.storage.progress import CopyProgress, readable
    from raydock.terminal.status_line import StatusLine

    if len(options.paths) < 2:
        raise Usage(
            "cp needs a source and a destination.", f"{PROG} cp SRC DST, such as data.csv gs://BUCKET/"
        )
    *sources, target = map(parse_path, options.paths)
    if all(isinstance(one, LocalPath) for one in (*sources, target)):
        raise Usage(
            "Neither the source nor the destination is in Cloud Storage.", "pass a gs:// URI for one of them"
        )
    store = open_objects(options)
    destination = destination_of(store, target)
    copies = planned([found(store, options, one) for one in sources], destination)
    size = size_of(copies)
    progress = CopyProgress(len(copies), size, StatusLine(sys.stderr))
    copy_all(store, copies, destination, progress, options.no_clobber)
    kept = f", {counted(progress.kept, 'file')} already existed" if progress.kept else ""
    moved = f"{counted(progress.done - progress.kept, 'file')} ({readable(size - progress.kept_size)})"
    where = copies[0].target if len(copies) == 1 else destination.path
    echo(f"Copied {moved} to {where}{kept}.")
    return OK


def copy_all(
    store: ObjectStore, copies: list[Copy], destination: Destination, progress: CopyProgress, no_clobber: bool
) -> None:
    """Copy all files. Raises the first error, and adds how many files were copied."""
    from iam.storage.parallel import for_each
    from iam.storage.transfer import Transfer

    transfer = Transfer(store, str(destination.path), progress, no_clobber)
    try:
        with progress.line():
            for_each(transfer.run, copies, progress.stop)
    except RaydockError as fault:
        if len(copies) > 1:
            fault.message += (
                f" {progress.done:,} of {counted(len(copies), 'file')} were copied; add -n to copy the rest."
            )
        raise


def destination_of(store: ObjectStore, path: CloudPath | LocalPath) -> Destination:
    """The destination of a copy. Without a trailing slash, it is a folder if it contains something."""
    from iam.storage.paths import CloudPath
    from iam.storage.plan import Destination
    from raydock.errors import NotFound, PermissionDenied

    if not isinstance(path, CloudPath):
        return Destination(path, path.is_folder)
    try:  # this also checks that the bucket exists
        return Destination(path, store.has_below(path) or path.is_folder)
    except PermissionDenied:  # the caller may be allowed to create objects, but not to list them
        return Destination(path, path.is_folder)
    except NotFound:
        raise store.missing_bucket(path.bucket, f"{PROG} bucket add {path.bucket}") from None


def show(options: argparse.Namespace) -> int:
    """List buckets, folders and objects."""
    from iam.storage.listing import entries, lines
    from iam.storage.paths import parse_uri

    paths = [parse_uri(one) for one in options.uris if one != "gs://"]
    if not paths:
        from iam.commands.buckets import open_buckets

        echo(*(f"gs://{one.name}/" for one in open_buckets(options).all()))
        return OK
    store = open_objects(options)
    for path in paths:
        echo(*lines(entries(store, path, options.recursive), options.long))
    return OK


def print_objects(options: argparse.Namespace) -> int:
    """Write the contents of objects to stdout."""
    from iam.storage.paths import parse_uri
    from iam.storage.store import CloudFile
    from iam.storage.transfer import fetch

    store = open_objects(options)
    files = [item.file for one in options.uris for item in found(store, options, parse_uri(one))]
    sys.stdout.flush()
    for file in files:
        assert isinstance(file, CloudFile)
        fetch(store, file, sys.stdout.buffer, "nothing was printed")
    sys.stdout.buffer.flush()
    return OK


def remove(options: argparse.Namespace) -> int:
    """Remove objects. Asks for confirmation if there are several."""
    from iam.storage.parallel import for_each
    from iam.storage.paths import parse_uri
    from iam.storage.store import CloudFile

    paths = [parse_uri(one) for one in options.uris]
    if whole := [one for one in paths if not one.name]:
        text = f"{whole[0]} is a bucket."
        raise Usage(text, f"{PROG} bucket remove {whole[0].bucket} --force, or rm {whole[0]}/**")
    store = open_objects(options)
    items = [item for one in paths for item in found(store, options, one)]
    files = list({item.file.path: item.file for item in items if isinstance(item.file, CloudFile)}.values())
    what = f"{counted(len(files), 'object')}"
    if len(files) > 1 and not agreed(f"Remove {what}", options.yes):
        return OK
    for_each(store.delete, files)
    echo(f"Removed {files[0].path}." if len(files) == 1 else f"Removed {what}.")
    return OK


def found(store: ObjectStore, options: argparse.Namespace, path: CloudPath | LocalPath) -> list[Source]:
    """The files that a path refers to. Raises FolderWithoutRecursive, whose fix is the command with -r."""
    from iam.storage.sources import FolderWithoutRecursive, SourceReader

    recursive = getattr(options, "recursive", None)  # `cat` has no -r
    try:
        return list(SourceReader(store, bool(recursive)).items(path))
    except FolderWithoutRecursive as fault:
        command = line(f"{PROG} {options.verb}", ["-r", *options.words])
        fault.fix = f"{PROG} ls {path}" if recursive is None else command
        raise


def open_objects(options: argparse.Namespace) -> ObjectStore:
    """The caller's view of Cloud Storage."""
    from iam.session import open_session
    from iam.storage.store import open_store

    return open_store(open_session(options.target, options.project))
