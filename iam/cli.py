"""The command line: the only place that prints and that knows exit codes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from iam.errors import Conflict, MalformedPrincipal, MalformedResource, UnknownRole
from iam.options import Usage, needs_of, parse
from raydock.commandline import MEANT
from raydock.errors import RaydockError, SettingsError, Unreachable
from raydock.printable import json_printable, printable

if TYPE_CHECKING:
    from iam.check import Outcome
    from iam.provision.apply import Provisioner
    from iam.provision.plan import ProvisionPlan

OK, USAGE, REFUSED, UNREACHABLE, INTERRUPTED = 0, 2, 3, 4, 130
ILL_FORMED = (Usage, SettingsError, MalformedPrincipal, MalformedResource, UnknownRole)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        return COMMANDS[options.verb](options)
    except RaydockError as fault:
        complain(fault)
        return code_of(fault)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails once more
        return OK
    except KeyboardInterrupt:
        say("")
        say("iam: interrupted; what was done so far stays.")
        return INTERRUPTED
    except Exception as fault:
        from raydock import crash

        say(crash.sentence("iam", fault))
        return crash.EXIT_CODE


def code_of(fault: RaydockError) -> int:
    if isinstance(fault, ILL_FORMED):
        return USAGE
    return UNREACHABLE if isinstance(fault, (Unreachable, Conflict)) else REFUSED


def show(options: argparse.Namespace) -> int:
    from iam.effective_access import AccessReport, picture
    from iam.session import asking, begin
    from iam.table import table

    session = begin(options.target, options.project)

    async def look() -> AccessReport:
        async with asking(session) as asker:
            return await picture(options.uri, session, asker)

    found = asyncio.run(look())
    if options.json:
        tell_json(found.as_json())
    else:
        tell(*table(found))
    return OK


def whoami(options: argparse.Namespace) -> int:
    from iam.policy.principal import is_service_agent
    from iam.session import begin

    session = begin(options.target, options.project)
    if options.json:
        known = {"caller": session.caller, "job": session.job, "project": session.project}
        tell_json({"version": 1, "target": session.place.name, **known})
        return OK
    kind = "a service agent of Google's" if is_service_agent(session.job) else "a service account"
    tell(f"you      {session.caller or 'not known'}")
    tell(f"jobs     {session.job or 'not known: it is up to the cluster; name the project with --project'}")
    if session.job:
        tell(f"         ({kind}, not you)")
    tell(f"project  {session.project or 'not known'}")
    return OK


def check(options: argparse.Namespace) -> int:
    from iam.check import check as ask
    from iam.policy.evaluate import Verdict
    from iam.policy.principal import parse as principal
    from iam.session import asking, begin
    from iam.text import lines

    needs = needs_of(options.uri, options.doing or ())
    if options.principal:
        principal(options.principal)
    session = begin(options.target, options.project)
    who = options.principal or session.job
    if not who:
        raise Usage("It is not known who a job runs as there.", "name it: --as=serviceAccount:EMAIL")

    async def asked() -> list[Outcome]:
        async with asking(session) as asker:
            return await ask(who, needs, asker)

    found = asyncio.run(asked())
    for one in found:
        for start, text in lines(one, session.place.name):
            tell_wrapped(start, text)
    return OK if all(one.verdict is Verdict.GRANTED for one in found) else REFUSED


def edit(options: argparse.Namespace) -> int:
    from iam.grant import carry_out, edit_of, require_modest, under_condition
    from iam.session import begin

    revoke = options.verb == "revoke"
    change = edit_of(options.uri, options.role, options.member, options.condition_prefix, revoke=revoke)
    if not revoke and not options.force:
        require_modest(change)
    made = carry_out(begin(options.target, options.project), change, options.dry_run)
    if made:
        tell(f"gs://{change.bucket}", *(f"  {line}" for line in made.diff()))
    done = "revoked" if revoke else "granted"
    if made:
        tell("Dry run: nothing was changed." if options.dry_run else f"{done.capitalize()}.")
    else:
        state = "does not have" if revoke else "has"
        hint = under_condition(made, change) if revoke else ""
        tell(
            f"Nothing to do: {change.member} {state} {change.role} on gs://{change.bucket}{' already' * (not revoke)}."
        )
        tell(*([f"But {hint}"] if hint else []))
    tell(f"On Google Cloud: {change.gcloud}")
    return OK


def provision(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from iam.policy.principal import parse as principal
    from iam.provision.plan import wanted

    if options.caller:
        principal(options.caller)
    worker = provisioner(options)
    caller = options.caller or worker.session.caller
    if not caller:
        raise Usage("It is not known who you are there.", "name yourself: --caller=user:EMAIL")
    buckets = (options.data_bucket, options.model_bucket)
    want = wanted(worker.session.project, options.service_account, buckets, options.location, caller)
    plan = worker.plan(replace(want, grant_vertex=options.grant_vertex))
    tell_plan(plan)
    if not consent(plan, options):
        return OK
    for step in plan.todo:
        worker.make(step)
        tell(f"made     {step}")
    return OK


def deprovision(options: argparse.Namespace) -> int:
    worker = provisioner(options)
    plan = worker.removal(options.buckets)
    tell_plan(plan)
    for step in plan.steps:
        if not step.there and not options.dry_run:
            worker.record.drop(step.key)
    kept = False
    for step in plan.todo if consent(plan, options) else ():
        why = worker.unmake(step)
        kept = kept or bool(why)
        tell(f"kept     {why}." if why else f"removed  {step}")
    return REFUSED if kept else OK


def provisioner(options: argparse.Namespace) -> Provisioner:
    from iam.google_clients import storage_client
    from iam.provision.apply import Provisioner
    from iam.provision.record import record_of
    from iam.provision.service_accounts import services
    from iam.session import begin

    session = begin(options.target, options.project)
    if not session.project:
        raise Usage("No project is named.", "add --project ID")
    location = getattr(options, "location", "")
    return Provisioner(session, storage_client(session), services(session), record_of(session), location)


def tell_plan(plan: ProvisionPlan) -> None:
    tell(*plan.lines())
    for note in plan.notes:
        tell_wrapped("  · ", note)
    if not plan.todo:
        tell("Nothing to do.")


def consent(plan: ProvisionPlan, options: argparse.Namespace) -> bool:
    """Whether to go on. Usage where nobody can be asked."""
    if not plan.todo:
        return False
    if options.dry_run:
        tell("Dry run: nothing was changed.")
        return False
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise Usage("Nobody is there to agree to the plan, so nothing was changed.", "add --yes")
    sys.stderr.write("Carry it out? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    tell("Nothing was changed.")
    return False


def tell(*lines: str) -> None:
    """What was asked for."""
    for line in lines:
        put(printable(line), sys.stdout)


def tell_json(value: Mapping[str, Any]) -> None:
    put(json_printable(json.dumps(value, indent=2, ensure_ascii=False)), sys.stdout)


def tell_wrapped(start: str, text: str) -> None:
    from iam.text import hanging

    tell(*hanging(start, text, width(sys.stdout)))


def say(line: str) -> None:
    """For the person."""
    put(printable(line), sys.stderr)


def put(line: str, stream: TextIO) -> None:
    """A line in the stream's encoding; what that lacks is written out."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def complain(fault: RaydockError) -> None:
    """What failed, and what mends it."""
    from iam.text import hanging

    for start, text in (("iam: ", fault.message), ("   → ", fault.fix)):
        columns = 10_000 if text.startswith(MEANT) else width(sys.stderr)  # a line to be pasted stays one
        for line in hanging(start, text, columns) if text else ():
            say(line)


def width(stream: TextIO) -> int:
    """Columns of a terminal; a file's lines are not folded."""
    return max(60, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else 10_000


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "show": show,
    "whoami": whoami,
    "check": check,
    "grant": edit,
    "revoke": edit,
    "provision": provision,
    "deprovision": deprovision,
}
