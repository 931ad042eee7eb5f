"""The command line of `python -m iam`. Only this module prints and knows exit codes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from iam.errors import Conflict, MalformedPrincipal, MalformedResource, UnknownRole
from iam.options import Usage, needs_of, parse
from raydock.errors import Interrupted, RaydockError, Unreachable, UsageError
from raydock.terminal import prompt
from raydock.terminal.layout import columns, hanging
from raydock.terminal.printable import json_printable, printable

if TYPE_CHECKING:
    from iam.check import CheckResult
    from iam.provision.apply import Provisioner
    from iam.provision.plan import ProvisionPlan

OK, USAGE, REFUSED, UNREACHABLE, INTERRUPTED = 0, 2, 3, 4, 130
USAGE_ERRORS = (Usage, UsageError, MalformedPrincipal, MalformedResource, UnknownRole)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        return COMMANDS[options.verb](options)
    except RaydockError as fault:
        report_error(fault)
        return exit_code_of(fault)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the interpreter fails again on exit
        return OK
    except KeyboardInterrupt:
        echo_error("")
        echo_error("iam: interrupted; changes made so far are kept.")
        return INTERRUPTED
    except Exception as fault:
        from raydock import crash

        echo_error(crash.sentence("iam", fault))
        return crash.EXIT_CODE


def exit_code_of(fault: RaydockError) -> int:
    """Return 2 for a usage error, 130 for Ctrl-C, 4 if trying again may help, 3 for everything else."""
    if isinstance(fault, USAGE_ERRORS):
        return USAGE
    if isinstance(fault, Interrupted):
        return INTERRUPTED
    return UNREACHABLE if isinstance(fault, (Unreachable, Conflict)) else REFUSED


def show(options: argparse.Namespace) -> int:
    """Print who may do what on a bucket."""
    from iam.effective_access import AccessReport, access_report
    from iam.session import open_reader, open_session
    from iam.table import table

    session = open_session(options.target, options.project)

    async def read() -> AccessReport:
        async with open_reader(session) as reader:
            return await access_report(options.uri, session, reader)

    report = asyncio.run(read())
    if options.json:
        echo_json(report.as_json())
    else:
        echo(*table(report))
    return OK


def whoami(options: argparse.Namespace) -> int:
    """Print the caller, the job principal and the project."""
    from iam.policy.principal import is_service_agent
    from iam.session import open_session

    session = open_session(options.target, options.project)
    if options.json:
        known = {"caller": session.caller, "job": session.job, "project": session.project}
        echo_json({"version": 1, "target": session.cloud.name, **known})
        return OK
    kind = "a Google service agent" if is_service_agent(session.job) else "a service account"
    echo(f"you      {session.caller or 'unknown'}")
    echo(f"jobs     {session.job or 'unknown: it depends on the cluster; pass the project with --project'}")
    if session.job:
        echo(f"         ({kind}, not you)")
    echo(f"project  {session.project or 'unknown'}")
    return OK


def check(options: argparse.Namespace) -> int:
    """Check whether an identity has the permissions for the requested operations."""
    from iam.check import check as check_permissions
    from iam.policy.evaluate import Verdict
    from iam.policy.principal import parse as parse_principal
    from iam.session import open_reader, open_session
    from iam.text import lines

    needs = needs_of(options.uri, options.operations or ())
    if options.principal:
        parse_principal(options.principal)
    session = open_session(options.target, options.project)
    principal = options.principal or session.job
    if not principal:
        raise Usage("Could not determine which identity jobs run as.", "pass it: --as=serviceAccount:EMAIL")

    async def run() -> list[CheckResult]:
        async with open_reader(session) as reader:
            return await check_permissions(principal, needs, reader)

    outcomes = asyncio.run(run())
    for one in outcomes:
        for start, text in lines(one, session.cloud.name):
            echo_wrapped(start, text)
    return OK if all(one.verdict is Verdict.GRANTED for one in outcomes) else REFUSED


def edit(options: argparse.Namespace) -> int:
    """Grant or revoke a role on a bucket."""
    from iam.grant import apply_edit, conditional_grant, parse_edit, refuse_broad_role
    from iam.session import open_session

    revoke = options.verb == "revoke"
    change = parse_edit(options.uri, options.role, options.member, options.condition_prefix, revoke=revoke)
    if not revoke and not options.force:
        refuse_broad_role(change)
    made = apply_edit(open_session(options.target, options.project), change, options.dry_run)
    if made:
        echo(f"gs://{change.bucket}", *(f"  {line}" for line in made.diff()))
        done = "Revoked." if revoke else "Granted."
        echo("Dry run: nothing was changed." if options.dry_run else done)
    else:
        state = "does not have" if revoke else "already has"
        echo(f"Nothing to do: {change.member} {state} {change.role} on gs://{change.bucket}.")
        hint = conditional_grant(made, change) if revoke else ""
        echo(*([f"But {hint}"] if hint else []))
    echo(f"On Google Cloud: {change.gcloud}")
    return OK


def provision(options: argparse.Namespace) -> int:
    """Create what jobs on Vertex AI need in a project."""
    from dataclasses import replace

    from iam.policy.principal import parse as parse_principal
    from iam.provision.plan import requirements_of

    if options.caller:
        parse_principal(options.caller)
    provisioner = open_provisioner(options)
    caller = options.caller or provisioner.session.caller
    if not caller:
        raise Usage("Could not determine who you are.", "pass your principal: --caller=user:EMAIL")
    buckets = (options.data_bucket, options.model_bucket)
    requirements = requirements_of(
        provisioner.session.project, options.service_account, buckets, options.location, caller
    )
    plan = provisioner.plan(replace(requirements, grant_vertex=options.grant_vertex))
    print_plan(plan)
    if not confirmed(plan, options):
        return OK
    for step in plan.todo:
        provisioner.create(step)
        echo(f"created  {step}")
    return OK


def deprovision(options: argparse.Namespace) -> int:
    """Remove what `provision` created. Exits with 3 if a bucket could not be removed."""
    provisioner = open_provisioner(options)
    plan = provisioner.removal(options.buckets)
    print_plan(plan)
    for step in plan.steps:
        if not step.exists and not options.dry_run:
            provisioner.record.drop(step.key)
    kept = False
    for step in plan.todo if confirmed(plan, options) else ():
        why = provisioner.remove(step)
        kept = kept or bool(why)
        echo(f"kept     {why}" if why else f"removed  {step}")
    return REFUSED if kept else OK


def open_provisioner(options: argparse.Namespace) -> Provisioner:
    """Return a provisioner for the target and project of the command line."""
    from iam.google_clients import storage_client
    from iam.provision.apply import Provisioner
    from iam.provision.record import record_of
    from iam.provision.service_accounts import service_accounts
    from iam.session import open_session

    session = open_session(options.target, options.project)
    if not session.project:
        raise Usage("No project is set.", "pass --project ID")
    location = getattr(options, "location", "")
    client, accounts = storage_client(session), service_accounts(session)
    return Provisioner(session, client, accounts, record_of(session), location)


def print_plan(plan: ProvisionPlan) -> None:
    """Print a plan's steps and notes."""
    echo(*plan.lines())
    for note in plan.notes:
        echo_wrapped("  · ", note)
    if not plan.todo:
        echo("Nothing to do.")


def confirmed(plan: ProvisionPlan, options: argparse.Namespace) -> bool:
    """Whether to apply the plan: asks on a terminal. Raises UsageError if stdin is not a terminal."""
    if not plan.todo:
        return False
    if options.dry_run:
        echo("Dry run: nothing was changed.")
        return False
    if options.yes:
        return True
    if prompt.confirmed("Apply this plan?", "Nothing was changed"):
        return True
    echo("Nothing was changed.")
    return False


def echo(*lines: str) -> None:
    """Print results to stdout."""
    for line in lines:
        write_line(printable(line), sys.stdout)


def echo_json(value: Mapping[str, Any]) -> None:
    """Print a JSON document to stdout."""
    write_line(json_printable(json.dumps(value, indent=2, ensure_ascii=False)), sys.stdout)


def echo_wrapped(start: str, text: str) -> None:
    """Print text to stdout with a hanging indent below `start`."""
    echo(*hanging(start, text, columns(sys.stdout)))


def echo_error(line: str) -> None:
    """Print a message to stderr."""
    write_line(printable(line), sys.stderr)


def write_line(line: str, stream: TextIO) -> None:
    """Write a line in the stream's encoding; characters that it lacks become escapes."""
    encoding = stream.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def report_error(fault: RaydockError) -> None:
    """Print what failed and how to fix it."""
    for start, text in (("iam: ", fault.message), ("   → ", fault.fix)):
        for line in hanging(start, text, columns(sys.stderr)) if text else ():
            echo_error(line)


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "show": show,
    "whoami": whoami,
    "check": check,
    "grant": edit,
    "revoke": edit,
    "provision": provision,
    "deprovision": deprovision,
}
