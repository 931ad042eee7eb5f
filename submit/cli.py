"""The command line: the only module that exits the process and chooses its exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from raydock import crash, interrupts
from raydock.errors import RaydockError, UsageError
from raydock.terminal.streams import open_streams, silence

from .progress import Progress

if TYPE_CHECKING:
    from raydock.rayapi.job import Job

    from .options import Options
    from .output import Console

DETACHED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    from .output import Console

    open_streams()
    console, progress = Console(sys.stdout.buffer, sys.stderr), Progress()
    try:
        with crash.interrupts_kept():
            return parse_and_run(sys.argv[1:] if argv is None else argv, console, progress)
    except RaydockError as fault:
        console.fault(fault)
        return fault.exit_code
    except KeyboardInterrupt:
        interrupts.ending(DETACHED, interrupts.LAST_WORDS)
        console.say(interrupted(progress))
        return DETACHED
    except Exception as fault:
        return report_internal_error(fault, console, progress)


def parse_and_run(argv: Sequence[str], console: Console, progress: Progress) -> int:
    """Parse the command line and run it. Raises UsageError."""
    for word in argv:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise UsageError(
                f"The argument {os.fsencode(word)!r} is not UTF-8, which a job's command line requires.",
                "pass it as UTF-8; if it is a file name, rename the file",
            )
    from .options import parse

    return execute(parse(argv), console, progress)


def report_internal_error(fault: Exception, console: Console, progress: Progress) -> int:
    """Report a bug in the submitter: one sentence, a crash file, and exit code 70 unless the job's outcome is known."""
    try:
        os.getcwd()
    except OSError:
        console.fault(UsageError("The current directory no longer exists.", "cd to an existing directory"))
        return exit_code_of(progress) if progress.job else UsageError.exit_code
    console.say(crash.sentence("submit", fault))
    if progress.summary:
        console.say(f"submit: {progress.summary}")
    return exit_code_of(progress) if progress.job else crash.EXIT_CODE


def exit_code_of(progress: Progress) -> int:
    """The exit code for a job whose outcome is confirmed."""
    from raydock.rayapi.job import EXIT_CODES

    assert progress.job
    return EXIT_CODES[progress.job.status]


def execute(options: Options, console: Console, progress: Progress) -> int:
    """Run one command and return its exit code; on Ctrl-C, report what happened to the job."""
    from raydock import event_loop

    from .output import OutputLost, PipeClosed

    try:
        progress.job = event_loop.run(dispatch(options, console, progress))
        return exit_code_of(progress) if progress.job else 0
    except KeyboardInterrupt:
        interrupts.ending(DETACHED, interrupts.LAST_WORDS)
        console.say("")
        console.say(interrupted(progress, options.verb))
        return DETACHED
    except OutputLost as fault:
        silence(sys.stdout)
        if isinstance(fault, PipeClosed) and not progress.sent:
            return 0
        if progress.sent:
            fault.fix = progress.summary[0].lower() + progress.summary[1:]
        console.fault(fault)
        return exit_code_of(progress) if progress.job else DETACHED


async def dispatch(options: Options, console: Console, progress: Progress) -> Job | None:
    """Run the command. Returns its job if the command followed it until it finished."""
    from . import commands, run

    if options.as_least:
        from .privilege.as_least import run_as_least

        return await run_as_least(options, console, progress)
    if options.verb == "run":
        return await run.run(options, console, progress)
    if options.verb == "attach":
        progress.sent, progress.attach = (
            True,
            f"python submit.py {options.target_flags}attach {shlex.quote(options.operand)}",
        )
        return await commands.attach(options, console, progress)
    others = {"check": run.check, "logs": commands.logs, "stop": commands.stop, "list": commands.list_jobs}
    others["report"] = commands.report
    await others[options.verb](options, console)
    return None


def interrupted(progress: Progress, verb: str = "run") -> str:
    """What to print on Ctrl-C: whether the job is running, and how to follow it."""
    if progress.job:
        return f"submit: interrupted. {progress.summary}"
    if progress.stopping:
        return f"submit: interrupted while the job was being stopped. Check with: {progress.attach}"
    if progress.sent:
        return f"submit: detached; the job keeps running. Reattach with: {progress.attach}"
    if progress.sending:
        return f"submit: interrupted during submission; the job may be running. Check with: {progress.attach}"
    if verb == "run":
        return "submit: interrupted; the job was not sent."
    return "submit: interrupted."
