"""Pods as containers: their arguments, their restrictions, and what the lab can't give."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloud.controlplane.nodes.docker_api import DockerApi
from cloud.kubernetes.operator.wanted import pods_of
from cloud.kubernetes.pods.containers import Containers, running_pod
from cloud.kubernetes.pods.runner import CannotStart
from cloud.kubernetes.pods.spec import require_supported, unschedulable
from cluster.processes.ray_node import node_module
from raydock.settings import ROOT
from tests.unit.cloud.kubernetes.fakeapi import manifest

GIB = 2**30
RUNNER = Containers(
    "/nowhere", "raydock", {"NO_PROXY": "localhost", "https_proxy": "http://cloud:3128", "SECRET": "x"}
)


def pods(**settings: str) -> dict[str, dict[str, Any]]:
    """The pods of our own manifest, by name."""
    cluster = manifest(**settings)
    cluster["metadata"]["uid"] = "u"
    return {plan.name: with_uid(plan.body()) for plan in pods_of(cluster)}


def with_uid(pod: dict[str, Any]) -> dict[str, Any]:
    return {**pod, "metadata": {**pod["metadata"], "uid": f"uid-{pod['metadata']['name']}"}}


@pytest.mark.parametrize(
    ("name", "role", "pool"),
    [("lab-head", "head", "head"), ("lab-cpu-worker-worker-0", "cpu-worker", "cpu-worker"),
     ("lab-gpu-worker-worker-0", "gpu-worker", "gpu-worker")],
)  # fmt: skip
def test_a_pod_starts_ray_as_in_docker(name: str, role: str, pool: str) -> None:
    """Ray takes the last one of equal arguments: the manifest's follow those of docker/node.py."""
    (container,) = pods()[name]["spec"]["containers"]
    first, *arguments = container["args"]
    environ = {one["name"]: one["value"] for one in container["env"]} | {"RAYDOCK_GPU": "simulated"}
    ours = node_module(ROOT).ray_arguments(role, environ)
    assert first == role
    last = {one.partition("=")[0]: one.partition("=")[2] for one in [*ours, *arguments]}
    own = {one.partition("=")[0]: one.partition("=")[2] for one in ours}
    assert {key: value for key, value in last.items() if own[key] != value} == {}
    assert f"pool={pool}" in last["--labels"]


def test_a_container_is_hardened_and_led_to_the_labs_google_cloud() -> None:
    body = RUNNER.body(pods()["lab-head"], "default/lab", "sha256:1")
    host = body["HostConfig"]
    assert (host["CapDrop"], host["SecurityOpt"], host["Memory"], host["ShmSize"]) == (
        ["ALL"], ["no-new-privileges:true"], 3 * GIB, 900 * 2**20,
    )  # fmt: skip
    assert not {"Privileged", "Binds", "Mounts", "PortBindings", "CapAdd", "Devices"} & set(host)
    environ = dict(one.split("=", 1) for one in body["Env"])
    service = "lab-head-svc"
    names = [service, f"{service}.default", f"{service}.default.svc.cluster.local"]
    assert environ["NO_PROXY"].split(",") == ["localhost", *names]
    assert environ["RAYDOCK_HEAD"] == f"{service}:6379"
    assert "SECRET" not in environ
    ((network, endpoint),) = body["NetworkingConfig"]["EndpointsConfig"].items()
    assert (network, endpoint["Aliases"]) == (RUNNER.networks.name("default/lab"), names)
    labels = body["Labels"]
    found = running_pod(
        {"Id": "c", "Labels": labels, "Status": "Up 2 seconds (healthy)", "State": "running",
         "NetworkSettings": {"Networks": {network: {"IPAddress": "10.0.0.9"}}}},
        RUNNER.networks,
    )  # fmt: skip
    assert (found.uid, found.cluster, found.state, found.address) == (
        "uid-lab-head", "default/lab", "ready", "10.0.0.9",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "ErrImagePull: This machine's Docker engine has no image x:1, and the lab pulls none"),
        ({"Config": {"Entrypoint": ["sh"]}}, "CreateContainerError: The image x:1 does not extend one of"),
        ({"Id": "sha256:1", "Config": {"Entrypoint": ["python3", "/opt/raydock/node.py"]}}, ""),
    ],
)
def test_only_images_of_the_lab_on_this_machine_run(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], reason: str
) -> None:
    async def ask(self: DockerApi, verb: str, path: str, accepted: tuple[int, ...] = ()) -> Any:
        assert (verb, path, accepted) == ("GET", "/images/x:1/json", (404,))
        return answer

    monkeypatch.setattr(DockerApi, "ask", ask)
    found = ""
    try:
        assert asyncio.run(RUNNER.image_id("x:1")) == "sha256:1"
    except CannotStart as fault:
        found = f"{fault.reason}: {fault.message}"
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


@pytest.mark.parametrize("image", ["../containers/x", "a/../../info", "x?y=1", "x#y", "", "a//b", "x:1\n"])
def test_an_image_name_is_no_other_path_of_the_engine(image: str) -> None:
    with pytest.raises(CannotStart, match="is not the name of an image"):
        asyncio.run(RUNNER.image_id(image))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hostNetwork": True}, "hostNetwork"),
        ({"initContainers": [{"name": "x"}]}, "initContainers"),
        ({"containers": [{"name": "a"}, {"name": "b"}]}, "more than one container"),
        ({"containers": [{"name": "a", "command": ["sh"]}]}, "command"),
        ({"containers": [{"name": "a", "env": [{"name": "K", "valueFrom": {}}]}]}, "env K with valueFrom"),
        ({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "volume host"),
    ],
)
def test_what_the_lab_cannot_give_is_named(change: dict[str, Any], named: str) -> None:
    pod = pods()["lab-head"]
    require_supported(pod)
    with pytest.raises(CannotStart, match=f"^The lab's pods can't have {named}.$"):
        require_supported({**pod, "spec": {**pod["spec"], **change}})


def test_a_real_gpu_is_insufficient() -> None:
    found = unschedulable(list(pods(GPU_BUILD="cuda").values()), 100 * GIB)
    assert found == {"uid-lab-gpu-worker-worker-0": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}
