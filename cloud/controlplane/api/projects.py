"""google.cloud.resourcemanager.v3.Projects, where the SDK looks up a project's number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.controlplane.errors import RpcError
from cloud.controlplane.permission import Permission
from iam.policy import resource as resources

GET = "resourcemanager.projects.get"


@dataclass(frozen=True, slots=True)
class ProjectService:
    """The service, with its only method."""

    permission: Permission

    async def get(self, principal: str, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A project. The lab's projects have no parent."""
        name = str(body.get("name", "")).removeprefix("projects/")
        access = self.permission.access()
        project = access.lab_state.project_named(name)
        if not project or not access.may(principal, GET, resources.project(project)):
            where = f"//cloudresourcemanager.googleapis.com/projects/{name}"
            text = f"Permission '{GET}' denied on resource '{where}' (or it may not exist)."
            raise RpcError("PERMISSION_DENIED", text)
        number = access.lab_state.number(project)
        return {
            "name": f"projects/{number}",
            "project_id": project,
            "state": "ACTIVE",
            "display_name": project,
        }
