"""Matching members with nodes, and the table."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from cluster.docker.engine import NUMBER, SERVICE, member
from cluster.status import Member, as_json, missing, rows, table
from raydock.rayapi.connection import Gateway
from raydock.rayapi.nodes import Node, parse

GIB = 2**30
HEAD = Node("a", "head", "vm", "head", 0, 0, False, 2 * GIB, GIB, "ALIVE", 1)
WORKER = Node("b", "172.18.0.3", "b0b0", "cpu-worker", 1, 0, False, 2 * GIB, GIB, "ALIVE", 2)
GPU = Node("c", "172.18.0.4", "c0c0", "gpu-worker", 16, 4, True, 300 * GIB, GIB, "ALIVE", 3)
MEMBERS = [
    Member("head", "head", "head", True),
    Member("cpu-worker-1", "cpu-worker", "b0b0", True),
    Member("gpu-worker-1", "gpu-worker", "c0c0", True),
]


def test_the_table() -> None:
    assert table(rows(MEMBERS, [HEAD, WORKER, GPU])) == (
        "NODE          POOL        CPUS  GPUS           MEMORY     STATE\n"
        "head          head        0     0              2.0 GiB    ALIVE\n"
        "cpu-worker-1  cpu-worker  1     0              2.0 GiB    ALIVE\n"
        "gpu-worker-1  gpu-worker  16    4 (simulated)  300.0 GiB  ALIVE"
    )


def test_a_real_gpu_is_shown_with_its_memory() -> None:
    real = replace(GPU, simulated=False, gpus=2, gpu_name="Tesla-T4", gpu_memory=15 * GIB)
    assert "  16    2 (15.0 GiB)  300.0 GiB  ALIVE" in table([real])
    assert "  16    2     300.0 GiB  ALIVE" in table([replace(real, gpu_memory=0)])


def test_the_table_fits_80_columns() -> None:
    name = "a-worker-with-a-very-long-name-10"
    wide = replace(GPU, name=name, pool=name, state="STARTING", gpus=16, cpus=1024)
    assert max(map(len, table([wide]).splitlines())) <= 80


def test_a_stopped_member_is_dead_before_ray_notices() -> None:
    killed = [MEMBERS[0], replace(MEMBERS[1], running=False)]
    assert [(row.name, row.state) for row in rows(killed, [HEAD, WORKER])] == [
        ("head", "ALIVE"),
        ("cpu-worker-1", "DEAD"),
    ]
    assert missing(killed, [HEAD, WORKER]) == ["cpu-worker-1"]


def test_a_member_that_ray_has_not_seen_is_starting() -> None:
    assert [row.state for row in rows(MEMBERS[:2], [HEAD])] == ["ALIVE", "STARTING"]
    assert missing(MEMBERS[:2], [HEAD]) == ["cpu-worker-1"]


def test_only_the_newest_node_of_a_restarted_member_counts() -> None:
    anew = replace(WORKER, id="d", name="172.18.0.9", started=9)
    assert [row.id for row in rows(MEMBERS[:2], [HEAD, anew, WORKER])] == ["a", "d"]
    assert missing(MEMBERS[:2], [HEAD, anew, replace(WORKER, state="DEAD")]) == []


def test_an_older_node_of_the_same_name_belongs_to_another_member() -> None:
    anew = replace(MEMBERS[1], since=WORKER.started + 1)
    assert missing([anew], [WORKER]) == ["cpu-worker-1"]
    assert [row.state for row in rows([anew], [WORKER])] == ["STARTING"]


def test_a_member_restarted_by_docker_is_always_one_row() -> None:
    """The container crashed and runs again. Ray lists the old node as alive until its health check fails."""
    again = [MEMBERS[0], replace(MEMBERS[1], since=WORKER.started + 100)]
    assert [(row.name, row.state) for row in rows(again, [HEAD, WORKER])] == [
        ("head", "ALIVE"),
        ("cpu-worker-1", "STARTING"),
    ]
    assert missing(again, [HEAD, WORKER]) == ["cpu-worker-1"]
    for name in (WORKER.name, "172.18.0.9"):  # its address may have changed
        anew = replace(WORKER, id="d", name=name, started=WORKER.started + 200)
        for nodes in ([HEAD, WORKER, anew], [HEAD, anew, WORKER]):
            assert [(row.name, row.id, row.state) for row in rows(again, nodes)] == [
                ("head", "a", "ALIVE"),
                ("cpu-worker-1", "d", "ALIVE"),
            ]
            assert missing(again, nodes) == []


def test_a_hostname_equal_to_a_node_name_does_not_match() -> None:
    nodes = [replace(HEAD, host="head"), replace(WORKER, name="cpu-worker-1", host="head")]
    members = [MEMBERS[0], replace(MEMBERS[1], node="cpu-worker-1")]
    assert [(row.name, row.id) for row in rows(members, nodes)] == [("head", "a"), ("cpu-worker-1", "b")]


def test_a_nodes_host_is_the_one_it_reports() -> None:
    """The dashboard learns it only some time after the node has started."""
    told = {
        "node_id": "d", "node_name": "172.18.0.3", "state": "ALIVE", "start_time_ms": 9,
        "labels": {"pool": "cpu-worker", "host": "b0b0"}, "resources_total": {"CPU": 1.0},
    }  # fmt: skip
    assert parse(told, {}).host == "b0b0"
    assert parse({**told, "labels": {}}, {"d": "vm"}).host == "vm"


@pytest.mark.parametrize(
    ("time", "since"),
    [
        ("1970-01-01T00:00:01.234567891Z", 1234),
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1970-01-01T00:00:01Z", 1000),
        ("0001-01-01T00:00:00Z", 0),  # never started
    ],
)
def test_the_engines_timestamps(time: str, since: int) -> None:
    class Container:
        labels: ClassVar = {SERVICE: "cpu-worker", NUMBER: "1"}
        attrs: ClassVar = {"Config": {"Hostname": "b0b0"}, "State": {"StartedAt": time}}
        status = "running"

    assert member(Container()) == Member("cpu-worker-1", "cpu-worker", "b0b0", True, since)


def test_foreign_nodes_are_shown_while_alive() -> None:
    guest = replace(WORKER, id="g", name="10.0.0.9", host="elsewhere", pool="-")
    assert [row.name for row in rows(MEMBERS[:1], [HEAD, guest])] == ["head", "10.0.0.9"]
    assert len(rows(MEMBERS[:1], [HEAD, replace(guest, state="DEAD")])) == 1


def test_rows_are_sorted_by_pool_and_number() -> None:
    members = [Member(f"cpu-worker-{n}", "cpu-worker", str(n), True) for n in (10, 9)] + MEMBERS[:1]
    assert [row.name for row in rows(members, [])] == ["head", "cpu-worker-9", "cpu-worker-10"]


def test_json_is_versioned() -> None:
    answer = as_json("docker", Gateway("http://127.0.0.1:8265", "k"), [GPU])
    assert (answer["version"], answer["kind"], answer["dashboard"]) == (1, "docker", "http://127.0.0.1:8265")
    assert answer["link"] == "http://127.0.0.1:8265/?token=k"
    assert answer["nodes"] == [
        {
            "id": "c", "name": "172.18.0.4", "host": "c0c0", "pool": "gpu-worker", "cpus": 16, "gpus": 4,
            "simulated": True, "memory": 300 * GIB, "object_store": GIB, "state": "ALIVE", "started": 3,
            "gpu_name": "", "gpu_memory": 0,
        }
    ]  # fmt: skip
