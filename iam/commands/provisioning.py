"""The commands provision and deprovision: create and remove what jobs on Vertex AI need in a project."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from iam.console import OK, REFUSED, agreed, echo, echo_wrapped
from iam.options import Usage

if TYPE_CHECKING:
    from iam.provision.apply import Provisioner
    from iam.provision.plan import ProvisionPlan


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
    """Return a provisioner for the selected target and project."""
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
    """Whether to apply the plan. Asks on the terminal; raises UsageError if stdin is not one."""
    if not plan.todo:
        return False
    if options.dry_run:
        echo("Dry run: nothing was changed.")
        return False
    return agreed("Apply this plan", options.yes)
