"""The options of `python -m iam`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from iam.errors import IamError
from raydock.terminal import commandline
from raydock.terminal.commandline import MEANT, line, near

if TYPE_CHECKING:
    from iam.policy.required_permissions import RequiredPermission

PROG = "python -m iam"
VERBS = {
    "show": "show who may do what on a bucket, as a table",
    "whoami": "show who you are, and who jobs run as",
    "check": "check a job's permissions; exit code 3 if any is missing",
    "grant": "grant a role on a bucket",
    "revoke": "revoke a role on a bucket",
    "provision": "create what jobs on Vertex AI need, with the least roles",
    "deprovision": "remove what provision created, and nothing else",
}
OPERATIONS = {
    "read": "read objects (the default)",
    "list": "list objects",
    "write": "create objects",
    "overwrite": "replace objects: create and delete them",
    "delete": "delete objects",
    "look-up": "look up the bucket, as Ray and pyarrow do to create a folder",
}
WIDEST = max(map(len, VERBS))
EPILOG = (
    f"commands ({PROG} COMMAND --help):\n"
    + "\n".join(f"  {verb:<{WIDEST}}  {meaning}" for verb, meaning in VERBS.items())
    + """

exit codes: 0 done or granted, 2 usage error, 3 denied, unknown or refused,
4 service unreachable, or the policy kept changing concurrently"""
)


class Usage(IamError):
    """The command line is invalid."""


def needs_of(uri: str, operations: Sequence[str]) -> list[RequiredPermission]:
    """The permissions that the flags of `check` ask about. Without flags, those for reading."""
    from iam.policy.required_permissions import READ_ALL, READ_ONE, Collector, Operation, is_prefix

    named = {"write": Operation.CREATE, "look-up": Operation.GET_BUCKET}
    chosen = [named.get(name) or Operation(name) for name in operations]
    because = " ".join(f"--{name}" for name in operations) or "read"
    collector = Collector()
    collector.add(uri, chosen or (READ_ALL if is_prefix(uri) else READ_ONE), because)
    return list(collector.needs.values())


class IamParser(commandline.Parser):
    """An argument parser that raises Usage."""

    fault = Usage


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; the result has `verb`, the command. Raises Usage. `--help` exits, as in argparse."""
    words = list(argv)
    if not words or words[0] in ("-h", "--help"):
        overview().parse_args(words or ["--help"])
    verb = words.pop(0)
    if verb not in VERBS:
        close = near(verb, VERBS, 0.6)
        meant = MEANT + line(PROG, [close, *words]) if close else f"commands: {', '.join(VERBS)}"
        raise Usage(f"{verb} is not a command of {PROG}.", meant)
    options = parser_of(verb).checked(words)
    options.verb = verb
    options.target = "local" if options.target == "local" else "google"
    return options


def overview() -> IamParser:
    """The parser whose help lists the commands."""
    return IamParser(
        prog=PROG,
        usage=f"{PROG} COMMAND [options]",
        description="Show, check and change who may do what on Cloud Storage, in the lab or in a real project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parser_of(verb: str) -> IamParser:
    """The parser of one command."""
    description = VERBS[verb][0].upper() + VERBS[verb][1:] + "."
    parser = IamParser(prog=f"{PROG} {verb}", description=description, allow_abbrev=False)
    parser.add_argument(
        "--target",
        default="local",
        choices=("local", "google", "vertex"),
        help="the lab of the running cluster (default), or Google Cloud",
    )
    parser.add_argument("--project", default="", metavar="ID", help="the project (default: the target's)")
    if verb in ("show", "check", "grant", "revoke"):
        parser.add_argument("uri", metavar="gs://BUCKET" if verb in ("grant", "revoke") else "gs://BUCKET/…")
    if verb in ("show", "whoami"):
        parser.add_argument("--json", action="store_true", help="print it as JSON")
    adders = {
        "check": add_check,
        "grant": add_edit,
        "revoke": add_edit,
        "provision": add_provision,
        "deprovision": add_deprovision,
    }
    if verb in adders:
        adders[verb](parser)
    if verb == "grant":
        parser.add_argument("--force", action="store_true", help="allow a role that grants far too much")
    return parser


def add_check(parser: IamParser) -> None:
    """Add the options of `check`."""
    for name, meaning in OPERATIONS.items():
        parser.add_argument(f"--{name}", dest="operations", action="append_const", const=name, help=meaning)
    parser.add_argument(
        "--as",
        dest="principal",
        default="",
        metavar="PRINCIPAL",
        help="the identity to check (default: the job's)",
    )


def add_edit(parser: IamParser) -> None:
    """Add the options of `grant` and `revoke`."""
    parser.add_argument("--role", required=True, metavar="roles/…", help="the role")
    parser.add_argument("--member", required=True, metavar="PRINCIPAL", help="the principal that holds it")
    parser.add_argument(
        "--condition-prefix",
        default="",
        metavar="PREFIX",
        help="only for objects whose names start with PREFIX",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the change without making it")


def add_provision(parser: IamParser) -> None:
    """Add the options of `provision`."""
    parser.add_argument(
        "--service-account",
        default="ray-jobs",
        metavar="NAME",
        help="the service account that jobs will run as (default: ray-jobs)",
    )
    parser.add_argument(
        "--data-bucket", default="", metavar="B", help="the bucket that jobs read (default: PROJECT-ray-data)"
    )
    parser.add_argument(
        "--model-bucket",
        default="",
        metavar="B",
        help="the bucket that jobs write (default: PROJECT-ray-models)",
    )
    parser.add_argument(
        "--location",
        default="us-central1",
        metavar="L",
        help="the location of new buckets (default: us-central1)",
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


def add_deprovision(parser: IamParser) -> None:
    """Add the options of `deprovision`."""
    parser.add_argument("--buckets", action="store_true", help="also remove the buckets, if they are empty")
    add_confirmation(parser)


def add_confirmation(parser: IamParser) -> None:
    """Add --dry-run and --yes."""
    parser.add_argument("--dry-run", action="store_true", help="show the plan without applying it")
    parser.add_argument("--yes", action="store_true", help="apply the plan without asking")
