"""Options for the permission commands, and for `provision` and `deprovision`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iam.policy.required_permissions import RequiredPermission

OPERATIONS = {
    "read": "read objects (the default)",
    "list": "list objects",
    "write": "create objects",
    "overwrite": "replace objects: create and delete them",
    "delete": "delete objects",
    "look-up": "look up the bucket, as Ray and pyarrow do when they create a folder",
}


def needs_of(uri: str, operations: Sequence[str]) -> list[RequiredPermission]:
    """The permissions that the flags of `check` ask about: by default, those for reading."""
    from iam.policy.required_permissions import READ_ALL, READ_ONE, Collector, Operation, is_prefix

    named = {"write": Operation.CREATE, "look-up": Operation.GET_BUCKET}
    chosen = [named.get(name) or Operation(name) for name in operations]
    because = " ".join(f"--{name}" for name in operations) or "read"
    collector = Collector()
    collector.add(uri, chosen or (READ_ALL if is_prefix(uri) else READ_ONE), because)
    return list(collector.needs.values())


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the options for `check`."""
    for name, meaning in OPERATIONS.items():
        parser.add_argument(f"--{name}", dest="operations", action="append_const", const=name, help=meaning)
    parser.add_argument(
        "--as",
        dest="principal",
        default="",
        metavar="PRINCIPAL",
        help="the identity to check (default: the job's)",
    )


def add_used(parser: argparse.ArgumentParser) -> None:
    """Add the options for `used`."""
    parser.add_argument(
        "jobs", nargs="+", metavar="JOB", help="a submission id; several: what they used together"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="include replacing the objects that the job created, as another run does",
    )
    parser.add_argument(
        "--prefixes",
        action="store_true",
        help="limit roles to the folder or object used, on buckets of which nothing was listed",
    )
    parser.add_argument(
        "--member",
        default="",
        metavar="PRINCIPAL",
        help="grant the roles to this identity (default: the job's)",
    )
    parser.add_argument(
        "--format",
        default="table",
        choices=("table", "json", "iam", "gcloud", "terraform"),
        help="table (default), or the roles as JSON, as python -m iam grant or gcloud commands, or for Terraform",
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="the same as --format json"
    )


def add_edit(parser: argparse.ArgumentParser) -> None:
    """Add the options for `grant` and `revoke`."""
    parser.add_argument("--role", required=True, metavar="roles/…", help="the role")
    parser.add_argument(
        "--member", required=True, metavar="PRINCIPAL", help="the principal to grant it to or revoke it from"
    )
    parser.add_argument(
        "--condition-prefix",
        default="",
        metavar="PREFIX",
        help="limit the role to objects whose names start with PREFIX",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the change without making it")


def add_provision(parser: argparse.ArgumentParser) -> None:
    """Add the options for `provision`."""
    parser.add_argument(
        "--service-account",
        default="ray-jobs",
        metavar="NAME",
        help="the service account that jobs will run as (default: ray-jobs)",
    )
    parser.add_argument(
        "--data-bucket",
        default="",
        metavar="B",
        help="the bucket that jobs read from (default: PROJECT-ray-data)",
    )
    parser.add_argument(
        "--model-bucket",
        default="",
        metavar="B",
        help="the bucket that jobs write to (default: PROJECT-ray-models)",
    )
    parser.add_argument(
        "--location",
        default="us-central1",
        metavar="L",
        help="the location for new buckets (default: us-central1)",
    )
    parser.add_argument(
        "--caller", default="", metavar="PRINCIPAL", help="who will submit jobs (default: you)"
    )
    parser.add_argument(
        "--grant-vertex",
        action="store_true",
        help="also grant the caller roles/aiplatform.user on the project",
    )
    add_confirmation(parser)


def add_deprovision(parser: argparse.ArgumentParser) -> None:
    """Add the options for `deprovision`."""
    parser.add_argument("--buckets", action="store_true", help="also remove the buckets that are empty")
    add_confirmation(parser)


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run and --yes."""
    parser.add_argument("--dry-run", action="store_true", help="show the plan without applying it")
    parser.add_argument("--yes", action="store_true", help="apply the plan without asking")


ADDERS = {
    "check": add_check,
    "used": add_used,
    "grant": add_edit,
    "revoke": add_edit,
    "provision": add_provision,
    "deprovision": add_deprovision,
}
