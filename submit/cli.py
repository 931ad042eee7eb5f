"""The command line: the only place that ends the process, and that knows exit codes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from raydock.errors import RaydockError, UsageError
from raydock.streams import open_streams, silence

from .progress import Progress

if TYPE_CHECKING:
    from raydock.rayapi.job import Job

    from .options import Options
    from .output import Console

DETACHED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    from .output import Console

    open_streams()
    console, stage = Console(sys.stdout.buffer, sys.stderr), Progress()
    try:
        return command(sys.argv[1:] if argv is None else argv, console, stage)
    except RaydockError as fault:
        console.fault(fault)
        return fault.exit_code
    except KeyboardInterrupt:
        console.say("submit: interrupted; nothing was sent.")
        return DETACHED
    except Exception as fault:
        return unforeseen(fault, console, stage)


def command(argv: Sequence[str], console: Console, stage: Progress) -> int:
    """The command line understood and carried out."""
    for word in argv:
        if not word.isascii() and any("\ud800" <= char <= "\udfff" for char in word):
            raise UsageError(
                f"The argument {os.fsencode(word)!r} is not UTF-8, and a job's command line is sent as such.",
                "give it in UTF-8; a file can be renamed",
            )
    from .options import parse

    return carry_out(parse(argv), console, stage)


def unforeseen(fault: Exception, console: Console, stage: Progress) -> int:
    """An error that is none of ours: one sentence, a file for a bug report, and 70 unless the job has its verdict."""
    try:
        os.getcwd()
    except OSError:
        console.fault(UsageError("The current folder does not exist any more.", "cd to one that does"))
        return verdict(stage) if stage.job else UsageError.exit_code
    from raydock import crash

    console.say(crash.sentence("submit", fault))
    if stage.told:
        console.say(f"submit: {stage.told}")
    return verdict(stage) if stage.job else crash.EXIT_CODE


def verdict(stage: Progress) -> int:
    """The exit code of a job whose end is confirmed."""
    from raydock.rayapi.job import EXIT_CODES

    assert stage.job
    return EXIT_CODES[stage.job.status]


def carry_out(options: Options, console: Console, stage: Progress) -> int:
    """One verb, with an interruption told for what it is."""
    from .output import OutputLost

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        stage.job = run_loop(verb(options, console, stage))
        return verdict(stage) if stage.job else 0
    except KeyboardInterrupt:
        console.say("")
        console.say(interrupted(options, stage))
        return DETACHED
    except OutputLost as fault:
        silence(sys.stdout)
        if stage.sent:
            fault.fix = stage.told[0].lower() + stage.told[1:]
        console.fault(fault)
        return verdict(stage) if stage.job else DETACHED


def run_loop(work: Coroutine[Any, Any, Job | None]) -> Job | None:
    """Runs the work. An interruption does not wait for threads, which a name server may hold up for half a minute."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    class Threads(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)

    async def begin() -> Job | None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads())
        # Of several requests at once the first that fails is told; asyncio would print the others.
        loop.set_exception_handler(lambda loop, context: None)
        return await work

    return asyncio.run(begin())


async def verb(options: Options, console: Console, stage: Progress) -> Job | None:
    """The verb's work; the job, where one was followed to its end."""
    from . import commands, run

    if options.verb == "run":
        return await run.run(options, console, stage)
    if options.verb == "attach":
        stage.sent, stage.attach = (
            True,
            f"python submit.py {options.where}attach {shlex.quote(options.operand)}",
        )
        return await commands.attach(options, console, stage)
    others = {"check": run.check, "logs": commands.logs, "stop": commands.stop, "list": commands.list_jobs}
    others["report"] = commands.report
    await others[options.verb](options, console)
    return None


def interrupted(options: Options, stage: Progress) -> str:
    """What Ctrl-C leaves behind."""
    if stage.job:
        return f"submit: interrupted. {stage.told}"
    if stage.sent:
        return f"submit: detached; the job goes on. Follow it again with: {stage.attach}"
    if stage.sending:
        return f"submit: interrupted while the job was sent; it may run. See with: {stage.attach}"
    if options.verb == "run":
        return "submit: interrupted; nothing was sent."
    return "submit: interrupted."
