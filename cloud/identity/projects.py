"""Projects, their policies and their deny policies: cloudresourcemanager.googleapis.com and part of iam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.google_errors import ApiError, denied_elsewhere
from cloud.identity.access import Access
from cloud.identity.policies import PolicyResource
from iam.policy import resource as resources

Body = Mapping[str, Any]
Names = Mapping[str, str]  # the parts of the path


async def list_projects(access: Access, principal: str, body: Body, names: Names) -> Any:
    """The projects that the caller may see: https://cloud.google.com/resource-manager/reference/rest/v1/projects/list"""
    permission = "resourcemanager.projects.get"
    seen = [
        one
        for one in access.lab_state.projects
        if access.holds(principal, permission, resources.project(one))
    ]
    found = [await project(access, principal, body, {"project": one, "version": "v1"}) for one in seen]
    return {"projects": found} if found else {}


async def project(access: Access, principal: str, body: Body, names: Names) -> Any:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get

    Only imported projects have a parent: the policies above them, if those are unknown.
    """
    project = require_project(access, names["project"], principal, "resourcemanager.projects.get")
    number, parent = str(access.lab_state.number(project)), access.lab_state.projects[project].parent
    if names["version"] == "v1":
        return {
            "projectId": project,
            "projectNumber": number,
            "lifecycleState": "ACTIVE",
            "name": project,
        }
    above = {"parent": parent} if parent else {}
    about = {"name": f"projects/{number}", "projectId": project, "state": "ACTIVE", "displayName": project}
    return about | above


async def project_policy(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Get, set or test a project's policy."""
    permission = "resourcemanager.projects.getIamPolicy"
    test = names["verb"] == "testIamPermissions"
    project = require_project(access, names["project"], principal, "" if test else permission)
    resource = PolicyResource(
        access,
        resources.project(project),
        access.lab_state.projects[project],
        "resourcemanager.projects",
    )
    return resource.answer(principal, names["verb"], body)


def require_project(access: Access, name: str, principal: str, permission: str) -> str:
    """The project's ID. Raises ApiError (403) if the project does not exist or the caller can't see it."""
    project = access.lab_state.project_named(name)
    if not project:
        raise denied_elsewhere(permission or "resourcemanager.projects.get", f"projects/{name}")
    if permission:
        access.require_project(principal, permission, project)
    return project


async def deny_policies(access: Access, principal: str, body: Body, names: Names) -> Any:
    """List deny policies, without rules: https://cloud.google.com/iam/docs/reference/rest/v2/policies/listPolicies"""
    project = require_project(access, names["project"], principal, "iam.denypolicies.list")
    count = len(access.lab_state.deny.get(project) or ())
    where = f"policies/cloudresourcemanager.googleapis.com%2Fprojects%2F{project}/denypolicies"
    return (
        {"policies": [{"name": f"{where}/{n}", "kind": "DenyPolicy"} for n in range(count)]} if count else {}
    )


async def deny_policy(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Get a deny policy. Raises ApiError (404) if none has this number."""
    project = require_project(access, names["project"], principal, "iam.denypolicies.get")
    documents = access.lab_state.deny.get(project) or []
    if int(names["number"]) >= len(documents):
        raise ApiError(404, "notFound", f"Deny policy {names['number']} was not found.")
    return {"kind": "DenyPolicy", **documents[int(names["number"])]}
