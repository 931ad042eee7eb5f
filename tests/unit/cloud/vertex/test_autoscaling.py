"""Autoscaling: what the head reports, what is decided, and what becomes of the nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cloud.controlplane.autoscaling.decide import Demand, NodeState, PoolState, numbers
from cloud.controlplane.autoscaling.load import Bundle, Group, Load, NodeUsage, parse
from cloud.controlplane.autoscaling.scaler import STALE, Autoscaler
from cloud.controlplane.lifecycle import store
from cloud.controlplane.lifecycle.clusters import Clusters
from tests.fakes import FakeNodes
from tests.unit.cloud.vertex.test_life import NAME, SOON, WHO, run
from tests.unit.cloud.vertex.test_request import cluster, pool, scaled

CPU: Bundle = {"CPU": 1.0, "GPU": 0.0, "memory": 100.0}
GPU: Bundle = {"CPU": 4.0, "GPU": 1.0, "memory": 100.0}
BUSY = NodeState(0, {"CPU": 0.0, "memory": 100.0})
LOTS = 100


def cpus(low: int, high: int, *nodes: NodeState, first: int = 0) -> PoolState:
    return PoolState("cpus", low, high, CPU, nodes, first)


def tasks(*bundles: Bundle) -> Demand:
    return Demand(tuple(Group((one,)) for one in bundles))


def group(strategy: str, *bundles: Bundle) -> Demand:
    return Demand((Group(bundles, strategy),))


ONE: Bundle = {"CPU": 1.0}
IDLE = [NodeState(n, dict(CPU), idle) for n, idle in enumerate((301.0, 10.0, 302.0))]


@pytest.mark.parametrize(
    ("pools", "demand", "wanted"),
    [
        pytest.param([cpus(1, 3, BUSY)], Demand(), {"cpus": (0,)}, id="nothing to do"),
        pytest.param([cpus(1, 3, BUSY)], tasks(ONE, ONE), {"cpus": (0, 1, 2)}, id="one node per task"),
        pytest.param([cpus(1, 3, BUSY)], tasks(*[ONE] * 9), {"cpus": (0, 1, 2)}, id="up to the maximum"),
        pytest.param([cpus(0, 3)], tasks(ONE), {"cpus": (0,)}, id="from zero"),
        pytest.param([cpus(0, 3, first=1)], tasks(ONE), {"cpus": (1,)}, id="the head keeps number 0"),
        pytest.param([cpus(2, 3)], Demand(), {"cpus": (0, 1)}, id="up to the minimum"),
        pytest.param(
            [cpus(1, 3, NodeState(0, dict(CPU)))], tasks(ONE), {"cpus": (0,)}, id="a free node suffices"
        ),
        pytest.param(
            [cpus(0, 3, NodeState(0, None))], tasks(ONE), {"cpus": (0,)}, id="a starting node counts"
        ),
        pytest.param([cpus(0, 3)], tasks({"CPU": 2.0}), {"cpus": ()}, id="what never fits adds nothing"),
        pytest.param([cpus(0, 3)], tasks({"TPU": 1.0}), {"cpus": ()}, id="an unknown resource adds nothing"),
        pytest.param(
            [cpus(0, 3), PoolState("gpus", 0, 2, GPU)],
            tasks(ONE, {"CPU": 1.0, "GPU": 1.0}),
            {"cpus": (), "gpus": (0,)},
            id="a free CPU of a GPU node is used",
        ),
        pytest.param(
            [PoolState("gpus", 0, 2, GPU), cpus(0, 3)],
            tasks(ONE),
            {"gpus": (), "cpus": (0,)},
            id="a task without GPU starts no GPU node",
        ),
        pytest.param(
            [cpus(0, 9)], group("STRICT_SPREAD", *[{"CPU": 0.5}] * 2), {"cpus": (0, 1)}, id="strict spread"
        ),
        pytest.param([cpus(0, 9)], group("PACK", *[{"CPU": 0.5}] * 2), {"cpus": (0,)}, id="pack"),
        pytest.param([cpus(0, 9)], group("STRICT_PACK", *[{"CPU": 0.6}] * 2), {"cpus": ()}, id="strict pack"),
        pytest.param([cpus(0, 9)], tasks(*[ONE] * 9), {"cpus": (0, 1, 2, 3, 4)}, id="five start at a time"),
        pytest.param([cpus(1, 3, *IDLE)], Demand(), {"cpus": (1,)}, id="idle nodes are removed"),
        pytest.param(
            [cpus(2, 3, *IDLE)], Demand(), {"cpus": (0, 1)}, id="down to the minimum, longest idle first"
        ),
        pytest.param(
            [cpus(0, 3, *IDLE[::2])], tasks(ONE), {"cpus": (0,)}, id="a node for pending demand is kept"
        ),
        pytest.param(
            [cpus(0, 3, *IDLE)],
            Demand(requested=(ONE, ONE)),
            {"cpus": (0, 1)},
            id="requested resources are kept",
        ),
        pytest.param(
            [cpus(0, 3, BUSY)],
            Demand(requested=(ONE, ONE)),
            {"cpus": (0, 1)},
            id="requested resources are added",
        ),
    ],
)
def test_decisions(pools: list[PoolState], demand: Demand, wanted: Mapping[str, tuple[int, ...]]) -> None:
    assert numbers(pools, demand, LOTS) == wanted


def test_the_machine_limits_the_nodes() -> None:
    assert numbers([cpus(1, 9, BUSY)], tasks(ONE, ONE, ONE), 1) == {"cpus": (0, 1)}
    assert numbers([cpus(1, 9, BUSY)], tasks(ONE), 0) == {"cpus": (0,)}


# From Ray 2.47.1: a head, a node in use, an idle node, and one with an actor that uses no resources.
STATUS = {
    "data": {
        "clusterStatus": {
            "time": 1795727412.9,
            "loadMetricsReport": {
                "resourceDemand": [[{"CPU": 1.0}, 2], [{}, 4]],
                "pgDemand": [[{"strategy": "STRICT_SPREAD", "bundles": [[{"CPU": 1.0}, 2]]}, 1]],
                "requestDemand": [[{"CPU": 1.0}, 3]],
                "usageByNode": {
                    "c1": {
                        "node:10.0.0.1": [0.0, 1.0],
                        "memory": [0.0, 5.0],
                        "node:InternalHead": [0.0, 1.0],
                    },
                    "e3": {"node:10.0.0.2": [0.0, 1.0], "CPU": [1.0, 1.0], "objectStoreMemory": [0.0, 9.0]},
                    "f3": {"node:10.0.0.3": [0.0, 1.0], "CPU": [0.0, 1.0], "simulatedGpu": [0.0, 1.0]},
                    "f4": {"node:10.0.0.4": [0.0, 1.0], "CPU": [0.0, 1.0]},
                },
            },
        }
    }
}
NODES = {
    "data": {
        "summary": [
            {
                "ip": "10.0.0.3",
                "raylet": {"coreWorkersStats": [{"actorId": "f" * 32, "numRunningTasks": "0"}]},
            },
            {"ip": "10.0.0.4", "raylet": {"coreWorkersStats": [{"actorId": "ab12", "numRunningTasks": "0"}]}},
        ]
    }
}


def test_the_heads_report_is_parsed() -> None:
    load = parse(STATUS, NODES)
    assert load is not None
    assert load.pending == (
        Group(({"CPU": 1.0},)),
        Group(({"CPU": 1.0},)),
        Group(({"CPU": 1.0}, {"CPU": 1.0}), "STRICT_SPREAD"),
    )
    assert load.requested == ({"CPU": 1.0},) * 3
    assert {key: (one.available.get("CPU"), one.busy) for key, one in load.usage.items()} == {
        "10.0.0.1": (None, False),
        "10.0.0.2": (0.0, True),
        "10.0.0.3": (1.0, False),
        "10.0.0.4": (1.0, True),
    }
    assert parse({"data": {"clusterStatus": None}}, {}) is None


class Head:
    """What the head reports: pending tasks, and which nodes are busy."""

    def __init__(self, nodes: FakeNodes) -> None:
        self.nodes = nodes
        self.pending = 0
        self.busy: set[int] = set()
        self.age = 0.0

    async def read(self, address: str) -> Load:
        usage = {
            one.address: NodeUsage(
                CPU, {**CPU, "CPU": 0.0} if key.number in self.busy else CPU, key.number in self.busy
            )
            for key, one in self.nodes.there.items()
            if one.state == "ready"
        }
        return Load((Group((ONE,)),) * self.pending, (), usage, time.time() - self.age)


async def started(
    folder: Path, spec: dict[str, Any], holds: int = 2000
) -> tuple[FakeNodes, Clusters, Head, Autoscaler, list[float]]:
    nodes = FakeNodes(holds=holds)
    clusters = Clusters(store.load(folder), nodes, 60, poll=0.005)
    await clusters.resume()
    await clusters.wait_until_done(clusters.create(NAME, spec, "p", WHO, "v1"), SOON)
    await settle(clusters)
    head, clock = Head(nodes), [0.0]
    return nodes, clusters, head, Autoscaler(clusters, head.read, clock=lambda: clock[0]), clock


async def settle(clusters: Clusters) -> None:
    task = clusters.tasks.get(NAME)
    if task:
        await asyncio.wait([task])


async def step(scaler: Autoscaler) -> list[tuple[str, int]]:
    """One decision, carried out. Returns the nodes."""
    await scaler.scale(scaler.clusters.named(NAME))
    await settle(scaler.clusters)
    nodes = scaler.clusters.nodes
    assert isinstance(nodes, FakeNodes)
    return sorted((key.pool, key.number) for key in nodes.there)


@pytest.mark.covers(
    "resource_pools.autoscaling_spec.min_replica_count", "resource_pools.autoscaling_spec.max_replica_count"
)
@pytest.mark.parametrize("low", [0, 1])
def test_demand_adds_nodes_and_idle_ones_leave(tmp_path: Path, low: int) -> None:
    """With a separate pool for the head, and with workers in the head's pool; the state stays RUNNING."""

    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", low, 3))
        _, clusters, head, scaler, clock = await started(tmp_path, spec)
        before = [("head-node", 0), *[("workers", n) for n in range(low)]]
        assert await step(scaler) == before
        head.pending = 9
        assert await step(scaler) == [("head-node", 0), *[("workers", n) for n in range(3)]]
        assert clusters.named(NAME).state == "RUNNING"
        assert store.load(tmp_path).clusters[NAME].scaled == {"workers": [0, 1, 2]}

        head.pending, head.busy = 0, {1}
        await step(scaler)
        clock[0] = 299
        assert len(await step(scaler)) == 4
        clock[0] = 301
        assert await step(scaler) == [("head-node", 0), ("workers", 1)]
        head.busy = set()
        await step(scaler)
        clock[0] = 700
        assert len(await step(scaler)) == 1 + low
        await clusters.close()

    run(life())


def test_a_new_node_with_the_number_of_a_removed_one_is_not_idle(tmp_path: Path) -> None:
    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", 0, 3))
        _, clusters, head, scaler, clock = await started(tmp_path, spec)
        for seconds, pending, nodes in (
            (0, 1, 2),
            (0, 0, 2),
            (301, 0, 1),
            (302, 1, 2),
            (303, 0, 2),
            (604, 0, 1),
        ):
            clock[0], head.pending = seconds, pending
            assert len(await step(scaler)) == nodes, seconds
        await clusters.close()

    run(life())


def test_the_head_of_an_autoscaled_pool_stays(tmp_path: Path) -> None:
    async def life() -> None:
        _, clusters, head, scaler, clock = await started(tmp_path, cluster(scaled("head-node", 0, 2)))
        head.pending = 1
        assert await step(scaler) == [("head-node", 0), ("head-node", 1)]
        head.pending = 0
        await step(scaler)
        clock[0] = 301
        assert await step(scaler) == [("head-node", 0)]
        await clusters.close()

    run(life())


def test_a_node_that_could_not_be_created_is_tried_again(tmp_path: Path) -> None:
    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", 0, 3))
        nodes, clusters, head, scaler, _ = await started(tmp_path, spec)
        head.pending = 1
        nodes.fails["make"] = "no memory"
        assert await step(scaler) == [("head-node", 0)]
        assert clusters.named(NAME).state == "RUNNING"
        nodes.fails.clear()
        assert await step(scaler) == [("head-node", 0), ("workers", 0)]
        await clusters.close()

    run(life())


def test_an_old_report_and_a_full_machine_add_nothing(tmp_path: Path) -> None:
    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", 0, 3))
        _, clusters, head, scaler, _ = await started(tmp_path, spec, holds=2)
        head.pending, head.age = 3, STALE + 1
        assert await step(scaler) == [("head-node", 0)]
        head.age = 0
        assert await step(scaler) == [("head-node", 0), ("workers", 0)]
        assert await step(scaler) == [("head-node", 0), ("workers", 0)]
        await clusters.close()

    run(life())


def test_a_deletion_while_nodes_are_added_leaves_nothing(tmp_path: Path) -> None:
    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", 0, 3))
        nodes, clusters, head, scaler, _ = await started(tmp_path, spec)
        head.pending = 3
        await scaler.scale(clusters.named(NAME))  # the nodes are added by a task that has not run yet
        await clusters.wait_until_done(clusters.delete(NAME, "v1"), SOON)
        assert (nodes.there, clusters.store.clusters) == ({}, {})
        await clusters.close()

    run(life())


def test_a_restart_keeps_the_number_of_nodes(tmp_path: Path) -> None:
    async def life() -> None:
        spec = cluster(pool("head-node"), scaled("workers", 0, 3))
        nodes, clusters, head, scaler, _ = await started(tmp_path, spec)
        head.pending = 2
        await step(scaler)
        await clusters.close()
        again = Clusters(store.load(tmp_path), nodes, 60, poll=0.005)
        await again.resume()
        await settle(again)
        assert (len(nodes.there), nodes.removed) == (3, [])
        await again.close()

    run(life())
