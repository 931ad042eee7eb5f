"""The service account commands: account add, list, remove and use."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from iam.console import OK, agreed, echo, echo_json
from iam.options import Usage

if TYPE_CHECKING:
    from iam.provision.service_accounts import ServiceAccounts

GOOGLE_USE = "python -m cluster up --target vertex --cluster NAME --service-account="


def add(options: argparse.Namespace) -> int:
    """Create a service account."""
    from iam.provision.service_accounts import new_address

    accounts = open_accounts(options)
    session = accounts.session
    address = new_address(options.name, session.project)
    if not accounts.create_account(session.project, address.partition("@")[0]):
        echo(f"Nothing to do: service account {address} already exists.")
        return OK
    echo(f"Created service account {address}. It has no roles yet.")
    member = f"--member=serviceAccount:{address}{session.flags}"
    echo(f"Grant one:      python -m iam grant gs://BUCKET --role=roles/storage.objectUser {member}")
    use = GOOGLE_USE + address if session.flags else f"python -m iam account use {address.partition('@')[0]}"
    echo(f"Run jobs as it: {use}")
    return OK


def show(options: argparse.Namespace) -> int:
    """List a project's service accounts."""
    accounts = open_accounts(options)
    session = accounts.session
    found = accounts.all(session.project)
    if options.json:
        echo_json({"version": 1, "project": session.project, "accounts": found, "job": session.job})
        return OK
    job = session.job.removeprefix("serviceAccount:")
    echo(*(address + ("  (jobs run as this)" if address == job else "") for address in found))
    if not found:
        echo(f"Project {session.project} has no service accounts.")
    if job and job not in found:
        echo(f"Jobs run as {job}.")
    return OK


def remove(options: argparse.Namespace) -> int:
    """Remove a service account. Refuses to remove the one that jobs run as."""
    from iam.provision.service_accounts import address_of
    from raydock.errors import PermissionDenied

    accounts = open_accounts(options)
    address = address_of(options.name, accounts.session.project)
    accounts.require(address, "python -m iam account remove")
    if accounts.session.job == f"serviceAccount:{address}":
        text = f"Jobs run as {address}, so it was not removed."
        raise PermissionDenied(text, "switch jobs to another account first: python -m iam account use NAME")
    if agreed(f"Remove service account {address}", options.yes):
        accounts.delete_account(address)
        echo(f"Removed service account {address}. Roles granted to it no longer have any effect.")
    return OK


def use(options: argparse.Namespace) -> int:
    """Change the account that jobs in the running lab run as."""
    from iam.lab import job_account
    from iam.policy.principal import is_service_agent
    from iam.provision.service_accounts import address_of
    from raydock.gcp.clouds import LabCloud

    if options.target != "local":
        text = "On Vertex AI, jobs run as the account that their cluster was created with."
        raise Usage(text, GOOGLE_USE + "EMAIL")
    accounts = open_accounts(options)
    session = accounts.session
    address = address_of(options.name, session.project)
    if not is_service_agent(address):
        accounts.require(address, "python -m iam account use")
    before = session.job.removeprefix("serviceAccount:")
    if address == before:
        echo(f"Nothing to do: jobs already run as {address}.")
        return OK
    assert isinstance(session.cloud, LabCloud)
    job_account.use(session.cloud, address, options.force)
    echo(f"Jobs now run as {address}.")
    echo(f"To switch back: python -m iam account use {before}")
    return OK


def open_accounts(options: argparse.Namespace) -> ServiceAccounts:
    """Return the service accounts of the selected project. Raises Usage if no project is set."""
    from iam.provision.service_accounts import service_accounts
    from iam.session import open_session

    session = open_session(options.target, options.project)
    if not session.project:
        raise Usage("No project is set.", "pass --project ID")
    return service_accounts(session)
