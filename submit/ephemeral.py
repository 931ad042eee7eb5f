"""Run a job on a cluster of its own, `--ephemeral`: create it, run the pipeline, delete it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from raydock.errors import RaydockError
from raydock.event_loop import to_end
from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.job import Job

from .options import Options
from .output import Console
from .progress import Progress
from .targets import ephemeral
from .targets.ephemeral import EphemeralTarget

Pipeline = Callable[[Dashboard], Awaitable[Job | None]]


async def run(options: Options, console: Console, progress: Progress, pipeline: Pipeline) -> Job | None:
    """Run the pipeline on a new cluster. It is deleted unless the job may still be running; then KubeRay does that."""
    target = ephemeral.create(options.target_options, options.operand, options.manifest, options.deadline)
    if options.dry_run:
        await asyncio.to_thread(target.dry_run)
        console.print_json({"version": 1, "target": target.name, "rayjob": target.job})
        return None
    progress.accepted = lambda submission_id: adopt(target, submission_id, console)
    try:
        async with Dashboard(target, tell=console.say) as dashboard:
            return await pipeline(dashboard)
    finally:
        await to_end(finish(target, console, progress))


def adopt(target: EphemeralTarget, submission_id: str, console: Console) -> None:
    """Tell KubeRay about the job. If that fails, the job runs all the same, but not for long if it is not followed."""
    try:
        target.adopt(submission_id)
    except RaydockError as fault:
        console.fault(fault)
        console.say("KubeRay does not know about the job, and deletes the cluster as if none had been sent")


async def finish(target: EphemeralTarget, console: Console, progress: Progress) -> None:
    """Delete the cluster, or say who will: it is kept while the job may be running, and its result is still there only.

    An error here does not change how the job ended.
    """
    if not await asyncio.to_thread(target.abandon):
        return
    if progress.sending and not progress.delivered:
        console.say(target.kept)
        return
    try:
        await asyncio.to_thread(target.delete)
    except RaydockError as fault:
        console.fault(fault)
        console.say(target.kept)
    else:
        console.say(f"deleted RayJob {target.job_name} and its cluster")
