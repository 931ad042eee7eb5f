"""The `python -m iam` command line: runs one command, and turns its errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from iam.console import INTERRUPTED, OK, REFUSED, UNREACHABLE, USAGE, echo_error, report_error
from iam.errors import Conflict, MalformedPrincipal, MalformedResource, UnknownRole
from iam.options import Usage, parse
from raydock import crash, interrupts
from raydock.errors import Interrupted, RaydockError, Unreachable, UsageError

if TYPE_CHECKING:
    import argparse

USAGE_ERRORS = (Usage, UsageError, MalformedPrincipal, MalformedResource, UnknownRole)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        with crash.interrupts_kept():
            options = parse(sys.argv[1:] if argv is None else argv)
            run = command(options.verb)
            interrupts.running()
            return run(options)
    except RaydockError as fault:
        report_error(fault)
        return exit_code_of(fault)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # otherwise the interpreter fails again at exit
        return OK
    except KeyboardInterrupt:
        interrupts.ending(INTERRUPTED, interrupts.LAST_WORDS)
        echo_error("")
        echo_error("iam: interrupted; changes made so far are kept.")
        return INTERRUPTED
    except Exception as fault:
        echo_error(crash.sentence("iam", fault))
        return crash.EXIT_CODE


def command(verb: str) -> Callable[[argparse.Namespace], int]:
    """Return the function that runs a command, from its module in iam/commands."""
    module, function = COMMANDS[verb]
    found: Callable[[argparse.Namespace], int] = getattr(import_module(f"iam.commands.{module}"), function)
    return found


def exit_code_of(fault: RaydockError) -> int:
    """Return 2 for a usage error, 130 for Ctrl-C, 4 if trying again may help, 3 for everything else."""
    if isinstance(fault, USAGE_ERRORS):
        return USAGE
    if isinstance(fault, Interrupted):
        return INTERRUPTED
    return UNREACHABLE if isinstance(fault, (Unreachable, Conflict)) else REFUSED


COMMANDS: Mapping[str, tuple[str, str]] = {
    "show": ("access", "show"),
    "whoami": ("access", "whoami"),
    "check": ("access", "check"),
    "used": ("used", "used"),
    "grant": ("access", "edit"),
    "revoke": ("access", "edit"),
    "provision": ("provisioning", "provision"),
    "deprovision": ("provisioning", "deprovision"),
    "import": ("importing", "run"),
    "bucket add": ("buckets", "add"),
    "bucket list": ("buckets", "show"),
    "bucket remove": ("buckets", "remove"),
    "account add": ("accounts", "add"),
    "account list": ("accounts", "show"),
    "account remove": ("accounts", "remove"),
    "account use": ("accounts", "use"),
    "cp": ("objects", "copy"),
    "ls": ("objects", "show"),
    "cat": ("objects", "print_objects"),
    "rm": ("objects", "remove"),
}
