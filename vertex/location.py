"""The location of clusters: a project and a region, from flags, the environment, `.env` or the credentials."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from raydock.errors import PermissionDenied as NoCredentials
from raydock.gcp.clouds import default_credentials
from raydock.gcp.lab_environment import MARK
from vertex.errors import NotConfigured

REGION = "us-central1"  # the SDK's default: google/cloud/aiplatform/constants/base.py
ID = re.compile(
    r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
)  # a persistent resource's id: vertex_ray.create_ray_cluster
NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/persistentResources/([^/]+)")


@dataclass(frozen=True, slots=True)
class Location:
    """A project, by id or number, and a region; `lab`: in the lab's Vertex AI, reached from this machine."""

    project: str
    region: str
    lab: bool = False

    @property
    def parent(self) -> str:
        """The resource name under which clusters are listed and created."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def host(self) -> str:
        """The region's API endpoint."""
        return f"{self.region}-aiplatform.googleapis.com"

    @property
    def flags(self) -> str:
        """The command-line flags that select the same location."""
        return f"{'--lab ' if self.lab else ''}--project {self.project} --region {self.region} "

    def resource_name(self, cluster: str) -> str:
        """A cluster's resource name. Raises NotConfigured if the id is invalid."""
        if not ID.fullmatch(cluster):
            raise NotConfigured(
                f"Invalid cluster name {cluster!r}: use up to 63 lowercase letters, digits and '-', "
                "starting with a letter.",
                "pass --cluster NAME or --cluster projects/…/locations/…/persistentResources/NAME",
            )
        return f"{self.parent}/persistentResources/{cluster}"


def resolve_location(
    project: str, region: str, cluster: str, setting: Callable[[str, str], str]
) -> tuple[Location, str]:
    """Return the location and the cluster's id, which is "" if none is set.

    A cluster's full resource name determines the project, the region and the id. Otherwise, flags take precedence over
    GOOGLE_CLOUD_PROJECT, GOOGLE_CLOUD_REGION and VERTEX_CLUSTER, which `setting(name, default)` reads. The fallbacks
    are the credentials' project and the SDK's default region. Raises NotConfigured if no project is set.
    """
    cluster, lab = cluster or setting("VERTEX_CLUSTER", ""), bool(setting(MARK, ""))
    if found := NAME.fullmatch(cluster):
        return Location(found[1], found[2], lab), found[3]
    project = project or setting("GOOGLE_CLOUD_PROJECT", "") or project_of_credentials()
    if not project:
        raise NotConfigured(
            "No Google Cloud project is set.", "add --project ID, or --lab for the lab's Vertex AI"
        )
    return Location(project, region or setting("GOOGLE_CLOUD_REGION", REGION), lab), cluster


def project_of_credentials() -> str:
    """The project of the application default credentials, or "" if there is none."""
    try:
        return default_credentials()[1]
    except NoCredentials:
        return ""
