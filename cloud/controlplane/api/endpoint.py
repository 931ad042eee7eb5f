"""A region's endpoint: accepts only names in its own location and checks permissions on them."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.controlplane import errors, names
from cloud.controlplane.permission import Permission


@dataclass(frozen=True, slots=True)
class ApiEndpoint:
    """One region's endpoint."""

    region: str
    permission: Permission

    def parse(self, field: str, text: str, *kinds: names.Kind) -> names.Name:
        """Parse the name in a request. Raises RpcError if it is malformed or in another region."""
        name = names.parse(text, *kinds)
        if name.region != self.region:
            raise errors.wrong_location(field, self.region)
        return name

    def location(self, project: str) -> str:
        """The endpoint's location with the project number, as in responses."""
        return f"projects/{self.permission.lab_state.number(project)}/locations/{self.region}"

    def parent(self, principal: str, verb: str, text: str) -> tuple[str, str]:
        """The project ID and the name of a request's parent. Raises RpcError if the caller may not perform `verb`."""
        name = self.parse("parent", text, names.LOCATION)
        project = self.permission.require(principal, verb, name)
        return project, self.location(project)

    def cluster(self, principal: str, verb: str, text: str, field: str = "name") -> str:
        """A persistent resource's name with the project number. Raises RpcError like `parent`."""
        name = self.parse(field, text, names.CLUSTER)
        project = self.permission.require(principal, verb, name)
        return f"{self.location(project)}/persistentResources/{name.id}"
