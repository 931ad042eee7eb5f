"""Custom roles, read-only: https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles

Google requires iam.roles.get. iam/policy/roles.yaml does not cover that permission, so the lab requires
resourcemanager.projects.get, which every role with iam.roles.get has too.
"""

from __future__ import annotations

from typing import Any

from cloud.google_errors import denied_elsewhere
from cloud.identity.access import Access
from cloud.identity.projects import Body, Names, require_project
from iam.policy.evaluate import Verdict
from iam.policy.resource import project as project_resource

INSTEAD = "resourcemanager.projects.get"


async def role(access: Access, principal: str, body: Body, names: Names) -> Any:
    """Get a project's custom role. Raises ApiError (403) if it does not exist or its permissions are unknown."""
    project, name = names["project"], f"projects/{names['project']}/roles/{names['role']}"
    require_project(access, project, principal, "")
    decision = access.decision(principal, INSTEAD, project_resource(project))
    permissions = access.lab_state.roles.get(name)
    if decision.verdict is not Verdict.GRANTED or permissions is None:
        raise denied_elsewhere("iam.roles.get", name)
    stage = access.lab_state.stages.get(name, "GA")
    found: dict[str, Any] = {"name": name, "includedPermissions": permissions}
    return found | ({"deleted": True} if stage == "DELETED" else {"stage": stage})
