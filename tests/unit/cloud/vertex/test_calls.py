"""Calls from Google's own clients: both API versions, operations, pages, tokens."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2

from raydock.faults import Fault
from tests.fakes import FakeNodes
from tests.labcloud import YOU
from tests.labvertex import HOST, PARENT, LabVertex
from tests.unit.cloud.vertex.test_request import cluster, pool

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own


def client(vertex: LabVertex, version: str = "v1beta1", token: str = "", host: str = HOST) -> Any:
    """A PersistentResourceServiceClient of an API version with a token, by default the user's."""
    import importlib

    from google.oauth2.credentials import Credentials

    package = importlib.import_module(
        f"google.cloud.aiplatform_{version}.services.persistent_resource_service"
    )
    transport = package.transports.PersistentResourceServiceGrpcTransport
    channel = vertex.channel(host, Credentials(token or vertex.token(YOU)))
    return package.PersistentResourceServiceClient(transport=transport(channel=channel, host=host))


def create(service: Any, name: str, **more: Any) -> Any:
    spec = cluster(pool("head-node"), **more)
    request = {"parent": PARENT, "persistent_resource": spec, "persistent_resource_id": name}
    return service.create_persistent_resource(request)


@pytest.mark.covers("Operations.GetOperation", "Operations.ListOperations", "Operations.DeleteOperation")
@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_both_versions_and_their_operations(vertex: LabVertex, nodes: FakeNodes, version: str) -> None:
    nodes.becomes = "starting"
    service = client(vertex, version)
    operation = create(service, "a")
    assert operation.operation.name.startswith(f"{PARENT}/persistentResources/a/operations/")
    assert not operation.done()
    assert operation.metadata.progress_message == "The cluster is PROVISIONING."

    nodes.turn("ready")
    found = operation.result(timeout=60)
    assert (found.name, found.state.name) == (f"{PARENT}/persistentResources/a", "RUNNING")
    assert found.create_time.timestamp() <= found.start_time.timestamp()
    (listed,) = service.list_operations({"name": PARENT}).operations
    assert (listed.name, listed.done) == (operation.operation.name, True)

    gone = service.delete_persistent_resource(name=found.name)
    gone.result(timeout=60)
    with pytest.raises(exceptions.NotFound) as caught:
        service.get_persistent_resource(name=found.name)
    assert caught.value.message == f"The PersistentResource {found.name} does not exist."
    service.delete_operation({"name": gone.operation.name})
    with pytest.raises(exceptions.NotFound):
        service.get_operation({"name": gone.operation.name})


def test_a_failed_creation_is_the_operations_error(vertex: LabVertex, nodes: FakeNodes) -> None:
    nodes.fails["make"] = "no such image"
    operation = create(client(vertex), "a")
    with pytest.raises(exceptions.GoogleAPICallError, match="no such image"):
        operation.result(timeout=60)


@pytest.mark.covers("Operations.WaitOperation")
def test_waiting_ends_with_the_operation(vertex: LabVertex, nodes: FakeNodes) -> None:
    nodes.becomes = "starting"
    service = client(vertex)
    name = create(service, "a").operation.name

    def done(**timeout: int) -> bool:
        answer = service.wait_operation(
            {"name": name, "timeout": timeout}
        )  # bytes: the SDK reads no answer here
        return bool(operations_pb2.Operation.FromString(answer).done)

    assert not done(nanos=50_000_000)
    nodes.turn("ready")
    assert done(seconds=10)


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
def test_reboot_is_refused(vertex: LabVertex, version: str) -> None:
    """According to Google's page on reboots."""
    service = client(vertex, version)
    name = create(service, "a").result(timeout=60).name
    with pytest.raises(exceptions.FailedPrecondition, match="Reboot is not available on Ray on Vertex AI"):
        service.reboot_persistent_resource(name=name)
    assert service.get_persistent_resource(name=name).state.name == "RUNNING"


@pytest.mark.covers("Operations.CancelOperation")
def test_a_creation_can_be_cancelled_and_a_deletion_not(vertex: LabVertex, nodes: FakeNodes) -> None:
    nodes.becomes = "starting"
    service = client(vertex)
    creation = create(service, "a")
    assert creation.cancel()
    with pytest.raises(exceptions.Cancelled, match=r"The operation was cancelled\."):
        creation.result(timeout=60)
    clusters = vertex.plane.clusters
    vertex.run(clusters.changes.wait_for(lambda: not clusters.store.clusters, 60))
    assert nodes.there == {}

    nodes.becomes = "ready"
    name = create(service, "a").result(timeout=60).name
    nodes.fails["remove"] = "busy"
    deletion = service.delete_persistent_resource(name=name)
    with pytest.raises(exceptions.MethodNotImplemented, match="only a create operation can"):
        deletion.cancel()
    nodes.fails.clear()
    deletion.result(timeout=60)


def test_operations_require_the_clusters_permissions(vertex: LabVertex, nodes: FakeNodes) -> None:
    """Alice has read access only."""
    nodes.becomes = "starting"
    operation = create(client(vertex), "a").operation.name
    holder = vertex.world.projects["lab-project"]
    role = {"role": "roles/aiplatform.viewer", "members": ["user:alice@example.com"]}
    vertex.world.set_policy(holder, {"version": 1, "bindings": [*holder.policy["bindings"], role]})
    alice = client(vertex, token=vertex.token("user:alice@example.com"))
    assert not alice.get_operation({"name": operation}).done
    assert len(alice.list_operations({"name": PARENT}).operations) == 1
    with pytest.raises(exceptions.PermissionDenied, match=r"persistentResources\.delete' denied"):
        alice.cancel_operation({"name": operation})
    with pytest.raises(exceptions.PermissionDenied, match=r"persistentResources\.delete' denied"):
        alice.delete_operation({"name": operation})
    with pytest.raises(exceptions.PermissionDenied, match=r"persistentResources\.create' denied"):
        alice.reboot_persistent_resource(name=f"{PARENT}/persistentResources/a")


def test_lists_have_pages(vertex: LabVertex) -> None:
    service = client(vertex)
    for name in ("a", "b", "c"):
        create(service, name)
    pages = service.list_persistent_resources({"parent": PARENT, "page_size": 2}).pages
    found = [[one.name.rpartition("/")[2] for one in page.persistent_resources] for page in pages]
    assert found == [["a", "b"], ["c"]]
    with pytest.raises(exceptions.InvalidArgument, match="page_token"):
        service.list_persistent_resources({"parent": PARENT, "page_token": "x"})


def test_a_missing_or_expired_token_gets_googles_message(vertex: LabVertex) -> None:
    with pytest.raises(exceptions.Unauthenticated) as caught:
        client(vertex, token="ya29.forged").get_persistent_resource(name=f"{PARENT}/persistentResources/a")
    assert caught.value.message == (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    assert list(client(vertex).list_persistent_resources(parent=PARENT)) == []
    with pytest.raises(exceptions.Unauthenticated):
        client(vertex, token=vertex.token(YOU, lifetime=-1)).list_persistent_resources(parent=PARENT)


def test_project_id_and_number_are_equivalent(vertex: LabVertex) -> None:
    service = client(vertex)
    create(service, "a").result(timeout=60)
    by_id = "projects/lab-project/locations/us-central1/persistentResources/a"
    assert service.get_persistent_resource(name=by_id).name == f"{PARENT}/persistentResources/a"
    with pytest.raises(exceptions.PermissionDenied, match="or it may not exist"):
        service.get_persistent_resource(name=by_id.replace("lab-project", "nobodys"))


def test_agents_and_unknown_accounts_can_not_be_acted_as(vertex: LabVertex) -> None:
    agent = "service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    for account in (agent, "nobody@lab-project.iam.gserviceaccount.com"):
        spec = {"enable_custom_service_account": True, "service_account": account}
        with pytest.raises(exceptions.PermissionDenied, match="permission to act as service_account"):
            create(client(vertex), "a", service_account_spec=spec)


def test_a_name_outside_the_certificate_is_not_trusted(vertex: LabVertex) -> None:
    with pytest.raises(exceptions.ServiceUnavailable):
        list(client(vertex, host="example.com").list_persistent_resources(parent=PARENT, timeout=2))


def test_a_control_plane_that_is_away_on_purpose(vertex: LabVertex) -> None:
    vertex.plane.faults.add(Fault("control-plane", times=2), 60)
    service = client(vertex)
    with pytest.raises(exceptions.ServiceUnavailable) as caught:
        service.delete_persistent_resource(name=f"{PARENT}/persistentResources/a")
    assert caught.value.message == "The service is currently unavailable."
    with pytest.raises(exceptions.ServiceUnavailable):
        create(service, "a")
    with pytest.raises(exceptions.NotFound):  # it was not created
        service.delete_persistent_resource(name=f"{PARENT}/persistentResources/a")
