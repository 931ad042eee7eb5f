"""projects: the lab's projects and their policies."""

from __future__ import annotations

from typing import Any

from vertex.gcloud import configuration
from vertex.gcloud.formats import FORMAT, LIST, listed, shown
from vertex.gcloud.invocation import Command, Invocation

HOST = "cloudresourcemanager.googleapis.com"
BINDING = {"--member": True, "--role": True, "--condition": True, **FORMAT}


def project_of(call: Invocation) -> str:
    """The project of a command: --project, or the configuration's."""
    return call.flag("--project") or configuration.get("project")


def list_projects(call: Invocation) -> list[str]:
    """All projects that the caller may see."""
    rows = ask("/v1/projects", "projects", "resourcemanager.projects.list").get("projects", [])
    return listed(rows, ["projectId", "name", "projectNumber"], call)


def describe_project(call: Invocation) -> list[str]:
    """One project."""
    (name,) = call.arguments
    return shown(ask(f"/v1/projects/{name}", f"project {name}", "resourcemanager.projects.get"), call)


def ask(path: str, where: str, permission: str) -> Any:
    """The response to a GET of Resource Manager."""
    from iam.google_clients import ApiCall, authorized, call
    from iam.session import open_session

    session = open_session("google", configuration.get("project"))
    api_call = ApiCall(session.who, where, "nothing was read", permission)
    return call(authorized(session), session, "GET", HOST, path, api_call)


def add_binding(call: Invocation) -> list[str]:
    """Grant a role on a project."""
    return edit_policy(call, revoke=False)


def remove_binding(call: Invocation) -> list[str]:
    """Revoke a role on a project."""
    return edit_policy(call, revoke=True)


def edit_policy(call: Invocation, revoke: bool, account: bool = False) -> list[str]:
    """Edit the policy of a project, or of a service account."""
    from iam.grant import update_policy
    from iam.policy.policies import policy_to_json, with_member, without_member
    from iam.policy.principal import parse
    from iam.policy.roles import find
    from iam.provision.service_accounts import service_accounts
    from iam.session import open_session
    from raydock.errors import UsageError

    (name,), role, member = call.arguments, call.flag("--role"), call.flag("--member")
    if not role or not member or call.flag("--condition") not in ("", "None"):
        raise UsageError(
            "A binding needs --member and --role, and has no condition here.", "--member=… --role=…"
        )
    parse(member)
    if not role.startswith("projects/"):
        find(role)
    accounts = service_accounts(open_session("google", project_of(call)))
    target = accounts.account_policy(name) if account else accounts.project_policy(name)
    change = without_member if revoke else with_member
    done = update_policy(target, lambda old: change(old, role, member, None))
    what = f"service account [{name}]" if account else f"project [{name}]"
    return [f"Updated IAM policy for {what}.", *shown(policy_to_json(done.after), call)]


COMMANDS = {
    "projects list": Command(list_projects, flags=LIST),
    "projects describe": Command(describe_project, "PROJECT", FORMAT, 1, 1),
    "projects add-iam-policy-binding": Command(add_binding, "PROJECT", BINDING, 1, 1),
    "projects remove-iam-policy-binding": Command(remove_binding, "PROJECT", BINDING, 1, 1),
}
