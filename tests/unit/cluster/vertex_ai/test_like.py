"""`up --like NAME`: a local cluster with the shape of a managed one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import cli, sizes
from cluster.errors import TooSmall
from cluster.runtimes import Context
from cluster.vertex_ai import like
from iam.lab.settings import FILE
from raydock import topology
from raydock.errors import UsageError
from raydock.machine import Machine
from raydock.settings import ROOT
from raydock.sizing import GIB

CLUSTERS = """
clusters:
  train:
    region: europe-west4
    service_account: trainer@lab-project.iam.gserviceaccount.com
    pools:
    - {id: head-node, machine_type: n1-standard-16, nodes: 1}
    - {id: worker-pool1, machine_type: n1-standard-2, nodes: 3}
    - {id: worker-pool2, machine_type: g2-standard-8, accelerator_type: NVIDIA_L4, accelerator_count: 2, nodes: 1}
  merged:
    pools: [{id: head-node, machine_type: n1-standard-16, nodes: 3, min_nodes: 3, max_nodes: 9}]
  alone:
    pools: [{id: head-node, machine_type: c3-metal, nodes: 1}]
  huge:
    pools: [{id: head-node, machine_type: n1-standard-16, nodes: 900}]
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "of_engine", lambda kind: Machine(16, 64 * GIB))


def context(folder: Path, said: list[str], **settings: str) -> Context:
    (folder / "lab.yaml").write_text(FILE.read_text() + CLUSTERS)
    settings = {"LAB_FILE": str(folder / "lab.yaml"), **settings}
    return Context(ROOT, folder, settings, topology.load(ROOT, settings), said.append)


def shape(name: str, folder: Path, **settings: str) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The nodes, CPUs and GPUs of each worker pool, and what was said."""
    said: list[str] = []
    asked = context(folder, said, **settings)
    wanted = like.chosen(name, asked, "docker", exists=False)
    found, _ = sizes.fitted(asked, "docker", False, wanted)
    return [(pool.nodes, pool.cpus, pool.gpus) for pool in found.topology.workers], said


def test_the_nodes_and_gpus_are_the_clusters_and_the_cpus_fit_the_machine(tmp_path: Path) -> None:
    found, said = shape("train", tmp_path)
    assert found == [(3, 2, 0), (1, 2, 2)]  # no more CPUs than the machine type has
    assert said == [
        "like train in europe-west4: 1 node of n1-standard-16, 3 nodes of n1-standard-2, "
        "1 node of g2-standard-8 with 2 NVIDIA_L4"
    ]
    assert shape("merged", tmp_path)[0][0] == (2, 8, 0)  # one of the pool's nodes is the head
    assert [nodes for nodes, _, _ in shape("alone", tmp_path)[0]] == [0, 0]


def test_settings_take_precedence(tmp_path: Path) -> None:
    found, said = shape("train", tmp_path, CPU_WORKERS="1", CPU_WORKER_CPUS="4")
    assert found[0] == (1, 4, 0)
    assert said[0] == "CPU_WORKERS is set, so it is not taken from train"


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooSmall) as wrong:
        shape("huge", tmp_path)
    assert wrong.value.message.startswith("huge has 899 worker nodes; this machine's 64.0 GiB of memory are ")
    assert "CPU_WORKERS" in wrong.value.fix


@pytest.mark.parametrize(
    ("name", "exists", "message", "fix"),
    [
        ("trian", False, "lab.yaml has no cluster trian.", "Did you mean train?"),
        (
            "other",
            False,
            "lab.yaml has no cluster other.",
            "python -m iam import --project PROJECT --cluster other, and set LAB_FILE to the file that it writes",
        ),
        (
            "train",
            True,
            "--like train applies only to a new cluster, and one already exists.",
            "Remove it first: python -m cluster down",
        ),
    ],
)
def test_errors(tmp_path: Path, name: str, exists: bool, message: str, fix: str) -> None:
    with pytest.raises(UsageError) as wrong:
        like.chosen(name, context(tmp_path, []), "docker", exists)
    assert (wrong.value.message, wrong.value.fix) == (message, fix)


def test_it_is_not_an_option_of_vertex_ai(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["up", "--target", "vertex", "--like", "train"]) == 2
    assert "--like applies only to a local cluster." in capsys.readouterr().err
