"""The cluster of compose.yaml as a RayCluster, against KubeRay's own definitions."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cloud.kubernetes.apiserver import contents
from cluster.cli import main
from cluster.processes.ray_node import node_module
from kuberay import ephemeral
from kuberay.cluster import cluster_of
from kuberay.errors import NotConfigured
from kuberay.manifest import ManifestOptions, raycluster
from kuberay.spec import chart
from kuberay.spec.options import Given, parse_options
from raydock import topology
from raydock.rayapi.cluster_info import DESCRIPTION
from raydock.settings import ROOT
from raydock.versions import RAY
from tests import kuberaydata
from tests.lab import until

OPTIONS = ManifestOptions("lab", "ray", "ray-head")
COMPOSE = topology.load(ROOT, {})
POOLS = [pool.name for pool in COMPOSE.pools]
HELM = {"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}


def made(**settings: str) -> dict[str, Any]:
    return raycluster(topology.load(ROOT, settings), OPTIONS)


@pytest.fixture(scope="module")
def schema() -> Mapping[str, Any]:
    """The schema of RayCluster v1, with unknown fields refused as `kubectl apply --validate=strict` does."""
    return schema_of("rayclusters")


def schema_of(kind: str) -> Mapping[str, Any]:
    (version,) = contents.definition_of(kind)["spec"]["versions"]
    whole: Mapping[str, Any] = strict(version["schema"]["openAPIV3Schema"])
    return whole


def strict(schema: Any) -> Any:
    """The schema without fields that it does not name, and with Kubernetes' union of number and text."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if "properties" in found and "type" in found and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


CASES = [{}, {"GPU_BUILD": "cuda", "GPU_WORKER_GPUS": "2"}, {"CPU_WORKERS": "0", "HEAD_MEMORY": "1.5g"}]


@pytest.mark.parametrize("settings", CASES)
def test_it_is_valid_and_no_cel_rule_concerns_it(schema: Mapping[str, Any], settings: dict[str, str]) -> None:
    found = made(**settings)
    about = found.pop("metadata")
    assert about == {"name": "lab", "namespace": "ray"}
    jsonschema.validate({**found, "metadata": {}}, relaxed(schema))
    for path in rules(schema):
        assert not present(found, path), path


def test_the_rayjob_of_a_cluster_for_one_job_is_valid() -> None:
    schema, found = schema_of("rayjobs"), ephemeral.rayjob("job-x", made(), 1800, None)
    jsonschema.validate({**found, "metadata": {}}, relaxed(schema))
    for path in rules(schema):
        assert not present(found, path), path


def relaxed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with metadata as Kubernetes has it: any object."""
    return {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}


def rules(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where the schema has CEL rules."""
    if isinstance(schema, dict):
        if "x-kubernetes-validations" in schema:
            yield path
        for name, value in schema.get("properties", {}).items():
            yield from rules(value, (*path, name))
        for nested in ("items", "additionalProperties"):
            yield from rules(schema.get(nested), (*path, "*"))


def present(value: Any, path: tuple[str, ...]) -> bool:
    """Whether a value has something at the path."""
    if not path:
        return True
    if path[0] == "*":
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return any(present(one, path[1:]) for one in inner)
    return isinstance(value, dict) and path[0] in value and present(value[path[0]], path[1:])


def test_a_wrong_field_is_noticed(schema: Mapping[str, Any]) -> None:
    found = made()
    found["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(jsonschema.ValidationError, match="imagee"):
        jsonschema.validate({**found, "metadata": {}}, relaxed(schema))
    assert ("spec", "managedBy") in list(rules(schema))


def test_groups_are_the_pools_of_compose() -> None:
    found = cluster_of(made())
    assert found.accounts() == {"ray-head": ("head", "cpu-worker", "gpu-worker")}
    for group, pool in zip(found.groups, COMPOSE.pools, strict=True):
        assert (group.name, group.image, group.replicas) == (pool.name, pool.image, pool.nodes)
        assert group.resources == {"CPU": pool.cpus, "GPU": pool.gpus, "memory": pool.memory}


@pytest.mark.parametrize("settings", CASES[:2])
def test_ray_is_started_as_in_docker(settings: dict[str, str]) -> None:
    """The operator writes `--KEY=VALUE` into a shell's command line."""
    spec = made(**settings)["spec"]
    groups = {"head": spec["headGroupSpec"]} | {one["groupName"]: one for one in spec["workerGroupSpecs"]}
    real = settings.get("GPU_BUILD") == "cuda"
    environ = {
        "RAYDOCK_GPUS": settings.get("GPU_WORKER_GPUS", "1"),
        "RAYDOCK_GPU": "real" if real else "simulated",
    }
    for role, group in groups.items():
        params = shlex.split(" ".join(f"--{key}={value}" for key, value in group["rayStartParams"].items()))
        here = [
            one
            for one in node_module(ROOT).ray_arguments(role, environ)
            if re.match("--(num|labels|resources)", one)
        ]
        assert sorted(params) == sorted(one for one in here if one != "--resources={}")
        limits = group["template"]["spec"]["containers"][0]["resources"]
        assert limits["requests"] == limits["limits"]
        assert limits["limits"].get("nvidia.com/gpu") == ("2" if real and role == "gpu-worker" else None)


def test_a_node_reports_its_packages(tmp_path: Path) -> None:
    logs = tmp_path / "ray/session_1/logs"
    logs.mkdir(parents=True)
    (tmp_path / "ray/session_latest").symlink_to(logs.parent)
    spec = made()["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        hook = group["template"]["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"]
        here = [word.replace("/opt/raydock/", f"{ROOT}/docker/") for word in hook]
        env = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "RAY_TMPDIR": str(tmp_path)}
        for command in (here, hook):  # other images have no such file
            subprocess.run(command, env=env, check=True, timeout=600)
        until((logs / DESCRIPTION).exists)
        assert json.loads((logs / DESCRIPTION).read_text())["packages"]["ray"] == RAY
        (logs / DESCRIPTION).unlink()


def test_invalid_options_are_refused() -> None:
    for given, message in (
        (Given("my_lab"), "Invalid name 'my_lab' for a RayCluster"),
        (Given("lab", service_account="a@p.iam.gserviceaccount.com"), "is a Google account; pods have"),
        (Given("lab", service_account="Head"), "Invalid Kubernetes service account 'Head'"),
        (Given("lab", labels=["a=b c"]), "Invalid label 'a=b c'"),
        (Given("lab", labels=["a"]), "Invalid label 'a'"),
        (Given("lab", images=["gpu=x:1"]), "there is no pool 'gpu'; the pools: head, cpu-worker, gpu-worker"),
        (Given("lab", images=["UPPER:1"]), "'UPPER:1' is not the name of an image"),
        (Given("lab", autoscale="4:1"), "Invalid --autoscale '4:1'"),
    ):
        with pytest.raises(NotConfigured, match=message):
            parse_options(given, POOLS)


def test_options_reach_the_object() -> None:
    images = ["rayproject/ray:2.47.1-py311", "gpu-worker=localhost:5000/a/gpu:1"]
    given = Given("lab", labels=["kueue.x-k8s.io/queue-name=team"], images=images, autoscale="1:3")
    found = raycluster(COMPOSE, parse_options(given, POOLS))
    read = cluster_of(found)
    assert read.queue == "team"
    assert [group.image for group in read.groups] == [images[0], images[0], "localhost:5000/a/gpu:1"]
    assert [(group.least, group.replicas, group.most) for group in read.groups[1:]] == [(1, 2, 3), (1, 1, 3)]


@pytest.mark.parametrize("case", kuberaydata.CASES)
def test_the_chart_makes_the_same_object(case: str) -> None:
    """Field by field, but for what the chart cannot set: health checks; it adds Helm's own labels."""
    recorded, wanted = kuberaydata.chart_cases()[case], kuberaydata.manifest(case)
    assert chart.values(wanted) == recorded["values"], "run python -m tests.kuberaydata"
    made = without_helm(recorded["rendered"])
    spec = wanted["spec"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        for name in ("readinessProbe", "livenessProbe"):
            del group["template"]["spec"]["containers"][0][name]
    assert made == wanted | {"spec": spec | {"workerGroupSpecs": spec["workerGroupSpecs"] or None}}


def without_helm(cluster: dict[str, Any]) -> dict[str, Any]:
    """The object without the labels that mark Helm's objects."""
    spec = cluster["spec"]
    groups = (spec["headGroupSpec"], *(spec["workerGroupSpecs"] or []))
    for part in (cluster, *(group["template"] for group in groups)):
        assert set(part["metadata"].pop("labels")) <= HELM
        if not part["metadata"]:
            del part["metadata"]
    return cluster


def test_the_chart_cannot_express_everything() -> None:
    for given, message in (
        (Given("lab", labels=["a=b"]), "no value for the labels of the RayCluster"),
        (Given("lab", images=[f"x@sha256:{'0' * 64}"]), "can't express the image x@sha256"),
    ):
        with pytest.raises(NotConfigured, match=message):
            chart.values(raycluster(COMPOSE, parse_options(given, POOLS)))


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["manifest", "--name", "lab", "--namespace", "ray", "--service-account", "ray-head"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert json.loads(json.dumps(found)) == found
    assert (found["kind"], found["metadata"]) == ("RayCluster", {"name": "lab", "namespace": "ray"})
    assert main(["manifest", "--name", "Lab"]) == 2
    assert main(["manifest", "--name", "lab", "--helm"]) == 0
    out = capsys.readouterr().out
    assert "#   helm install lab kuberay/ray-cluster -f values.yaml\n" in out
    assert yaml.safe_load(out)["fullnameOverride"] == "lab"
