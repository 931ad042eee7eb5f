"""Validation of requests: fields and messages."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cloud.controlplane import config as own_config
from cloud.controlplane import errors, names
from cloud.controlplane.autoscaling.infeasible import infeasible
from cloud.controlplane.autoscaling.load import Group, Load, NodeUsage
from cloud.controlplane.errors import RpcError
from cloud.controlplane.nodes import images, machine_types, node_sizing
from cloud.controlplane.nodes.node_sizing import ClusterShape
from cloud.controlplane.validation import create, update
from iam.errors import IamError
from raydock.machine import here
from vertex.spec import built_in_gpus

IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"
GIB = 2**30


def pool(name: str, count: int = 1, machine: str = "n1-standard-16", **more: Any) -> dict[str, Any]:
    return {"id": name, "replica_count": str(count), "machine_spec": {"machine_type": machine}, **more}


def cluster(*pools: dict[str, Any], **runtime: Any) -> dict[str, Any]:
    images_of = {one["id"]: IMAGE for one in pools}
    return {
        "resource_pools": list(pools),
        "resource_runtime_spec": {"ray_spec": {"resource_pool_images": images_of}, **runtime},
    }


def scaled(name: str, low: int, high: int) -> dict[str, Any]:
    found = pool(name, autoscaling_spec={"min_replica_count": str(low), "max_replica_count": str(high)})
    del found["replica_count"]
    return found


SOUND = cluster(pool("head-node"), pool("worker-pool1", 2, "n1-standard-8"))


def test_a_valid_request_has_no_problems() -> None:
    assert create.problems("a-1", SOUND) == []
    assert create.problems("a", cluster(pool("head-node"), scaled("worker-pool1", 0, 3))) == []


@pytest.mark.parametrize("identifier", ["", "A", "1a", "a-", "a_b", "a" * 64, "a\n"])
def test_ids(identifier: str) -> None:
    ((field, said),) = create.problems(identifier, SOUND)
    assert field == "persistent_resource_id"
    assert said == f'"{identifier}" does not match [a-z]([-a-z0-9]{{0,61}}[a-z0-9])? (1 to 63 characters).'


GPU = {"machine_spec": {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4"}}
DISK = "resource_pools[0].disk_spec"
WRONG = [
    (
        {**scaled("p", 1, 3), "replica_count": "4"},
        "resource_pools[0].replica_count",
        "4 is not between min_replica_count, 1, and max_replica_count, 3.",
    ),
    (pool("p", 0), "resource_pools[0].replica_count", "0 is less than 1."),
    (pool("p", 1001), "resource_pools[0].replica_count", "1001 nodes exceed the limit of 1000 per pool."),
    (
        pool("p", disk_spec={"boot_disk_size_gb": 99}),
        f"{DISK}.boot_disk_size_gb",
        "99 is not between 100 and 64000.",
    ),
    (
        pool("p", disk_spec={"boot_disk_size_gb": 64001}),
        f"{DISK}.boot_disk_size_gb",
        "64001 is not between 100 and 64000.",
    ),
    (
        pool("p", disk_spec={"boot_disk_type": "floppy"}),
        f"{DISK}.boot_disk_type",
        '"floppy" is not one of pd-ssd, pd-standard, hyperdisk-balanced.',
    ),
    (
        pool("p", machine="n9"),
        "resource_pools[0].machine_spec.machine_type",
        'Machine type "n9" is not supported.',
    ),
    (
        scaled("p", 2, 2),
        "resource_pools[0].autoscaling_spec.max_replica_count",
        "2 must be greater than min_replica_count, 2.",
    ),
]


G4 = {
    "machine_type": "g4-standard-48",
    "accelerator_type": "NVIDIA_RTX_PRO_6000",
    "accelerator_count": 1,
}


def test_some_machine_types_require_a_hyperdisk() -> None:
    assert machine_types.HYPERDISK_ONLY == built_in_gpus.HYPERDISK_ONLY

    def disk(**spec: str) -> list[tuple[str, str]]:
        return create.problems("a", cluster(pool("p", machine_spec=G4, disk_spec=spec)))

    assert disk() == disk(boot_disk_type="hyperdisk-balanced") == []
    said = 'Machine type "g4-standard-48" requires hyperdisk-balanced, not pd-ssd.'
    assert disk(boot_disk_type="pd-ssd") == [(f"{TOP}.{DISK}.boot_disk_type", said)]


@pytest.mark.parametrize(("wrong", "field", "said"), WRONG)
def test_pools(wrong: dict[str, Any], field: str, said: str) -> None:
    assert create.problems("a", cluster(wrong)) == [(f"persistent_resource.{field}", said)]


def test_autoscaling_applies_to_all_worker_pools_or_none() -> None:
    mixed = cluster(pool("head-node"), scaled("worker-pool1", 1, 3), pool("worker-pool2", 2))
    merged = cluster(pool("head-node", 3), scaled("worker-pool1", 1, 3))
    said = "autoscaling_spec must be set on every worker pool, or on none."
    for one in (mixed, merged):
        assert create.problems("a", one) == [("persistent_resource.resource_pools", said)]


def test_a_cluster_has_at_most_two_thousand_nodes() -> None:
    large = cluster(pool("head-node", 1), pool("worker-pool1", 1000), pool("worker-pool2", 1000))
    ((field, said),) = create.problems("a", large)
    assert (field, said) == (
        "persistent_resource.resource_pools",
        "2001 nodes exceed the limit of 2000 per cluster.",
    )


@pytest.mark.parametrize(
    ("machine", "accelerator", "count", "field", "said"),
    [
        ("n1-standard-8", "NVIDIA_TESLA_T4", 1, "", ""),
        ("a2-highgpu-2g", "NVIDIA_TESLA_A100", 2, "", ""),
        ("a4x-highgpu-4g", "NVIDIA_GB200", 4, "", ""),
        ("g4-standard-96", "NVIDIA_RTX_PRO_6000", 2, "", ""),
        (
            "g4-standard-48",
            "NVIDIA_RTX_PRO_6000",
            2,
            "accelerator_count",
            'Machine type "g4-standard-48" can\'t have 2 NVIDIA_RTX_PRO_6000; supported: 1.',
        ),
        (
            "n1-standard-4",
            "NVIDIA_TESLA_K80",
            1,
            "accelerator_type",
            'Accelerator "NVIDIA_TESLA_K80" is not supported for machine type "n1-standard-4"',
        ),
        (
            "e2-standard-4",
            "NVIDIA_TESLA_T4",
            1,
            "accelerator_type",
            'Accelerator "NVIDIA_TESLA_T4" is not supported for machine type "e2-standard-4"',
        ),
        (
            "n1-standard-8",
            "NVIDIA_TESLA_T4",
            3,
            "accelerator_count",
            'Machine type "n1-standard-8" can\'t have 3 NVIDIA_TESLA_T4; supported: 1, 2, 4.',
        ),
        (
            "n1-standard-32",
            "NVIDIA_TESLA_V100",
            1,
            "accelerator_count",
            'Machine type "n1-standard-32" can\'t have 1 NVIDIA_TESLA_V100; supported: 4, 8.',
        ),
        (
            "n1-standard-8",
            "",
            1,
            "accelerator_type",
            "accelerator_type must be set if accelerator_count is not 0.",
        ),
        (
            "g2-standard-24",
            "",
            0,
            "accelerator_type",
            'Machine type "g2-standard-24" requires its built-in 2 NVIDIA_L4.',
        ),
    ],
)
def test_accelerators(machine: str, accelerator: str, count: int, field: str, said: str) -> None:
    assert machine_types.check(machine, accelerator, count) == (field, said)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (IMAGE, ""),
        (IMAGE.replace("us-", "europe-").replace("cpu", "gpu"), ""),
        ("us-central1-docker.pkg.dev/p/r/mine:1", ""),
        (
            IMAGE.replace("2-47.py311", "2-47.py310"),
            "Ray 2.47 has no image for Python 3.10; available: 3.11.",
        ),
        (IMAGE.replace("2-47", "2-48"), "Ray 2.48 is not supported; supported: 2.9, 2.33, 2.42, 2.47."),
        (
            IMAGE.replace("2-47", "2-42"),
            "The lab supports only Ray 2.47 with Python 3.11; Vertex AI also supports 2.42 with 3.11.",
        ),
        (
            IMAGE.replace("latest", "old"),
            f'There is no prebuilt image "{IMAGE.replace("latest", "old")}".',
        ),
        ("mine", '"mine" is not an image from a registry that Vertex AI supports.'),
    ],
)
def test_images(image: str, said: str) -> None:
    assert images.check(image) == said


def test_local_images() -> None:
    assert images.local_images("a/b:1=c:2, d@sha256:0=e") == {"a/b:1": "c:2", "d@sha256:0": "e"}
    assert images.local_images("") == {}
    for wrong in ("a", "a=", "=a", "a=b=c"):
        with pytest.raises(ValueError, match=wrong):
            images.local_images(f"x=y,{wrong}")


def test_labels_have_63_characters_and_a_resource_has_64() -> None:
    long = {"labels": {"a" * 63: "b" * 63, "a" * 64: "", "b": "c" * 64, "1a": ""}}
    said = "Use up to 63 lowercase letters, digits, underscores and dashes; a key starts with a letter."
    assert create.problems("a", {**SOUND, **long}) == [
        (f"persistent_resource.labels[{key}]", said) for key in ("a" * 64, "b", "1a")
    ]
    many = {"labels": {f"a{n}": "" for n in range(65)}}
    assert create.problems("a", {**SOUND, **many}) == [
        ("persistent_resource.labels", "65 labels exceed the limit of 64 per resource.")
    ]


def test_all_problems_are_reported_in_vertexs_format() -> None:
    wrong = cluster(pool("head-node", machine="n9"))
    wrong["resource_runtime_spec"]["ray_spec"]["resource_pool_images"] = {}
    refused = errors.invalid(create.problems("A", wrong))
    assert (refused.code, refused.message) == (
        "INVALID_ARGUMENT",
        'List of found errors:\t1.Field: persistent_resource_id; Message: "A" does not match '
        "[a-z]([-a-z0-9]{0,61}[a-z0-9])? (1 to 63 characters)."
        '\t2.Field: persistent_resource.resource_pools[0].machine_spec.machine_type; Message: Machine type "n9" is '
        "not supported.\t3.Field: persistent_resource.resource_runtime_spec.ray_spec.resource_pool_images[head-node]; "
        "Message: Every pool requires an image, unless image_uri is set.\t",
    )


def test_only_replica_counts_can_be_updated() -> None:
    new = copy.deepcopy(SOUND)
    new["resource_pools"][1]["replica_count"] = "0"
    assert update.problems(SOUND, new, ["labels"]) == [
        ("update_mask", "Only resource_pools.replica_count can be updated, not labels."),
        ("persistent_resource.resource_pools[1].replica_count", "0 is not between 1 and 1000."),
    ]
    fewer = cluster(pool("head-node"))
    assert update.problems(SOUND, fewer, ["resource_pools.replica_count"]) == [
        (
            "persistent_resource.resource_pools",
            "The pools must match the cluster's, in the same order.",
        )
    ]


@pytest.mark.covers("resource_pools.machine_spec.machine_type")
def test_node_sizes_follow_the_machine_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs as on Vertex AI, up to VERTEX_NODE_CPUS, and as many as 2 to 4 GiB hold processes for."""
    monkeypatch.setenv("VERTEX_NODE_CPUS", "6")
    gpu = pool("gpus", 1, "n1-highmem-64")
    gpu["machine_spec"] |= {"accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 4}
    made = node_sizing.nodes(
        ClusterShape("c", cluster(pool("head-node", 2), pool("small", 1, "n1-standard-4"), gpu), "who")
    )
    assert [(one.key.pool, one.role, one.cpus, one.gpus, one.memory / GIB) for one in made] == [
        ("head-node", "head", 0, 0, 3),
        ("head-node", "cpu-worker", 6, 0, 3),
        ("small", "cpu-worker", 4, 0, 2),
        ("gpus", "gpu-worker", 6, 4, 4),
    ]
    monkeypatch.setenv("VERTEX_NODE_CPUS", "99")
    assert node_sizing.cpus(machine_types.MACHINES["n1-highmem-64"]) == 12
    assert node_sizing.most_cpus({}) == here().cpus
    with pytest.raises(IamError, match=r"VERTEX_NODE_CPUS is '1\.5'"):
        own_config.read({"VERTEX_NODE_CPUS": "1.5"})


@pytest.mark.covers("resource_runtime_spec.ray_spec.image_uri")
def test_a_pool_without_its_own_image_runs_the_default_one() -> None:
    spec = cluster(pool("head-node"), pool("own"))
    images_of = {"own": IMAGE.replace("us-", "asia-")}
    spec["resource_runtime_spec"]["ray_spec"] = {"image_uri": IMAGE, "resource_pool_images": images_of}
    assert [one.image for one in node_sizing.nodes(ClusterShape("c", spec))] == [IMAGE, images_of["own"]]


def test_what_no_node_can_ever_run_is_named() -> None:
    node = {"CPU": 2.0, "GPU": 0.0}
    tasks = tuple(
        Group((one,)) for one in ({"CPU": 3.0}, {"CPU": 2.0}, {"GPU": 1.0, "CPU": 1.0}, {"TPU": 1.0})
    )
    text = "needs {}, and no node of this cluster has that; the most that one has is 2 CPU, 0 GPU. It never runs."
    said = list(infeasible(Load(tasks, (), {}, 0), [node]))
    assert [one.partition("a task or actor ")[2].partition(" VERTEX_NODE_CPUS")[0] for one in said] == [
        text.format("3 CPU"),
        text.format("1 GPU, 1 CPU"),
    ]
    joined = {"10.0.0.2": NodeUsage({"CPU": 3.0, "GPU": 1.0}, {}, True)}
    assert list(infeasible(Load(tasks, (), joined, 0), [node])) == []


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("projects/p", names.LOCATION, "INVALID_ARGUMENT"),
        ("projects/p/locations/r/persistentResources", names.CLUSTER, "NOT_FOUND"),
        ("projects/p/locations/r", names.CLUSTER, "NOT_FOUND"),
        ("projects/p/locations/r/persistentResources/a/b", names.CLUSTER, "NOT_FOUND"),
        ("projects/p/locations/r/operations", names.OPERATION, "NOT_FOUND"),
    ],
)
def test_invalid_names(text: str, kind: names.Kind, code: str) -> None:
    with pytest.raises(RpcError) as caught:
        names.parse(text, kind)
    assert caught.value.code == code


TOP = "persistent_resource"
NETWORK = "projects/123/global/networks/net"
AFFINITY = f"{TOP}.resource_pools[0].machine_spec.reservation_affinity"
ACCOUNT = f"{TOP}.resource_runtime_spec.service_account_spec.service_account"


@pytest.mark.parametrize(
    ("more", "field", "said"),
    [
        ({"display_name": "ü" * 128}, "", ""),
        ({"display_name": "x" * 200}, "display_name", "200 characters exceed the limit of 128."),
        ({"network": NETWORK}, "", ""),
        (
            {"network": NETWORK.replace("123", "my-project")},
            "network",
            '"my-project" is not a project number: use projects/PROJECT_NUMBER/global/networks/NETWORK.',
        ),
        (
            {"network": "default"},
            "network",
            '"default" does not match projects/PROJECT_NUMBER/global/networks/NETWORK.',
        ),
    ],
)
def test_names_and_networks(more: dict[str, Any], field: str, said: str) -> None:
    wanted = [(f"{TOP}.{field}", said)] if field else []
    assert create.problems("a", {**SOUND, **more}) == wanted


def test_an_encryption_key_has_googles_form() -> None:
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    assert create.problems("a", {**SOUND, "encryption_spec": {"kms_key_name": key}}) == []
    said = '"k" does not match projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY.'
    assert create.problems("a", {**SOUND, "encryption_spec": {"kms_key_name": "k"}}) == [
        (f"{TOP}.encryption_spec.kms_key_name", said)
    ]


def test_a_peered_network_excludes_a_service_account() -> None:
    """vertex_ray.client_builder: "custom service account isn't supported in peered VPC network"."""
    account = {"enable_custom_service_account": True, "service_account": "a@p.iam.gserviceaccount.com"}
    wanted = cluster(pool("head-node"), service_account_spec=account) | {"network": NETWORK}
    said = "A custom service account isn't supported in a peered VPC network: omit network."
    assert create.problems("a", wanted) == [(ACCOUNT, said)]


NAMED = {
    "reservation_affinity_type": "SPECIFIC_RESERVATION",
    "key": "compute.googleapis.com/reservation-name",
    "values": ["projects/p/zones/us-central1-a/reservations/r"],
}


@pytest.mark.parametrize(
    ("affinity", "problems"),
    [
        (NAMED, []),
        ({"reservation_affinity_type": "ANY_RESERVATION"}, []),
        ({}, [("reservation_affinity_type", "It is required.")]),
        (
            {**NAMED, "reservation_affinity_type": "NO_RESERVATION"},
            [("key", "key and values are for SPECIFIC_RESERVATION, not NO_RESERVATION.")],
        ),
        (
            {"reservation_affinity_type": "SPECIFIC_RESERVATION"},
            [
                ("key", '"" is not compute.googleapis.com/reservation-name.'),
                ("values", "SPECIFIC_RESERVATION requires a reservation."),
            ],
        ),
        (
            {**NAMED, "values": ["r"]},
            [("values", '"r" does not match projects/PROJECT/zones/ZONE/reservations/RESERVATION.')],
        ),
    ],
)
def test_reservations(affinity: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    one = pool("head-node")
    one["machine_spec"]["reservation_affinity"] = affinity
    expected = [(f"{AFFINITY}.{field}", said) for field, said in problems]
    assert create.problems("a", cluster(one)) == expected
