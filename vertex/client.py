"""A client for Vertex AI's PersistentResourceService, with timeouts on all calls and one-sentence errors.

The SDK's `vertex_ray` polls every 150 s and prints to the terminal, so this module uses the SDK client that
`vertex_ray` is built on. Importing that client takes seconds, so it is imported on the first call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from raydock.errors import PermissionDenied as NoCredentials
from raydock.errors import Unreachable
from raydock.gcp.clouds import default_credentials
from vertex.cluster import Cluster, cluster_of
from vertex.errors import ClusterNotFound, Exists, RequestRejected
from vertex.location import Location

TIMEOUT = 30.0  # seconds per call


class VertexClient:
    """The clusters in one location, accessed with the application default credentials. All calls block."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The SDK's client for the region. Raises RequestRejected if there are no credentials or no SDK."""
        if self._client is None:
            try:
                credentials, _ = default_credentials()
            except NoCredentials as fault:
                raise RequestRejected(fault.message, fault.fix) from None
            try:
                from google.cloud import aiplatform_v1beta1 as sdk
            except ImportError:
                raise RequestRejected(
                    "Google's SDK for Vertex AI is not installed.", "pip install google-cloud-aiplatform"
                ) from None
            self._client = sdk.PersistentResourceServiceClient(
                credentials=credentials, client_options={"api_endpoint": self.location.host}
            )
        return self._client

    def get(self, cluster: str) -> Cluster:
        """Return one cluster. Raises ClusterNotFound if the id does not exist."""
        return cluster_of(self.get_message(cluster))

    def list_clusters(self) -> list[Cluster]:
        """Return every Ray cluster in the location, newest last."""
        client = self.client
        with self.translate_errors(f"list the clusters in {self.location.project}, {self.location.region}"):
            pages = client.list_persistent_resources(parent=self.location.parent, timeout=TIMEOUT, retry=None)
            found = [cluster_of(one) for one in pages]
        return sorted((one for one in found if one.has_ray), key=lambda one: one.created)

    def create(self, cluster: str, resource: Any) -> None:
        """Request the cluster that an SDK PersistentResource describes. Poll `get` for its state. Raises Exists."""
        self.location.resource_name(cluster)
        client = self.client
        with self.translate_errors(f"create cluster {cluster}", cluster):
            client.create_persistent_resource(
                parent=self.location.parent,
                persistent_resource=resource,
                persistent_resource_id=cluster,
                timeout=TIMEOUT,
                retry=None,
            )

    def update(self, resource: Any, fields: list[str]) -> Any:
        """Request an update to some fields of an SDK PersistentResource. Pass the returned operation to `is_done`."""
        client = self.client
        cluster = resource.name.rpartition("/")[2]
        with self.translate_errors(f"update cluster {cluster}", cluster):
            return client.update_persistent_resource(
                persistent_resource=resource, update_mask={"paths": fields}, timeout=TIMEOUT, retry=None
            )

    def is_done(self, operation: Any, cluster: str) -> bool:
        """Whether an operation from `update` is complete. If it failed, raises RequestRejected with Google's reason."""
        with self.translate_errors(f"update cluster {cluster}", cluster):
            if not operation.done():
                return False
            if fault := operation.exception():
                raise fault
        return True

    def get_message(self, cluster: str) -> Any:
        """Return one cluster as the SDK's PersistentResource, for updates. Like `get`, raises ClusterNotFound."""
        name = self.location.resource_name(cluster)
        client = self.client
        with self.translate_errors(f"get cluster {cluster}", cluster):
            return client.get_persistent_resource(name=name, timeout=TIMEOUT, retry=None)

    def delete(self, cluster: str) -> None:
        """Request the cluster's deletion. Raises ClusterNotFound if the id does not exist."""
        name = self.location.resource_name(cluster)
        client = self.client
        with self.translate_errors(f"delete cluster {cluster}", cluster):
            client.delete_persistent_resource(name=name, timeout=TIMEOUT, retry=None)

    @contextmanager
    def translate_errors(self, action: str, cluster: str = "") -> Iterator[None]:
        """Translate Google's errors into raydock's. `action` is the verb phrase for the message."""
        from google.api_core import exceptions
        from google.auth import exceptions as auth

        where = f"{self.location.project}, {self.location.region}"
        try:
            yield
        except exceptions.NotFound as fault:
            if not cluster:
                raise RequestRejected(
                    f"Google rejected the request to {action}: {fault.message}.", "check --project"
                ) from None
            raise ClusterNotFound(
                f"There is no cluster {cluster} in {where}.",
                f"to list the clusters: python -m cluster status --target vertex {self.location.flags}".rstrip(),
            ) from None
        except exceptions.AlreadyExists:
            raise Exists(
                f"Cluster {cluster} already exists in {where}.",
                f"to see it: python -m cluster status --target vertex {self.location.flags}--cluster {cluster}",
            ) from None
        except (exceptions.ServiceUnavailable, exceptions.DeadlineExceeded, exceptions.RetryError) as fault:
            why = str(getattr(fault, "message", fault)).partition("\n")[0]
            raise Unreachable(
                f"{self.location.host} is not responding: {why}", "check --region and your network connection"
            ) from None
        except exceptions.PermissionDenied as fault:
            raise RequestRejected(
                f"Google rejected the request to {action}: {fault.message}",
                "your account needs roles/aiplatform.user to submit jobs, or roles/aiplatform.admin to create clusters",
            ) from None
        except exceptions.GoogleAPICallError as fault:
            raise RequestRejected(f"Google rejected the request to {action}: {fault.message}", "") from None
        except auth.GoogleAuthError as fault:
            raise RequestRejected(
                f"Could not get an access token with your credentials: {fault}.",
                "gcloud auth application-default login",
            ) from None
