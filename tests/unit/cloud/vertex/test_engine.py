"""Requests to the Docker engine, and the parsing of its responses."""

from __future__ import annotations

import asyncio
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.names import head_host
from cloud.controlplane.nodes.docker_api import DockerApi, archive
from cloud.controlplane.nodes.engine import ContainerNodes, observed_node
from cloud.controlplane.nodes.hardened import BYTES_PER_PID, SECOND
from cloud.controlplane.nodes.networks import Networks
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec
from raydock import versions
from tests.command import ROOT

CLUSTER = "projects/1/locations/us-central1/persistentResources/a"
WHO = "serviceAccount:a@p.iam.gserviceaccount.com"
ENVIRON = {
    "RAYDOCK_TRUST": "http://ca",
    "NO_PROXY": "localhost",
    "SECRET": "x",
    "https_proxy": "http://cloud:3128",
}


NETWORK = Networks(DockerApi.ask, "raydock").name(CLUSTER)


def engine(socket: str = "/nowhere") -> ContainerNodes:
    return ContainerNodes(socket, "raydock", "raydock", ENVIRON)


def node(role: str, pool: str, number: int = 0) -> NodeSpec:
    head = role == "head"
    return NodeSpec(
        NodeKey(CLUSTER, pool, number),
        role,
        WHO,
        0 if head else 1,
        2 if role == "gpu-worker" else 0,
        2 * 2**30,
    )


def test_a_node_is_hardened_like_the_services_of_compose() -> None:
    body = engine().body(node("gpu-worker", "worker-pool2", 3))
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service, host = compose["x-service"], body["HostConfig"]
    assert (host["Init"], host["CapDrop"], host["SecurityOpt"], host["PidsLimit"]) == (
        service["init"],
        service["cap_drop"],
        service["security_opt"],
        2 * 2**30 // BYTES_PER_PID,
    )
    assert (
        compose["x-node"]["pids_limit"] == 3 * 2**30 // BYTES_PER_PID
    )  # of a node with the memory that is the default
    assert host["RestartPolicy"]["Name"] == service["restart"]
    assert (body["User"], host["Memory"], host["NetworkMode"]) == ("ray", 2 * 2**30, NETWORK)
    assert not {"Privileged", "Binds", "Mounts", "PortBindings", "CapAdd", "Devices"} & set(host)
    assert body["Image"] == f"raydock/gpu-worker:{versions.RAY}"
    assert f"/gpu-worker:{versions.RAY}" in compose["services"]["gpu-worker"]["image"]
    assert body["Cmd"] == ["gpu-worker", "--labels=pool=worker-pool2,gpu=simulated"]
    check, same = body["Healthcheck"], compose["x-worker"]["healthcheck"]
    assert (check["Test"], check["Retries"]) == (same["test"], same["retries"])
    assert [
        f"{check[name] // SECOND}s" for name in ("Interval", "Timeout", "StartPeriod", "StartInterval")
    ] == [same[name] for name in ("interval", "timeout", "start_period", "start_interval")]


def test_a_node_knows_its_head_and_none_of_our_secrets() -> None:
    environment = engine().environment(node("cpu-worker", "worker-pool1"))
    host = head_host(CLUSTER)
    assert environment == {
        "RAYDOCK_TRUST": "http://ca",
        "NO_PROXY": f"localhost,{host}",
        "https_proxy": "http://cloud:3128",
        "RAYDOCK_HEAD": f"{host}:6379",
        "RAYDOCK_CPUS": "1",
        "RAYDOCK_GPUS": "0",
        "RAYDOCK_GPU": "simulated",
    }
    assert re.fullmatch("ray-[0-9a-f]{12}", host)
    (aliases,) = [
        one["Aliases"]
        for one in engine().body(node("head", "head-node"))["NetworkingConfig"]["EndpointsConfig"].values()
    ]
    assert aliases == [host]


def test_clusters_with_the_same_id_in_two_regions_are_separate() -> None:
    other = CLUSTER.replace("us-central1", "europe-west4")
    names = {engine().container(NodeKey(cluster, "head-node", 0)) for cluster in (CLUSTER, other)}
    assert len(names) == 2
    assert engine().networks.name(CLUSTER) != engine().networks.name(other)
    assert head_host(CLUSTER) != head_host(other)


@pytest.mark.parametrize(
    ("state", "status", "kind"),
    [
        ("created", "Created", "made"),
        ("running", "Up 2 seconds (health: starting)", "starting"),
        ("running", "Up 2 seconds (healthy)", "ready"),
        ("running", "Up 2 minutes (unhealthy)", "failed"),
        ("restarting", "Restarting (1) 2 seconds ago", "failed"),
        ("exited", "Exited (1) 2 seconds ago", "failed"),
    ],
)
def test_a_containers_state_is_parsed(state: str, status: str, kind: str) -> None:
    made = node("head", "head-node")
    container: dict[str, Any] = {
        "State": state,
        "Status": status,
        "Labels": engine().labels(made),
        "NetworkSettings": {
            "Networks": {NETWORK: {"IPAddress": "10.0.0.2"}, "other": {"IPAddress": "10.1.0.2"}}
        },
    }
    found = observed_node(container, engine().networks)
    assert (found.key, found.state, found.address, found.principal) == (made.key, kind, "10.0.0.2", WHO)


def test_a_missing_docker_engine(tmp_path: Path) -> None:
    with pytest.raises(NodesFailed, match="The Docker engine does not respond"):
        asyncio.run(engine(str(tmp_path / "none.sock")).list())


def test_files_for_a_container_are_read_only() -> None:
    with tarfile.open(fileobj=io.BytesIO(archive({"secrets/ca_bundle": b"pem"}))) as tar:
        (entry,) = tar.getmembers()
        file = tar.extractfile(entry)
        assert file is not None
        assert (entry.name, entry.mode, file.read()) == ("secrets/ca_bundle", 0o444, b"pem")


CUSTOM = "us-central1-docker.pkg.dev/p/r/mine:1"


def test_a_setting_selects_the_local_image_of_a_custom_one() -> None:
    own = ContainerNodes("/nowhere", "raydock", "raydock", ENVIRON, {CUSTOM: "mine:dev"})
    custom = replace(node("cpu-worker", "worker-pool1"), image=CUSTOM)
    assert own.body(custom)["Image"] == "mine:dev"
    assert own.body(node("head", "head-node"))["Image"] == f"raydock/head:{versions.RAY}"
    assert engine().body(custom)["Image"] == f"raydock/cpu-worker:{versions.RAY}"


def test_the_log_of_a_node_says_which_image_runs_for_a_custom_one() -> None:
    custom = replace(node("cpu-worker", "worker-pool1"), image=CUSTOM)
    assert engine().environment(custom)["RAYDOCK_NOTICE"] == (
        f"raydock/cpu-worker:{versions.RAY} runs instead of {CUSTOM}. Set VERTEX_IMAGES to run a different local image."
    )
