"""storage, and gsutil: buckets and objects, as commands of `python -m iam`, which prints its own results."""

from __future__ import annotations

from vertex.gcloud.commands.projects import project_of
from vertex.gcloud.invocation import MANY, Command, Invocation

RECURSIVE = {"--recursive": False, "-r": False, "-R": False}
CREATE = {"--location": True, "-l": True, "-p": True, "--uniform-bucket-level-access": False}
BINDING = {"--member": True, "--role": True}


def iam(call: Invocation, *words: str) -> int:
    """Run a command of `python -m iam` on the lab's Google Cloud, and return its exit code."""
    from iam.cli import main

    project = call.flag("-p") or project_of(call)
    return main([*words, "--target", "google", *(["--project", project] if project else [])])


def recursive(call: Invocation) -> list[str]:
    """The flag of iam's commands for folders."""
    return ["--recursive"] if call.has(*RECURSIVE) else []


def create_bucket(call: Invocation) -> int:
    """Create buckets."""
    location = call.flag("--location", "-l", default="us-central1")
    return max(iam(call, "bucket", "add", uri, "--location", location) for uri in call.arguments)


def list_buckets(call: Invocation) -> int:
    """List the project's buckets."""
    return iam(call, "bucket", "list")


def delete_bucket(call: Invocation) -> int:
    """Delete buckets that are empty."""
    return max(iam(call, "bucket", "remove", uri, "--yes") for uri in call.arguments)


def add_binding(call: Invocation) -> int:
    """Grant a role on a bucket."""
    return edit_binding(call, "grant")


def remove_binding(call: Invocation) -> int:
    """Revoke a role on a bucket."""
    return edit_binding(call, "revoke")


def edit_binding(call: Invocation, verb: str) -> int:
    """Grant or revoke a role on a bucket."""
    flags = [f"{name}={call.flag(name)}" for name in BINDING]
    return iam(call, verb, call.arguments[0], *flags)


def list_objects(call: Invocation) -> int:
    """List buckets, folders and objects."""
    long = ["--long"] if call.has("-l", "--long") else []
    return iam(call, "ls", *call.arguments, *recursive(call), *long)


def copy(call: Invocation) -> int:
    """Copy files."""
    kept = ["--no-clobber"] if call.has("-n", "--no-clobber") else []
    return iam(call, "cp", *call.arguments, *recursive(call), *kept)


def show(call: Invocation) -> int:
    """Print objects."""
    return iam(call, "cat", *call.arguments)


def remove(call: Invocation) -> int:
    """Remove objects; with --recursive, also a bucket that is named as a whole."""
    return max(remove_one(call, uri) for uri in call.arguments)


def remove_one(call: Invocation, uri: str) -> int:
    """Remove what one URI names."""
    if call.has(*RECURSIVE) and "/" not in uri.removeprefix("gs://").rstrip("/"):
        return iam(call, "bucket", "remove", uri, "--force", "--yes")
    return iam(call, "rm", uri, *recursive(call), "--yes")


LS = Command(list_objects, "[gs://…]", {**RECURSIVE, "-l": False, "--long": False}, 0, MANY)
CP = Command(copy, "SOURCE… DESTINATION", {**RECURSIVE, "-n": False, "--no-clobber": False}, 2, MANY)
CAT = Command(show, "gs://…", {}, 1, MANY)
RM = Command(remove, "gs://…", RECURSIVE, 1, MANY)
MB = Command(create_bucket, "gs://BUCKET", CREATE, 1, MANY)
RB = Command(delete_bucket, "gs://BUCKET", {}, 1, MANY)
COMMANDS = {
    "storage buckets create": MB,
    "storage buckets list": Command(list_buckets),
    "storage buckets delete": RB,
    "storage buckets add-iam-policy-binding": Command(add_binding, "gs://BUCKET", BINDING, 1, 1),
    "storage buckets remove-iam-policy-binding": Command(remove_binding, "gs://BUCKET", BINDING, 1, 1),
    "storage ls": LS,
    "storage cp": CP,
    "storage cat": CAT,
    "storage rm": RM,
}
GSUTIL = {"mb": MB, "rb": RB, "ls": LS, "cp": CP, "cat": CAT, "rm": RM}
