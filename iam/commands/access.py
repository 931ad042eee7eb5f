"""The permission commands: show, whoami, check, grant and revoke."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from iam.access_options import needs_of
from iam.console import OK, REFUSED, echo, echo_json, echo_wrapped
from iam.options import Usage
from raydock import event_loop

if TYPE_CHECKING:
    from iam.check import CheckResult


def show(options: argparse.Namespace) -> int:
    """Print who may do what on a bucket."""
    from iam.effective_access import AccessReport, access_report
    from iam.session import open_reader, open_session
    from iam.table import table

    session = open_session(options.target, options.project)

    async def read() -> AccessReport:
        async with open_reader(session) as reader:
            return await access_report(options.uri, session, reader)

    report = event_loop.run(read())
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
    echo(f"jobs     {session.job or 'unknown: depends on the cluster; set the project with --project'}")
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

    outcomes = event_loop.run(run())
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
        echo(*([hint] if hint else []))
    echo(f"On Google Cloud: {change.gcloud}")
    return OK
