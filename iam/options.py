"""The command line of `python -m iam`, as argparse and our own words have it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from iam.errors import IamError
from raydock import commandline
from raydock.commandline import MEANT, line, near

if TYPE_CHECKING:
    from iam.policy.required_permissions import RequiredPermission

PROG = "python -m iam"
VERBS = {
    "show": "who may do what on a bucket, as a table",
    "whoami": "who you are there, and who jobs run as",
    "check": "may the job's identity do what a job needs? Exit code 3 if not",
    "grant": "give a member a role on a bucket",
    "revoke": "take it away again",
    "provision": "make what jobs on Ray on Vertex AI need in a project, with the least roles",
    "deprovision": "remove what provision made, and nothing else",
}
OPERATIONS = {
    "read": "read objects",
    "list": "list them",
    "write": "make new ones",
    "overwrite": "replace them: create and delete",
    "delete": "delete them",
    "look-up": "look up the bucket, as Ray and pyarrow do to make a folder",
}
WIDEST = max(map(len, VERBS))
EPILOG = (
    f"verbs ({PROG} VERB --help):\n"
    + "\n".join(f"  {verb:<{WIDEST}}  {meaning}" for verb, meaning in VERBS.items())
    + """

exit codes: 0 done or granted, 2 usage, 3 denied, unknown or refused, 4 nothing answers
or somebody else keeps changing the same policy"""
)


class Usage(IamError):
    """The command line can't be understood."""


def needs_of(uri: str, doing: Sequence[str]) -> list[RequiredPermission]:
    """What the flags ask for; reading, where they ask for nothing."""
    from iam.policy.required_permissions import READ_ALL, READ_ONE, Collector, Operation, is_prefix

    named = {"write": Operation.CREATE, "look-up": Operation.GET_BUCKET}
    operations = [named.get(name) or Operation(name) for name in doing]
    because = " ".join(f"--{name}" for name in doing) or "read"
    ledger = Collector()
    ledger.add(uri, operations or (READ_ALL if is_prefix(uri) else READ_ONE), because)
    return list(ledger.needs.values())


class IamParser(commandline.Parser):
    """A parser whose errors are ours."""

    fault = Usage


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options; `verb` among them. Raises Usage; `--help` exits as argparse does."""
    words = list(argv)
    if not words or words[0] in ("-h", "--help"):
        overview().parse_args(words or ["--help"])
    verb = words.pop(0)
    if verb not in VERBS:
        close = near(verb, VERBS, 0.6)
        meant = MEANT + line(PROG, [close, *words]) if close else f"commands: {', '.join(VERBS)}"
        raise Usage(f"{verb} is not a command of {PROG}.", meant)
    given = parser_of(verb).checked(words)
    given.verb = verb
    given.target = "local" if given.target == "local" else "google"
    return given


def overview() -> IamParser:
    return IamParser(
        prog=PROG,
        usage=f"{PROG} VERB [options]",
        description="Who may do what on Google Cloud Storage: in the lab's cloud, and in a real project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parser_of(verb: str) -> IamParser:
    """The parser of one verb."""
    parser = IamParser(prog=f"{PROG} {verb}", description=VERBS[verb].capitalize() + ".", allow_abbrev=False)
    parser.add_argument(
        "--target",
        default="local",
        choices=("local", "google", "vertex"),
        help="the lab of the cluster that is up (the default), or Google Cloud itself",
    )
    parser.add_argument("--project", default="", metavar="ID", help="the project; by default the target's")
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
        parser.add_argument("--force", action="store_true", help="even a role that gives far too much")
    return parser


def add_check(parser: IamParser) -> None:
    for name, meaning in OPERATIONS.items():
        parser.add_argument(f"--{name}", dest="doing", action="append_const", const=name, help=meaning)
    parser.add_argument(
        "--as", dest="principal", default="", metavar="PRINCIPAL", help="who; the job's identity by default"
    )


def add_edit(parser: IamParser) -> None:
    parser.add_argument("--role", required=True, metavar="roles/…")
    parser.add_argument("--member", required=True, metavar="PRINCIPAL")
    parser.add_argument(
        "--condition-prefix", default="", metavar="PREFIX", help="only for objects whose names begin so"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the change and make none")


def add_provision(parser: IamParser) -> None:
    parser.add_argument("--service-account", default="ray-jobs", metavar="NAME", help="who jobs will run as")
    parser.add_argument("--data-bucket", default="", metavar="B", help="it reads this one")
    parser.add_argument("--model-bucket", default="", metavar="B", help="it writes this one")
    parser.add_argument("--location", default="us-central1", metavar="L", help="of buckets that are made")
    parser.add_argument(
        "--caller", default="", metavar="PRINCIPAL", help="who will send jobs; you, by default"
    )
    parser.add_argument(
        "--grant-vertex",
        action="store_true",
        help="grant the caller roles/aiplatform.user on the project too",
    )
    add_consent(parser)


def add_deprovision(parser: IamParser) -> None:
    parser.add_argument("--buckets", action="store_true", help="the buckets too, if they are empty")
    add_consent(parser)


def add_consent(parser: IamParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the plan and carry out nothing")
    parser.add_argument("--yes", action="store_true", help="carry it out without asking")
