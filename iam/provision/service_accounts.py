"""Service accounts and their policies, and projects' policies, through Google's REST APIs.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts
https://cloud.google.com/resource-manager/reference/rest/v3/projects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from iam.errors import Conflict, IamError, MalformedPolicy, MalformedPrincipal
from iam.google_clients import ApiCall, authorized, call
from iam.policy.policies import Policy, policy_from_json, policy_to_json
from iam.policy.principal import is_custom_account, is_service_agent, wrong_account_id
from iam.policy_reader import PROJECTS
from iam.session import Session
from raydock.errors import NotFound
from raydock.terminal.commandline import MEANT, near

ACCOUNTS = "iam.googleapis.com"
SET_POLICY = "resourcemanager.projects.setIamPolicy"
DESCRIPTION = "Created by `python -m iam` for jobs on Ray."
SUFFIX = ".iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class AccountPolicyTarget:
    """The policy of a project or a service account, at `path` in a REST service.

    `prefix` is how its permissions' names begin, such as "iam.serviceAccounts".
    """

    http: Any
    session: Session
    host: str
    path: str
    where: str
    prefix: str

    def read(self) -> Policy:
        """Return the current policy. Raises IamError if it can't be parsed."""
        body = {"options": {"requestedPolicyVersion": 3}}
        if self.host == ACCOUNTS:  # this service expects the option as a query parameter
            reply = self._post("getIamPolicy?options.requestedPolicyVersion=3", None)
        else:
            reply = self._post("getIamPolicy", body)
        try:
            return policy_from_json(reply)
        except MalformedPolicy as fault:
            text = f"Could not parse the policy of {self.where}, so it was not changed: {fault.message}"
            raise IamError(text, fault.fix) from None

    def write(self, policy: Policy) -> None:
        """Replace the policy. Raises Conflict if it changed since it was read."""
        self._post("setIamPolicy", {"policy": policy_to_json(policy)})

    def _post(self, verb: str, body: Any) -> Mapping[str, Any]:
        permission = f"{self.prefix}.{verb.partition('?')[0]}"
        api_call = ApiCall(
            self.session.who, self.where, f"the policy of {self.where} was not changed", permission
        )
        reply: Mapping[str, Any] = call(
            self.http, self.session, "POST", self.host, f"{self.path}:{verb}", api_call, body
        )
        return reply


@dataclass(slots=True)
class ServiceAccounts:
    """Service accounts and project policies, with one session's credentials. `http` is an AuthorizedSession."""

    session: Session
    http: Any

    def account(self, address: str) -> Mapping[str, Any] | None:
        """The service account, None if it does not exist."""
        try:
            return self._call("GET", address, "nothing was changed", "get")
        except NotFound:
            return None

    def all(self, project: str) -> list[str]:
        """The addresses of a project's service accounts, sorted."""
        api_call = ApiCall(
            self.session.who, f"project {project}", "nothing was listed", "iam.serviceAccounts.list"
        )
        found, page = list[str](), ""
        while True:
            path = f"/v1/projects/{quote(project)}/serviceAccounts?pageSize=100&pageToken={quote(page)}"
            reply = call(self.http, self.session, "GET", ACCOUNTS, path, api_call)
            found += [str(one["email"]) for one in reply.get("accounts", ())]
            page = str(reply.get("nextPageToken") or "")
            if not page:
                return sorted(found)

    def require(self, address: str, command: str) -> None:
        """Raise NotFound for an account that does not exist. The fix is `command` for the most similar one."""
        if self.account(address) is not None:
            return
        name, _, domain = address.partition("@")
        project = domain.removesuffix(SUFFIX)
        known = {one.partition("@")[0]: one for one in self.all(project)}
        close = near(name, known, 0.6)
        here = project == self.session.project
        meant = (
            f"{MEANT}{command} {close if here else known[close]}" if close else "python -m iam account list"
        )
        raise NotFound(f"Service account {address} does not exist.", meant + self.session.flags)

    def create_account(self, project: str, name: str) -> bool:
        """Create a service account. Returns False if it already exists."""
        api_call = ApiCall(
            self.session.who,
            f"project {project}",
            f"service account {name} was not created",
            "iam.serviceAccounts.create",
        )
        body = {
            "accountId": name,
            "serviceAccount": {"displayName": "Ray jobs", "description": DESCRIPTION},
        }
        path = f"/v1/projects/{quote(project)}/serviceAccounts"
        try:
            call(self.http, self.session, "POST", ACCOUNTS, path, api_call, body)
        except Conflict:
            return False
        return True

    def delete_account(self, address: str) -> None:
        """Delete a service account, if it exists."""
        try:
            self._call("DELETE", address, "it was not removed", "delete")
        except NotFound:
            return

    def _call(self, method: str, address: str, consequence: str, verb: str) -> Mapping[str, Any]:
        where = f"service account {address}"
        api_call = ApiCall(self.session.who, where, consequence, f"iam.serviceAccounts.{verb}")
        reply: Mapping[str, Any] = call(
            self.http, self.session, method, ACCOUNTS, account_path(address), api_call
        )
        return reply

    def account_policy(self, address: str) -> AccountPolicyTarget:
        """The policy of a service account."""
        path, where = account_path(address), f"service account {address}"
        return AccountPolicyTarget(self.http, self.session, ACCOUNTS, path, where, "iam.serviceAccounts")

    def project_policy(self, project: str) -> AccountPolicyTarget:
        """The policy of a project."""
        path, where = f"/v3/projects/{quote(project)}", f"project {project}"
        return AccountPolicyTarget(self.http, self.session, PROJECTS, path, where, "resourcemanager.projects")

    def may_set_policy(self, project: str) -> bool:
        """Whether the caller may grant roles on the project."""
        api_call = ApiCall(self.session.who, f"project {project}", "nothing was changed", SET_POLICY)
        path = f"/v3/projects/{quote(project)}:testIamPermissions"
        reply = call(self.http, self.session, "POST", PROJECTS, path, api_call, {"permissions": [SET_POLICY]})
        return SET_POLICY in (reply.get("permissions") or ())


def new_address(text: str, project: str) -> str:
    """The address of an account to create, from its id or address. Raises MalformedPrincipal."""
    address = address_of(text, project)
    name, _, domain = address.partition("@")
    if wrong := wrong_account_id(name):
        raise MalformedPrincipal(
            f'Invalid service account id "{name}": {wrong}.', "use an id such as ray-jobs"
        )
    if domain != project + SUFFIX:
        text = f"{address} does not belong to project {project}."
        raise MalformedPrincipal(text, "pass only its id, and the project with --project")
    return address


def address_of(text: str, project: str) -> str:
    """The address of an account, from its id or address. Raises MalformedPrincipal."""
    bare = text.removeprefix("serviceAccount:").lower()
    address = bare if "@" in bare else f"{bare}@{project}{SUFFIX}"
    if not (is_custom_account(address) or is_service_agent(address)):
        fix = f"pass its id, such as trainer, or its address, such as trainer@{project}{SUFFIX}"
        raise MalformedPrincipal(f'Invalid service account "{text}".', fix)
    return address


def account_path(address: str) -> str:
    """The REST path of a custom account, whose address contains its project."""
    project = address.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    return f"/v1/projects/{quote(project)}/serviceAccounts/{quote(address)}"


def service_accounts(session: Session) -> ServiceAccounts:
    """The service accounts that a session can reach."""
    return ServiceAccounts(session, authorized(session))
