"""REST: the same answers as gRPC, for every method and error, and Google's JSON."""

from __future__ import annotations

import ast
import copy
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, json_format
from google.rpc import code_pb2, status_pb2

from cloud.controlplane.api import routes
from cloud.controlplane.api.methods import OPERATIONS, cluster_service
from cloud.controlplane.api.rest import STATUS
from cloud.controlplane.endpoints import hosts
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle.store import OperationRecord
from tests import vertexfields
from tests.command import ROOT
from tests.fakes import FakeNodes
from tests.labcloud import YOU
from tests.labvertex import HOST, PARENT, LabVertex, lab_vertex
from tests.unit.cloud.vertex.google_http import send_requests_to
from tests.unit.cloud.vertex.test_request import cluster, pool

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDK's own

A = f"{PARENT}/persistentResources/a"
NOBODY = {"enable_custom_service_account": True, "service_account": "nobody@example.com"}
SPEC = cluster(pool("head-node"), pool("worker-pool1", 2, "n1-standard-8"))
ALICE = "user:alice@example.com"
FOLDER = ROOT / "cloud" / "controlplane"
# Methods of Google's client that the lab lacks: docs/vertex-coverage.md.
MISSING = ("GetIamPolicy", "GetLocation", "ListLocations", "SetIamPolicy", "TestIamPermissions")
# Errors that no call reaches over both REST and gRPC, with the reason.
ELSEWHERE = {
    "api/projects.py:get": "Resource Manager's, over gRPC only",
    "api/routes.py:match": "about a path, and gRPC has none",
    "endpoints/ray_client.py:head": "Ray Client's",
    "endpoints/ray_client.py:wait_until_ready": "Ray Client's",
    "errors.py:bad_payload": "about JSON: test_requests_that_do_not_fit_the_api",
    "errors.py:internal": "test_an_unforeseen_error_is_internal",
}


@dataclass(frozen=True)
class Call:
    """One call in both forms: the gRPC method and the JSON of its request; the HTTP request's parts."""

    method: str
    request: Mapping[str, Any]
    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    token: str = YOU
    full: bool = False  # sent while all hosts of clusters are taken


def create(
    identifier: str = "b", spec: Mapping[str, Any] = SPEC, parent: str = PARENT, token: str = YOU
) -> Call:
    request = {"parent": parent, "persistent_resource_id": identifier, "persistent_resource": spec}
    query, path = {"persistentResourceId": identifier}, f"{parent}/persistentResources"
    return Call("CreatePersistentResource", request, "POST", path, query, spec, token)


def get(name: str = A, token: str = YOU) -> Call:
    return Call("GetPersistentResource", {"name": name}, "GET", name, token=token)


def listed(parent: str = PARENT, size: str = "", page: str = "", token: str = YOU) -> Call:
    given = {"page_size": int(size or 0), "page_token": page}
    query = {key: value for key, value in {"pageSize": size, "pageToken": page}.items() if value}
    path = f"{parent}/persistentResources"
    return Call("ListPersistentResources", {"parent": parent, **given}, "GET", path, query, token=token)


def update(count: int, mask: str = "resourcePools.replicaCount", name: str = A) -> Call:
    spec = cluster(pool("head-node"), pool("worker-pool1", count, "n1-standard-8"))
    request = {"persistent_resource": {**spec, "name": name}, "update_mask": "resourcePools.replicaCount"}
    query = {"updateMask": mask} if mask else {}
    request = request if mask else {**request, "update_mask": ""}
    return Call("UpdatePersistentResource", request, "PATCH", name, query, spec)


def delete(name: str = A, token: str = YOU) -> Call:
    return Call("DeletePersistentResource", {"name": name}, "DELETE", name, token=token)


def reboot(name: str = A) -> Call:
    return Call("RebootPersistentResource", {"name": name}, "POST", f"{name}:reboot", body={})


def operation(verb: str, method: str, name: str, suffix: str = "", **more: Any) -> Call:
    body = {key: value for key, value in more.items() if key != "token"} if verb == "POST" else None
    request = {"name": name, **(body or {})}
    return Call(method, request, verb, f"{name}{suffix}", body=body, token=more.get("token", YOU))


DONE, SHORT = f"{A}/operations/1", f"{PARENT}/operations/1"
FAILED, UPDATING, CREATING = f"{PARENT}/operations/3", f"{PARENT}/operations/5", f"{PARENT}/operations/6"
OPERATION_CALLS = [
    operation("GET", "GetOperation", DONE),
    operation("GET", "GetOperation", SHORT),
    operation("GET", "GetOperation", f"{A}/operations/9"),
    operation("GET", "GetOperation", f"{PARENT}/operations/9"),
    operation("GET", "GetOperation", DONE.replace("us-central1", "mars-1")),
    operation("GET", "GetOperation", DONE, token=ALICE),
    operation("POST", "WaitOperation", DONE, ":wait", timeout="0.010s"),
    operation("GET", "ListOperations", PARENT, "/operations"),
    operation("GET", "ListOperations", A, "/operations"),
    replace(
        operation("GET", "ListOperations", A, "/operations"),
        request={"name": A, "filter": "done"},
        query={"filter": "done"},
    ),
    operation("POST", "CancelOperation", DONE, ":cancel"),
    operation("POST", "CancelOperation", UPDATING, ":cancel"),
    operation("POST", "CancelOperation", CREATING, ":cancel"),
    operation("GET", "GetOperation", FAILED),
    operation("GET", "GetOperation", CREATING),
    operation("DELETE", "DeleteOperation", DONE),
    operation("DELETE", "DeleteOperation", SHORT),
]
CALLS = [
    create(),
    create("a"),
    create("Not_An_Id", cluster(pool("head-node", machine="n9"))),
    create(token=ALICE),
    create(token=""),
    create(parent=PARENT.replace("us-central1", "mars-1")),
    create(parent="projects/nobodys/locations/us-central1"),
    create(parent=PARENT.replace("us-central1", "US")),
    create(spec=cluster(pool("head-node"), pool("worker-pool1", 900))),
    create(spec=cluster(pool("head-node"), service_account_spec=NOBODY)),
    replace(create(), full=True),
    get(),
    get(A.replace("123456789012", "lab-project")),
    get(f"{PARENT}/persistentResources/none"),
    get(A.replace("us-central1", "europe-west4")),
    get(token=ALICE),
    get(token=""),
    listed(),
    listed(size="1"),
    listed(size="-1"),
    listed(page="x"),
    listed(PARENT.replace("us-central1", "us-east1")),
    update(3),
    update(3, "resource_pools.replica_count"),
    update(0),
    update(3, ""),
    update(3, name=A.replace("us-central1", "us-east1")),
    delete(),
    delete(f"{PARENT}/persistentResources/none"),
    delete(token=ALICE),
    delete(f"{PARENT}/persistentResources/s"),
    update(4, name=f"{PARENT}/persistentResources/u"),
    reboot(),
    reboot(f"{PARENT}/persistentResources/none"),
    *OPERATION_CALLS,
]
RESULTS = {
    "GetPersistentResource": "PersistentResource",
    "ListPersistentResources": "ListPersistentResourcesResponse",
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabVertex]:
    with lab_vertex(tmp_path_factory.mktemp("plane"), FakeNodes()) as found:
        yield found


async def reset(vertex: LabVertex) -> None:
    """Clusters a (resized), z (failed), u (being resized), o (being created) and s (being deleted)."""
    clusters, nodes = vertex.plane.clusters, vertex.nodes
    await clusters.close()
    clusters.store.clusters.clear()
    clusters.store.operations.clear()
    nodes.there.clear()
    object.__setattr__(clusters.operations, "serial", itertools.count(1))

    async def done(operation: OperationRecord) -> None:
        await clusters.wait_until_done(operation, 60)

    def create(name: str) -> OperationRecord:
        spec = copy.deepcopy(SPEC)
        return clusters.create(
            f"{PARENT}/persistentResources/{name}", spec, "lab-project", "serviceAccount:x", "v1"
        )

    nodes.becomes = "ready"
    await done(create("a"))
    await done(clusters.update(A, [1, 3], "v1beta1"))
    nodes.fails["make"] = "no more nodes"
    await done(create("z"))
    nodes.fails.clear()
    await done(create("u"))
    nodes.becomes = "starting"
    clusters.update(f"{PARENT}/persistentResources/u", [1, 3], "v1")
    create("o")
    clusters.capacity.limit = 100
    first = clusters.store.clusters[A]
    clusters.store.clusters[f"{A[:-1]}s"] = replace(
        first, name=f"{A[:-1]}s", host=free_hosts(vertex)[0], state="STOPPING"
    )


def free_hosts(vertex: LabVertex) -> list[str]:
    used = {one.host for one in vertex.plane.clusters.store.clusters.values()}
    return [host for host in hosts.HOSTS if host not in used]


def prepare(vertex: LabVertex, call: Call) -> None:
    """The state that the call meets."""
    vertex.run(reset(vertex))
    store = vertex.plane.clusters.store
    for number, host in enumerate(free_hosts(vertex) if call.full else ()):
        name = f"{A[:-1]}full-{number}"
        store.clusters[name] = replace(store.clusters[A], name=name, host=host)


def over_grpc(vertex: LabVertex, call: Call, version: str) -> dict[str, Any]:
    """The answer as JSON, or the error in REST's form."""
    types = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    if "Operation" in call.method:
        service, request = OPERATIONS, getattr(operations_pb2, f"{call.method}Request")
        kind: Any = operations_pb2.Operation
        if call.method == "ListOperations":
            kind = operations_pb2.ListOperationsResponse
        elif call.method in ("CancelOperation", "DeleteOperation"):
            kind = empty_pb2.Empty
    else:
        service, request = cluster_service(version), getattr(types, f"{call.method}Request").pb()
        result = RESULTS.get(call.method)
        kind = getattr(types, result).pb() if result else operations_pb2.Operation
    rpc = vertex.channel(HOST).unary_unary(
        f"/{service}/{call.method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=kind.FromString,
    )
    metadata = [("authorization", f"Bearer {vertex.token(call.token)}")] if call.token else []
    try:
        message = rpc(json_format.ParseDict(call.request, request()), metadata=metadata, timeout=60)
    except grpc.RpcError as error:
        return as_rest(error)
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found


def as_rest(error: Any) -> dict[str, Any]:
    """A gRPC error with its details in REST's form."""
    code = error.code().name
    found = {"code": STATUS[code], "message": error.details(), "status": code}
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    if details := [json_format.MessageToDict(one) for one in status.details]:
        assert (status.code, status.message) == (code_pb2.Code.Value(code), error.details())
        found["details"] = details
    return {"error": found}


def over_rest(vertex: LabVertex, call: Call, version: str) -> dict[str, Any]:
    answer = vertex.https(call.verb, f"/{version}/{call.path}", call.query, call.body, call.token)
    found: dict[str, Any] = answer.json()
    failed = "error" in found and "name" not in found  # a failed operation has both
    assert answer.status_code == (found["error"]["code"] if failed else 200)
    return found


def without_times(found: Any) -> Any:
    """The answer without its times."""
    if isinstance(found, dict):
        return {key: without_times(value) for key, value in found.items() if not key.endswith("Time")}
    return [without_times(one) for one in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    ("call", "version"),
    [(one, v) for one in CALLS for v in ("v1", "v1beta1") if v == "v1" or one not in OPERATION_CALLS],
    ids=lambda value: value if isinstance(value, str) else f"{value.method} {value.path.rpartition('/')[2]}",
)
def test_rest_and_grpc_give_the_same_answers(plane: LabVertex, call: Call, version: str) -> None:
    """For every method and error, each call on its own, equal state."""
    answers = []
    for send in (over_grpc, over_rest):
        prepare(plane, call)
        answers.append(without_times(send(plane, call, version)))
    assert answers[0] == answers[1]


def test_every_method_is_compared(plane: LabVertex) -> None:
    """The SDK's list of methods, of both versions, is the lab's and that of the calls; what the lab lacks is named."""
    compared = {call.method for call in CALLS}
    for version in vertexfields.VERSIONS:
        methods = {*vertexfields.methods(version), *vertexfields.mixins(version)}
        assert methods - compared == {*MISSING}
    served = {name for methods in plane.plane.regions["us-central1"].values() for name in methods}
    assert compared == served == {route.method for route in routes.ROUTES}


def test_every_error_is_compared(plane: LabVertex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the control plane that makes an error: a call above reaches it, or ELSEWHERE says why not."""
    made = RpcError.__init__
    reached = set[str]()

    def record(self: RpcError, *arguments: Any) -> None:
        code = sys._getframe(1).f_code
        reached.add(f"{Path(code.co_filename).relative_to(FOLDER)}:{code.co_name}")
        made(self, *arguments)

    monkeypatch.setattr(RpcError, "__init__", record)
    for call in CALLS:
        prepare(plane, call)
        over_rest(plane, call, "v1")
    assert sorted({*error_sites()} - reached) == sorted(ELSEWHERE)


def error_sites() -> Iterator[str]:
    """The functions that make an RpcError, as FILE:NAME."""
    for path in FOLDER.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (one.func for one in ast.walk(function) if isinstance(one, ast.Call))
                if any(isinstance(one, ast.Name) and one.id == "RpcError" for one in calls):
                    yield f"{path.relative_to(FOLDER)}:{function.name}"


@pytest.fixture
def rest(vertex: LabVertex, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """`rest(version)` is Google's own client with transport="rest". Only the address of its host is replaced."""
    from google.oauth2.credentials import Credentials

    send_requests_to(vertex.port, vertex.authority, monkeypatch)

    def make(version: str) -> Any:
        package = importlib.import_module(
            f"google.cloud.aiplatform_{version}.services.persistent_resource_service"
        )
        return package.PersistentResourceServiceClient(
            transport="rest",
            credentials=Credentials(vertex.token(YOU)),
            client_options={"api_endpoint": HOST},
        )

    return make


@pytest.mark.covers(
    "PersistentResourceService.CreatePersistentResource",
    "PersistentResourceService.GetPersistentResource",
    "PersistentResourceService.ListPersistentResources",
    "PersistentResourceService.UpdatePersistentResource",
    "PersistentResourceService.DeletePersistentResource",
    "resource_pools.replica_count",
)
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_googles_client_works_over_rest(
    vertex: LabVertex, nodes: FakeNodes, rest: Callable[[str], Any], version: str
) -> None:
    """A whole life: create, wait, list in pages, update, delete; the errors are google.api_core's own."""
    client = rest(version)
    request = {"parent": PARENT, "persistent_resource": SPEC, "persistent_resource_id": "a"}
    created = client.create_persistent_resource(request).result(timeout=60)
    assert (created.name, created.state.name) == (A, "RUNNING")
    assert created.resource_pools[1].replica_count == 2
    client.create_persistent_resource({**request, "persistent_resource_id": "b"}).result(timeout=60)
    pages = client.list_persistent_resources({"parent": PARENT, "page_size": 1}).pages
    assert [[one.name for one in page.persistent_resources] for page in pages] == [[A], [f"{A[:-1]}b"]]

    created.resource_pools[1].replica_count = 3
    mask = {"paths": ["resource_pools.replica_count"]}
    updated = client.update_persistent_resource(persistent_resource=created, update_mask=mask)
    assert updated.result(timeout=60).resource_pools[1].replica_count == 3
    assert len(nodes.there) == 4 + 3
    with pytest.raises(exceptions.BadRequest, match="Reboot is not available"):
        client.reboot_persistent_resource(name=A)
    with pytest.raises(exceptions.Conflict, match="already exists"):
        client.create_persistent_resource(request)

    client.delete_persistent_resource(name=A).result(timeout=60)
    with pytest.raises(exceptions.NotFound, match="does not exist"):
        client.get_persistent_resource(name=A)


def test_a_deleted_cluster_leaves_the_list_immediately(plane: LabVertex) -> None:
    """Get returns it, STOPPING, until it is gone."""
    plane.run(reset(plane))
    plane.nodes.fails["remove"] = "busy"
    try:
        assert over_rest(plane, delete(), "v1")["name"].startswith(f"{A}/operations/")
        names = [one["name"] for one in over_rest(plane, listed(), "v1")["persistentResources"]]
        assert A not in names
        assert over_rest(plane, get(), "v1")["state"] == "STOPPING"
    finally:
        plane.nodes.fails.clear()


def test_the_json_is_googles(plane: LabVertex) -> None:
    """int64 as strings, enums by name, unless the SDK asks for numbers; indented, unless prettyPrint is false."""
    plane.run(reset(plane))
    path = f"/v1/{A}"
    answer = plane.https("GET", path)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.text.startswith('{\n  "name": ')
    found = answer.json()
    assert (found["state"], found["resourcePools"][1]["replicaCount"]) == ("RUNNING", "3")
    compact = plane.https("GET", path, {"$alt": "json;enum-encoding=int", "prettyPrint": "false"})
    assert (compact.json()["state"], compact.text.count("\n")) == (3, 1)


UNKNOWN = "Invalid JSON payload received. Unknown name"


@pytest.mark.parametrize(
    ("verb", "path", "query", "body", "status", "said"),
    [
        (
            "POST",
            f"/v1/{PARENT}/customJobs",
            {},
            {},
            501,
            "The lab's Vertex AI does not support POST /v1/projects/",
        ),
        ("PUT", f"/v1/{A}", {}, {}, 501, "The lab's Vertex AI does not support PUT"),
        ("GET", f"/v2/{A}", {}, None, 501, "The lab's Vertex AI does not support GET"),
        ("GET", f"/v1/{A}", {"foo": "1"}, None, 400, f'{UNKNOWN} "foo": Cannot bind query parameter.'),
        ("GET", f"/v1/{A}", {"alt": "proto"}, None, 400, 'The format "proto" is not supported: use json.'),
        ("GET", f"/v1/{A}", {}, {"a": 1}, 400, "The request must not have a body."),
        ("POST", f"/v1/{PARENT}/persistentResources", {}, "{", 400, "Parse Error"),
        ("POST", f"/v1/{PARENT}/persistentResources", {}, "[]", 400, "expected a JSON object"),
        (
            "POST",
            f"/v1/{PARENT}/persistentResources",
            {},
            {"resourcePools": [{"machineSpec": {"foo": 1}}]},
            400,
            f"{UNKNOWN} \"foo\" at 'persistent_resource.resource_pools[0].machine_spec': Cannot find field.",
        ),
        (
            "POST",
            f"/v1/{PARENT}/persistentResources",
            {},
            {"resourcePools": [{"replicaCount": "x"}]},
            400,
            "Invalid value at 'persistent_resource.resource_pools.replica_count'",
        ),
        (
            "GET",
            f"/v1/{PARENT}/persistentResources",
            {"pageSize": "x"},
            None,
            400,
            "Invalid value at 'page_size'",
        ),
    ],
)
def test_requests_that_do_not_fit_the_api(
    plane: LabVertex, verb: str, path: str, query: dict[str, str], body: Any, status: int, said: str
) -> None:
    answer = plane.https(verb, path, query, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert said in error["message"]


def test_an_unforeseen_error_is_internal(plane: LabVertex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never UNKNOWN with a Python class name; the cause is in the log only."""

    def fail(*_: Any) -> Any:
        raise KeyError("secret")

    monkeypatch.setattr(type(plane.plane.clusters), "named", fail)
    error = {"code": 500, "message": "Internal error encountered.", "status": "INTERNAL"}
    assert over_grpc(plane, get(), "v1") == over_rest(plane, get(), "v1") == {"error": error}


def test_a_field_mask_in_camel_case_is_invalid_over_grpc(plane: LabVertex) -> None:
    """A mask has the proto's field names in gRPC, and camelCase in JSON (google/protobuf/field_mask.proto)."""
    plane.run(reset(plane))
    types = importlib.import_module("google.cloud.aiplatform_v1.types")
    request = types.UpdatePersistentResourceRequest.pb()()
    json_format.ParseDict({"persistent_resource": {**SPEC, "name": A}}, request)
    request.update_mask.paths.append("resourcePools.replicaCount")
    rpc = plane.channel(HOST).unary_unary(
        f"/{cluster_service('v1')}/UpdatePersistentResource",
        request_serializer=lambda message: message.SerializeToString(),
    )
    with pytest.raises(grpc.RpcError) as caught:
        rpc(request, metadata=[("authorization", f"Bearer {plane.token(YOU)}")], timeout=60)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Only resource_pools.replica_count can be updated, not resourcePools.replicaCount." in str(
        caught.value.details()
    )


def test_the_endpoint_names_its_location(plane: LabVertex) -> None:
    answer = over_rest(plane, create(parent=PARENT.replace("us-central1", "mars-1")), "v1")
    said = "The provided location ID doesn't match the endpoint. The valid location ID is `us-central1`."
    assert said in answer["error"]["message"]
    assert answer["error"]["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "parent", "description": said}],
        }
    ]


def test_compose_has_a_name_for_every_region_and_cluster() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert compose["x-vertex-names"] == [*hosts.REGION_OF_HOST, *hosts.HOSTS]
