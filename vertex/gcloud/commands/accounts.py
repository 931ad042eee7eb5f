"""iam service-accounts: the project's service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertex.gcloud.commands.projects import BINDING, edit_policy, project_of
from vertex.gcloud.formats import FORMAT, LIST, listed, shown
from vertex.gcloud.invocation import Command, Invocation

if TYPE_CHECKING:
    from iam.provision.service_accounts import ServiceAccounts

NEW = {"--display-name": True, "--description": True}


def list_accounts(call: Invocation) -> list[str]:
    """The project's service accounts."""
    found = opened(call).all(project_of(call))
    return listed([{"email": address, "disabled": False} for address in found], ["email", "disabled"], call)


def describe_account(call: Invocation) -> list[str]:
    """One service account."""
    accounts, (address,) = opened(call), call.arguments
    accounts.require(address, "gcloud iam service-accounts describe")
    return shown(accounts.account(address) or {}, call)


def create_account(call: Invocation) -> list[str]:
    """Create a service account."""
    from iam.provision.service_accounts import new_address
    from raydock.errors import PermissionDenied

    (name,), project = call.arguments, project_of(call)
    address = new_address(name, project)
    if not opened(call).create_account(project, name):
        raise PermissionDenied(f"Service account {address} already exists.", "use it, or choose another name")
    return [f"Created service account [{name}]."]


def delete_account(call: Invocation) -> list[str]:
    """Delete a service account."""
    accounts, (address,) = opened(call), call.arguments
    accounts.require(address, "gcloud iam service-accounts delete")
    accounts.delete_account(address)
    return [f"deleted service account [{address}]"]


def add_binding(call: Invocation) -> list[str]:
    """Grant a role on a service account."""
    return edit_policy(call, revoke=False, account=True)


def opened(call: Invocation) -> ServiceAccounts:
    """The project's service accounts."""
    from iam.provision.service_accounts import service_accounts
    from iam.session import open_session

    return service_accounts(open_session("google", project_of(call)))


COMMANDS = {
    "iam service-accounts list": Command(list_accounts, flags=LIST),
    "iam service-accounts describe": Command(describe_account, "EMAIL", FORMAT, 1, 1),
    "iam service-accounts create": Command(create_account, "NAME", NEW, 1, 1),
    "iam service-accounts delete": Command(delete_account, "EMAIL", {}, 1, 1),
    "iam service-accounts add-iam-policy-binding": Command(add_binding, "EMAIL", BINDING, 1, 1),
}
