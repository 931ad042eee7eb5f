"""Prepare a job: read its script, query the cluster, and build the plan."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from raydock.errors import RaydockError, UsageError
from raydock.jobscript.dependencies import missing
from raydock.rayapi.cluster_info import ClusterInfo, read_cluster_info
from raydock.rayapi.connection import Target
from raydock.rayapi.dashboard import Dashboard

from . import package
from .findings import unknown
from .options import Options
from .plan import JobPlan, new_submission_id
from .script import Script, read_script

if TYPE_CHECKING:
    from .preflight import storage as identity


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and the information collected for its checks."""

    plan: JobPlan
    digest: str  # hash of the package's contents
    cluster: ClusterInfo | None
    trouble: RaydockError | None  # why the cluster's information could not be read
    storage: identity.StorageCheck

    def pack(self) -> bytes:
        """The package."""
        return package.pack(self.plan.contents, self.digest)


async def prepare(options: Options, target: Target, dashboard: Dashboard) -> Prepared:
    """Read the script and build its plan while the cluster is queried. Raises UsageError, PackageError."""
    script = read_script(Path(options.operand))
    header = script.header
    queried = asyncio.create_task(cluster_or_trouble(dashboard))
    await asyncio.sleep(0)  # send the first request before doing anything else
    stored = asyncio.create_task(storage(script, options, target, dashboard))
    contents, name = contents_of(script, options.working_dir)
    digest = await asyncio.to_thread(package.digest, contents)
    (cluster, trouble), answer = await asyncio.gather(queried, stored)
    install = missing(
        header.dependencies, cluster.packages if cluster else {}, cluster.python if cluster else ""
    )
    plan = JobPlan(
        name=name,
        header=header,
        contents=contents,
        arguments=options.arguments,
        env=environment(header.env, options.env),
        reserve=options.reserve or header.entrypoint,
        installs=(f"--index-url {header.index}", *install) if install and header.index else install,
        sources=sources_of(script, options.working_dir, name),
        folder=real(script.path).parent,
        target=target.name,
        address=dashboard.url,
        submission_id=options.submission_id or new_submission_id(name),
        working_dir=package.package_uri(digest),
        runs_as=answer.principal,
        expects=target.expects,
    )
    from .privilege.declares import about

    plan = replace(plan, about=about(plan, options.alone))
    return Prepared(plan, digest, cluster, trouble, answer)


async def storage(
    script: Script, options: Options, target: Target, dashboard: Dashboard
) -> identity.StorageCheck:
    """Who the job runs as, and whether it may access what it reads and writes.

    The imports take 40 ms, so they are deferred until the first request has been sent.
    """
    from iam.errors import IamError

    from .preflight import storage as identity
    from .probing import probe

    try:
        question = identity.question(
            script.header,
            options.arguments,
            target.google(),
            package.sources(script.path, options.working_dir),
            environment(script.header.env, options.env),
        )
    except IamError as fault:
        raise UsageError(fault.message, fault.fix) from None
    if not (options.probe and question.needs):
        return await identity.ask(question)
    try:
        probed = await probe.probe(dashboard, question.needs)
    except RaydockError as fault:
        return identity.StorageCheck("", (unknown("storage", fault.message, fault.fix),))
    return await identity.ask(question, probed)


def contents_of(script: Script, tree: Path | None) -> tuple[package.Contents, str]:
    """The package's contents, and the script's name in the package. Raises UsageError, PackageError."""
    if tree is None:
        return package.script_contents(script.path, script.header.files), script.path.name
    try:
        name = real(script.path).relative_to(real(tree)).as_posix()
    except ValueError:
        raise UsageError(
            f"{script.path} is not inside {tree}.", "pass --working-dir a folder that contains it"
        ) from None
    contents = package.tree_contents(tree, script=name)
    if name not in {entry.name for entry in contents.entries}:
        why = next(
            (one.reason for one in contents.excluded if one.name == name), "its ignore files exclude it"
        )
        raise UsageError(f"{script.path} would not be packaged with {tree}: {why}.", "change the ignore file")
    return contents, name


def real(path: Path) -> Path:
    """The path with all symlinks resolved, even if they form a loop, which `Path.resolve` rejects."""
    return Path(os.path.realpath(path))


def sources_of(script: Script, tree: Path | None, name: str) -> dict[str, bytes]:
    """The source of the script, by its name in the package, and of the modules that it imports."""
    found = package.sources(script.path, tree)
    first = next(iter(found), "")
    return {name if one == first else one: source for one, source in found.items()}


async def cluster_or_trouble(dashboard: Dashboard) -> tuple[ClusterInfo | None, RaydockError | None]:
    """What the cluster reports about itself, or the error if that could not be read."""
    try:
        info = await read_cluster_info(dashboard)
        return replace(info, addable=tuple(dashboard.target.addable())), None
    except RaydockError as trouble:
        return None, trouble


def environment(declared: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str]:
    """The variables sent with the job: those listed in the header, and those from `--env`. Raises UsageError."""
    env = {name: os.environ[name] for name in declared if name in os.environ}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or (not equals and name not in os.environ):
            raise UsageError(f"--env {word}: no such variable is set here.", f"--env {name or 'NAME'}=VALUE")
        env[name] = value if equals else os.environ[name]
    return env
