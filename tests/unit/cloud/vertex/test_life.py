"""The lifecycle of clusters on fake nodes: states, failures, a killed control plane, concurrent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud.controlplane.endpoints.hosts import HOSTS
from cloud.controlplane.errors import RpcError
from cloud.controlplane.lifecycle import store
from cloud.controlplane.lifecycle.clusters import Clusters
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec
from tests.fakes import FakeNodes
from tests.unit.cloud.vertex.test_request import cluster, pool, scaled

WHO = "serviceAccount:a@p.iam.gserviceaccount.com"
SOON = 60  # seconds; generous, so it fails on a bug rather than on a slow machine
NAME = "projects/1/locations/us-central1/persistentResources/a"
SPEC = cluster(pool("head-node"), pool("worker-pool1", 2, "n1-standard-8"))


def made(folder: Path | None, nodes: FakeNodes, ready: float = 60) -> Clusters:
    kept = store.load(folder) if folder else store.Store()
    return Clusters(kept, nodes, ready, poll=0.005)


def state(clusters: Clusters, *wanted: str) -> Callable[[], bool]:
    return lambda: getattr(clusters.store.clusters.get(NAME), "state", "gone") in wanted


async def reached(clusters: Clusters, *wanted: str) -> None:
    for _ in range(12_000):
        if state(clusters, *wanted)():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(clusters.store.clusters.get(NAME))


async def there(nodes: FakeNodes, count: int) -> None:
    """Wait until `count` nodes exist."""
    for _ in range(12_000):
        if len(nodes.there) == count:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(nodes.there)


def create(clusters: Clusters, name: str = NAME, spec: dict[str, Any] = SPEC) -> store.OperationRecord:
    return clusters.create(name, spec, "p", WHO, "v1beta1")


def run(work: Any) -> None:
    asyncio.run(work)


def test_provisioning_until_every_node_is_ready(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes(becomes="starting")
        clusters = made(tmp_path, nodes)
        operation = create(clusters)
        await there(nodes, 3)
        assert (clusters.named(NAME).state, operation.done, len(nodes.there)) == ("PROVISIONING", False, 3)
        nodes.turn("ready")
        await clusters.wait_until_done(operation, SOON)
        assert (clusters.named(NAME).state, operation.code) == ("RUNNING", "")
        assert operation.result["resource_runtime"]["access_uris"] == {
            "RAY_DASHBOARD_URI": clusters.named(NAME).host,
            "RAY_CLIENT_ENDPOINT": f"{clusters.named(NAME).host}:443",
        }
        await clusters.close()

    run(life())


@pytest.mark.parametrize(
    ("becomes", "fails", "told"),
    [
        ("failed", {}, "Node head-node/0 failed: it was told to"),
        (
            "starting",
            {},
            "Nodes not ready within 0.1 s: head-node/0, worker-pool1/0, worker-pool1/1.",
        ),
        ("ready", {"make": "no such image"}, "no such image"),
    ],
)
def test_a_failure_ends_in_error_and_leaves_no_node(
    tmp_path: Path, becomes: str, fails: dict[str, str], told: str
) -> None:
    async def life() -> None:
        nodes = FakeNodes(becomes=becomes, fails=fails)
        clusters = made(tmp_path, nodes, ready=0.1 if becomes == "starting" else 60)
        operation = create(clusters)
        await clusters.wait_until_done(operation, SOON)
        assert (operation.done, operation.code) == (True, "INTERNAL")
        assert told in operation.error
        assert (clusters.named(NAME).state, nodes.there) == ("ERROR", {})
        assert told in store.load(tmp_path).clusters[NAME].error
        await clusters.close()

    run(life())


def test_deleting_during_creation_leaves_nothing(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes(becomes="starting")
        clusters = made(tmp_path, nodes)
        creation = create(clusters)
        await asyncio.sleep(0.02)
        deletion = clusters.delete(NAME, "v1")
        await clusters.wait_until_done(deletion, SOON)
        assert (creation.done, creation.code) == (True, "CANCELLED")
        assert (deletion.done, deletion.code, clusters.store.clusters, nodes.there) == (True, "", {}, {})
        with pytest.raises(RpcError, match="does not exist"):
            clusters.delete(NAME, "v1")
        await clusters.close()

    run(life())


def test_a_failed_removal_is_retried(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes()
        clusters = made(tmp_path, nodes)
        await clusters.wait_until_done(create(clusters), SOON)
        nodes.fails["remove"] = "busy"
        deletion = clusters.delete(NAME, "v1beta1")
        await asyncio.sleep(0.03)
        with pytest.raises(RpcError, match="can't be deleted in state STOPPING"):
            clusters.delete(NAME, "v1beta1")
        with pytest.raises(RpcError, match="already exists"):
            create(clusters)
        nodes.fails.clear()
        await clusters.wait_until_done(deletion, SOON)
        assert (clusters.store.clusters, nodes.there) == ({}, {})
        await clusters.close()

    run(life())


def test_a_second_identical_update_is_completed_too(tmp_path: Path) -> None:
    async def life() -> None:
        clusters = made(tmp_path, FakeNodes())
        await clusters.wait_until_done(create(clusters), SOON)
        async with clusters.changes.condition:  # blocks notifications
            first = clusters.update(NAME, [1, 3], "v1")
            await reached(clusters, "RUNNING")
            second = clusters.update(NAME, [1, 3], "v1")
        await clusters.wait_until_done(second, SOON)
        assert (first.done, second.done, clusters.named(NAME).state) == (True, True, "RUNNING")
        await clusters.close()

    run(life())


def test_a_deleted_clusters_name_can_be_reused(tmp_path: Path) -> None:
    async def life() -> None:
        clusters = made(tmp_path, FakeNodes())
        await clusters.wait_until_done(create(clusters), SOON)
        async with clusters.changes.condition:
            clusters.delete(NAME, "v1")
            await reached(clusters, "gone")
            again = create(clusters)
        await clusters.wait_until_done(again, SOON)
        assert (again.done, clusters.named(NAME).state) == (True, "RUNNING")
        await clusters.close()

    run(life())


def test_a_cancelled_creation_leaves_nothing(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes(becomes="starting")
        clusters = made(tmp_path, nodes)
        creation = create(clusters)
        await asyncio.sleep(0.02)
        clusters.cancel(creation)
        assert (creation.done, creation.code) == (True, "CANCELLED")
        await clusters.changes.wait_for(lambda: not clusters.store.clusters, SOON)
        assert (clusters.store.clusters, nodes.there) == ({}, {})
        clusters.cancel(creation)  # no effect: it is done
        await clusters.wait_until_done(create(clusters), 0.02)
        await clusters.close()

    run(life())


def test_nothing_but_a_creation_can_be_cancelled(tmp_path: Path) -> None:
    async def life() -> None:
        clusters = made(tmp_path, FakeNodes())
        await clusters.wait_until_done(create(clusters), SOON)
        deletion = clusters.delete(NAME, "v1")
        with pytest.raises(RpcError, match="can't be cancelled: only a create operation can") as caught:
            clusters.cancel(deletion)
        assert caught.value.code == "UNIMPLEMENTED"
        await clusters.wait_until_done(deletion, SOON)
        assert (deletion.code, clusters.store.clusters) == ("", {})
        await clusters.close()

    run(life())


def test_a_cancellation_survives_a_kill(tmp_path: Path) -> None:
    nodes = FakeNodes(becomes="starting")

    async def first() -> None:
        clusters = made(tmp_path, nodes)
        creation = create(clusters)
        await asyncio.sleep(0.02)
        clusters.cancel(creation)
        for task in clusters.tasks.values():
            task.cancel()

    async def second() -> None:
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        await clusters.changes.wait_for(lambda: not clusters.store.clusters, SOON)
        (creation,) = clusters.store.operations.values()
        assert (creation.code, clusters.store.clusters, nodes.there) == ("CANCELLED", {}, {})
        await clusters.close()

    asyncio.run(first())
    asyncio.run(second())


def test_a_node_created_but_not_started_is_started(tmp_path: Path) -> None:
    """The control plane was killed in between."""
    nodes = FakeNodes(becomes="made")

    async def first() -> None:
        clusters = made(tmp_path, nodes)
        create(clusters)
        await there(nodes, 3)
        for task in clusters.tasks.values():
            task.cancel()

    async def second() -> None:
        nodes.becomes = "ready"
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        await reached(clusters, "RUNNING")
        assert {one.state for one in nodes.there.values()} == {"ready"}
        await clusters.close()

    asyncio.run(first())
    asyncio.run(second())


@pytest.mark.parametrize("seconds", [0, 0.002, 0.01, 0.03])
@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_killed_control_plane_resumes_its_work(tmp_path: Path, verb: str, seconds: float) -> None:
    nodes = FakeNodes()

    async def first() -> str:
        clusters = made(tmp_path, nodes)
        operation = create(clusters)
        if verb != "create":
            await clusters.wait_until_done(operation, SOON)
            nodes.becomes = "starting"
            begun = {
                "update": lambda: clusters.update(NAME, [1, 4], "v1"),
                "delete": lambda: clusters.delete(NAME, "v1"),
            }
            operation = begun[verb]()
        else:
            nodes.becomes = "starting"
        await asyncio.sleep(seconds)
        for task in clusters.tasks.values():
            task.cancel()
        return operation.name

    async def second(name: str) -> None:
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        nodes.turn("ready")
        operation = clusters.store.operations[name]
        await clusters.wait_until_done(operation, SOON)
        assert (operation.done, operation.code) == (True, "")
        assert len(nodes.there) == {"create": 3, "update": 5, "delete": 0}[verb]
        assert (NAME in clusters.store.clusters) == (verb != "delete")
        await clusters.close()

    name = asyncio.run(first())
    asyncio.run(second(name))


def test_a_start_removes_orphaned_nodes_only(tmp_path: Path) -> None:
    nodes = FakeNodes()

    async def first() -> None:
        clusters = made(tmp_path, nodes)
        await clusters.wait_until_done(create(clusters), SOON)
        await clusters.close()

    async def second() -> None:
        orphan = NodeKey("projects/1/locations/us-central1/persistentResources/lost", "head-node", 0)
        await nodes.create(NodeSpec(orphan, "head", WHO, 0, 0, 1))
        before = [node.key for node in nodes.made]
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        await reached(clusters, "RUNNING")
        assert nodes.removed == [orphan]
        assert [node.key for node in nodes.made] == before
        await clusters.close()

    asyncio.run(first())
    asyncio.run(second())


def test_a_lost_head_is_reported(tmp_path: Path) -> None:
    nodes = FakeNodes()

    async def life() -> None:
        clusters = made(tmp_path, nodes)
        await clusters.wait_until_done(create(clusters), SOON)
        await clusters.close()
        del nodes.there[NodeKey(NAME, "head-node", 0)]
        again = made(tmp_path, nodes)
        await again.resume()
        await reached(again, "ERROR")
        assert again.named(NAME).error == "The head node was lost, and with it the cluster's state."
        await again.close()

    run(life())


def test_an_update_changes_replicas_and_keeps_the_other_nodes(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes()
        clusters = made(tmp_path, nodes)
        await clusters.wait_until_done(create(clusters), SOON)
        await clusters.wait_until_done(clusters.update(NAME, [1, 3], "v1"), SOON)
        await clusters.wait_until_done(clusters.update(NAME, [1, 1], "v1"), SOON)
        assert [(key.pool, key.number) for key in nodes.there] == [("head-node", 0), ("worker-pool1", 0)]
        assert [(key.pool, key.number) for key in nodes.removed] == [("worker-pool1", 1), ("worker-pool1", 2)]
        nodes.becomes = "starting"
        clusters.update(NAME, [1, 2], "v1")
        with pytest.raises(RpcError, match="can't be updated in state UPDATING"):
            clusters.update(NAME, [1, 2], "v1")
        await clusters.close()

    run(life())


def test_hosts_limit_the_number_of_clusters(tmp_path: Path) -> None:
    async def life() -> None:
        clusters = made(tmp_path, FakeNodes())
        for number in range(len(HOSTS)):
            create(clusters, f"{NAME}{number}", cluster(pool("head-node")))
        assert {one.host for one in clusters.store.clusters.values()} == set(HOSTS)
        with pytest.raises(RpcError) as caught:
            create(clusters, f"{NAME}-more")
        assert caught.value.code == "RESOURCE_EXHAUSTED"
        await clusters.close()

    run(life())


def test_an_autoscaled_first_pool_has_one_more_node_for_the_head(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes()
        clusters = made(tmp_path, nodes)
        await clusters.wait_until_done(create(clusters, spec=cluster(scaled("head-node", 2, 5))), SOON)
        assert [node.role for node in nodes.made] == ["head", "cpu-worker", "cpu-worker"]
        await clusters.close()

    run(life())


def test_a_cluster_has_its_own_network_while_it_has_nodes() -> None:
    async def life() -> None:
        nodes = FakeNodes()
        clusters = made(None, nodes)
        await clusters.wait_until_done(create(clusters), SOON)
        assert nodes.networks == [NAME]
        await clusters.wait_until_done(clusters.delete(NAME, "v1"), SOON)
        assert (nodes.networks, nodes.there) == ([], {})
        await clusters.close()

    run(life())


def test_networks_are_repaired_and_orphaned_ones_removed(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes(networks=["projects/1/locations/us-central1/persistentResources/forgotten"])
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        assert nodes.networks == []
        await clusters.wait_until_done(create(clusters), SOON)
        await clusters.close()
        nodes.networks.clear()  # as if the lab's cloud were a new container after a restart
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        for _ in range(12_000):
            if nodes.networks:
                break
            await asyncio.sleep(0.005)
        assert nodes.networks == [NAME]
        await clusters.close()

    run(life())


def test_more_nodes_than_this_machine_holds_are_refused(tmp_path: Path) -> None:
    async def life() -> None:
        nodes = FakeNodes(holds=5)
        clusters = made(tmp_path, nodes)
        await clusters.resume()
        await clusters.wait_until_done(create(clusters), SOON)  # three nodes
        said = (
            "Quota exceeded: the lab's clusters would have 6 nodes, but this machine has memory for 5 (1 GiB each). "
            "Request fewer replicas, or delete a cluster."
        )
        with pytest.raises(RpcError) as made_more:
            create(clusters, NAME + "b")
        with pytest.raises(RpcError) as resized:
            clusters.update(NAME, [1, 5], "v1")
        for refused in (made_more.value, resized.value):
            assert (refused.code, refused.message) == ("RESOURCE_EXHAUSTED", said)
        assert (list(clusters.store.clusters), len(nodes.there)) == ([NAME], 3)
        await clusters.wait_until_done(clusters.update(NAME, [1, 4], "v1"), SOON)
        assert len(nodes.there) == 5
        await clusters.close()

    run(life())
