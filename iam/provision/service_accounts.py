"""Service accounts and their policies, and a project's policy, as Google's REST services have them.

https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts
https://cloud.google.com/resource-manager/reference/rest/v3/projects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from iam.errors import Conflict, IamError, MalformedPolicy
from iam.google_clients import ApiCall, authorized, call
from iam.policy.policies import Policy, policy_from_json, policy_to_json
from iam.policy_reader import PROJECTS
from iam.session import Session
from raydock.errors import NotFound

ACCOUNTS = "iam.googleapis.com"
MADE_BY = "Made by `python -m iam provision` for jobs on Ray."


@dataclass(frozen=True, slots=True)
class AccountPolicyTarget:
    """The policy of a project or a service account, at `path` of a service."""

    http: Any
    session: Session
    host: str
    path: str
    where: str
    prefix: str  # of its permissions

    def read(self) -> Policy:
        body = {"options": {"requestedPolicyVersion": 3}}
        if self.host == ACCOUNTS:  # there it is a parameter of the address
            told = self.send("getIamPolicy?options.requestedPolicyVersion=3", None)
        else:
            told = self.send("getIamPolicy", body)
        try:
            return policy_from_json(told)
        except MalformedPolicy as fault:
            text = f"The policy of {self.where} can't be understood, so it was not changed: {fault.message}"
            raise IamError(text, fault.fix) from None

    def write(self, policy: Policy) -> None:
        self.send("setIamPolicy", {"policy": policy_to_json(policy)})

    def send(self, verb: str, body: Any) -> Mapping[str, Any]:
        permission = f"{self.prefix}.{verb.partition('?')[0]}"
        doing = ApiCall(
            self.session.who, self.where, f"the policy of {self.where} was not changed", permission
        )
        told: Mapping[str, Any] = call(
            self.http, self.session, "POST", self.host, f"{self.path}:{verb}", doing, body
        )
        return told


@dataclass(slots=True)
class ServiceAccounts:
    """Both services, as one session."""

    session: Session
    http: Any

    def account(self, address: str) -> Mapping[str, Any] | None:
        """None where there is none of that address."""
        try:
            return self.about("GET", address, "nothing was changed", "get")
        except NotFound:
            return None

    def create_account(self, project: str, name: str) -> bool:
        """False where somebody made it just now."""
        doing = ApiCall(
            self.session.who,
            f"project {project}",
            f"no account {name} was made",
            "iam.serviceAccounts.create",
        )
        body = {"accountId": name, "serviceAccount": {"displayName": "Ray jobs", "description": MADE_BY}}
        path = f"/v1/projects/{quote(project)}/serviceAccounts"
        try:
            call(self.http, self.session, "POST", ACCOUNTS, path, doing, body)
        except Conflict:
            return False
        return True

    def delete_account(self, address: str) -> None:
        """Does nothing where it is gone."""
        try:
            self.about("DELETE", address, "it was not removed", "delete")
        except NotFound:
            return

    def about(self, method: str, address: str, undone: str, verb: str) -> Mapping[str, Any]:
        where = f"service account {address}"
        doing = ApiCall(self.session.who, where, undone, f"iam.serviceAccounts.{verb}")
        told: Mapping[str, Any] = call(
            self.http, self.session, method, ACCOUNTS, account_path(address), doing
        )
        return told

    def account_policy(self, address: str) -> AccountPolicyTarget:
        path, where = account_path(address), f"service account {address}"
        return AccountPolicyTarget(self.http, self.session, ACCOUNTS, path, where, "iam.serviceAccounts")

    def project_policy(self, project: str) -> AccountPolicyTarget:
        path, where = f"/v3/projects/{quote(project)}", f"project {project}"
        return AccountPolicyTarget(self.http, self.session, PROJECTS, path, where, "resourcemanager.projects")

    def may_set_policy(self, project: str) -> bool:
        """Whether the caller may grant roles on the project."""
        wanted = "resourcemanager.projects.setIamPolicy"
        doing = ApiCall(self.session.who, f"project {project}", "nothing was changed", wanted)
        path = f"/v3/projects/{quote(project)}:testIamPermissions"
        told = call(self.http, self.session, "POST", PROJECTS, path, doing, {"permissions": [wanted]})
        return wanted in (told.get("permissions") or ())


def account_path(address: str) -> str:
    """Of a custom account: its project stands in its address."""
    project = address.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
    return f"/v1/projects/{quote(project)}/serviceAccounts/{quote(address)}"


def services(session: Session) -> ServiceAccounts:
    return ServiceAccounts(session, authorized(session))
