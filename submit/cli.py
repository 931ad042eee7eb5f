"""The command line: the only place that ends the process, and that knows exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from raydock.errors import RaydockError

if TYPE_CHECKING:
    from .job import Job
    from .options import Options
    from .run import Stage
    from .voice import Voice

DETACHED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    from .voice import Voice

    voice = Voice(sys.stdout.buffer, sys.stderr)
    try:
        from .options import parse

        options = parse(sys.argv[1:] if argv is None else argv)
        from .run import Stage

        return carry_out(options, voice, Stage())
    except RaydockError as fault:
        voice.fault(fault)
        return fault.exit_code
    except KeyboardInterrupt:
        voice.say("submit: interrupted; nothing was sent.")
        return DETACHED


def carry_out(options: Options, voice: Voice, stage: Stage) -> int:
    """One verb, with an interruption told for what it is."""
    import asyncio

    from .job import EXIT_CODES
    from .voice import OutputLost

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        job = asyncio.run(verb(options, voice, stage))
        return EXIT_CODES[job.status] if job else 0
    except KeyboardInterrupt:
        voice.say(interrupted(options, stage))
        return DETACHED
    except OutputLost as fault:
        silence_stdout()
        if stage.sent:
            fault.mend = f"the job goes on; follow it with: {stage.attach}"
        voice.fault(fault)
        return DETACHED


async def verb(options: Options, voice: Voice, stage: Stage) -> Job | None:
    """The verb's work; the job, where one was followed to its end."""
    from . import run, verbs

    if options.verb == "run":
        return await run.run(options, voice, stage)
    if options.verb == "attach":
        stage.sent, stage.attach = True, f"python submit.py {options.where}attach {options.operand}"
        return await verbs.attach(options, voice)
    others = {"check": run.check, "logs": verbs.logs, "stop": verbs.stop, "list": verbs.list_jobs}
    others["report"] = verbs.report
    await others[options.verb](options, voice)
    return None


def interrupted(options: Options, stage: Stage) -> str:
    """What Ctrl-C leaves behind."""
    if stage.sent:
        return f"\nsubmit: detached; the job goes on. Follow it again with: {stage.attach}"
    if stage.sending:
        return f"\nsubmit: interrupted while the job was sent; it may run. See with: {stage.attach}"
    if options.verb == "run":
        return "\nsubmit: interrupted; nothing was sent."
    return "\nsubmit: interrupted."


def silence_stdout() -> None:
    """Keeps the interpreter from failing once more at a stdout that can't be written."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
