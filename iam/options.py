"""The `python -m iam` commands and their parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence

from iam import access_options, storage_options
from iam.errors import IamError
from iam.project_import import options as import_options
from raydock.gcp.clouds import inside_lab
from raydock.terminal import commandline
from raydock.terminal.commandline import MEANT, line, near

PROG = "python -m iam"
VERBS = {
    "show": "show who may do what on a bucket, as a table",
    "whoami": "show who you are, and which identity jobs run as",
    "check": "check a job's permissions; exit code 3 if any is missing",
    "used": "show what a job used in the lab, and the smallest roles for it",
    "grant": "grant a role on a bucket",
    "revoke": "revoke a role on a bucket",
    "provision": "create what jobs on Vertex AI need, with the narrowest roles",
    "deprovision": "remove what provision created, and nothing else",
    "import": "write a lab file in which the lab decides as a real project does; changes nothing there",
    "bucket": "add, list or remove buckets",
    "account": "manage service accounts, and choose the one that jobs run as",
    "cp": "copy files between this machine and buckets",
    "ls": "list buckets, folders and objects",
    "cat": "print objects",
    "rm": "remove objects",
}
GROUPS = {
    "bucket": {
        "add": "create a bucket",
        "list": "list a project's buckets",
        "remove": "remove a bucket; with --force, also one that is not empty",
    },
    "account": {
        "add": "create a service account; it starts with no roles",
        "list": "list a project's service accounts, and which one jobs run as",
        "remove": "remove a service account",
        "use": "change the account that jobs in the running lab run as",
    },
}
# Other tools' names for these subcommands.
SYNONYMS = {"create": "add", "new": "add", "delete": "remove", "rm": "remove", "del": "remove", "ls": "list"}


def listed(program: str, commands: Mapping[str, str]) -> str:
    """The table of commands at the end of a help text."""
    widest = max(map(len, commands))
    rows = (f"  {name:<{widest}}  {meaning}" for name, meaning in commands.items())
    return "\n".join([f"commands ({program} COMMAND --help):", *rows])


TARGET = (
    "the running cluster's lab (default), or Google Cloud; in the lab's containers, Google Cloud is the lab's and the "
    "default"
)
TARGET_OF_IMPORT = "Google Cloud (default), or the running cluster's lab"
EPILOG = (
    listed(PROG, VERBS)
    + """

exit codes: 0 done or granted, 2 usage error, 3 denied, unknown or refused,
4 service unreachable, or the policy kept changing concurrently"""
)


class Usage(IamError):
    """The command line is invalid."""


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
        raise unknown(PROG, verb, words, near(verb, VERBS, 0.6), VERBS)
    if verb in GROUPS:
        verb = f"{verb} {member_of(verb, words)}"
    options = parser_of(verb).checked(words)
    options.verb = verb
    options.words = words
    options.target = "local" if options.target == "local" else "google"
    return options


def all_commands() -> dict[str, str]:
    """Every command with its description. Subcommands have their full names, such as "bucket add"."""
    found = dict[str, str]()
    for verb, meaning in VERBS.items():
        members = GROUPS.get(verb, {})
        found |= {f"{verb} {name}": of_member for name, of_member in members.items()} or {verb: meaning}
    return found


def member_of(group: str, words: list[str]) -> str:
    """Remove a group's subcommand from the words. Raises Usage if it is missing or unknown. `--help` exits."""
    known = GROUPS[group]
    if not words or words[0] in ("-h", "--help"):
        overview_of(group).parse_args(words or ["--help"])
    word = words.pop(0)
    if word in known:
        return word
    raise unknown(f"{PROG} {group}", word, words, SYNONYMS.get(word) or near(word, known, 0.6), known)


def unknown(program: str, word: str, rest: Sequence[str], close: str, known: Iterable[str]) -> Usage:
    """The error for an unknown command, with the corrected line if a known one is `close`."""
    meant = MEANT + line(program, [close, *rest]) if close else f"commands: {', '.join(known)}"
    return Usage(f"{word} is not a {program} command.", meant)


def overview_of(group: str) -> IamParser:
    """The parser whose help lists a group's commands."""
    return IamParser(
        prog=f"{PROG} {group}",
        usage=f"{PROG} {group} COMMAND [options]",
        description=f"{VERBS[group].capitalize()}.",
        epilog=listed(f"{PROG} {group}", GROUPS[group]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def overview() -> IamParser:
    """The parser whose help lists the commands."""
    return IamParser(
        prog=PROG,
        usage=f"{PROG} COMMAND [options]",
        description="Manage buckets, files, service accounts and permissions, in the lab or in a real project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parser_of(verb: str) -> IamParser:
    """The parser of one command."""
    group, _, member = verb.partition(" ")
    meaning = GROUPS[group][member] if member else VERBS[verb]
    description = meaning[0].upper() + meaning[1:] + "."
    parser = IamParser(prog=f"{PROG} {verb}", description=description, allow_abbrev=False)
    parser.add_argument(
        "--target",
        default="google" if inside_lab() or verb == "import" else "local",
        choices=("local", "google", "vertex"),
        help=TARGET_OF_IMPORT if verb == "import" else TARGET,
    )
    parser.add_argument("--project", default="", metavar="ID", help="the project (default: the target's)")
    if verb in ("show", "check", "grant", "revoke"):
        parser.add_argument("uri", metavar="gs://BUCKET" if verb in ("grant", "revoke") else "gs://BUCKET/…")
    if verb in ("show", "whoami", "import", "bucket list", "account list"):
        parser.add_argument("--json", action="store_true", help="print JSON")
    adders = {**access_options.ADDERS, **storage_options.ADDERS, "import": import_options.add}
    if verb in adders:
        adders[verb](parser)
    if verb == "grant":
        parser.add_argument("--force", action="store_true", help="allow a role that is far too broad")
    return parser
