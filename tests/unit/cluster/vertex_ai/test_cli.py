"""`python -m cluster … --target vertex`: what it creates, its messages and exit codes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date

import pytest

from cloud.controlplane.api import service as lab_api
from cluster import cli
from raydock.errors import Unreachable as NoAnswer
from tests.fakes import FakeNodes
from tests.labcloud import TRAINER
from tests.labvertex import LabVertex
from tests.unit.cluster.vertex_ai.conftest import Run, cluster_of, pools, timeless
from vertex import client, lifecycle, service_agent
from vertex.location import Location

ALICE = "user:alice@example.com"
FLAGS = "--target vertex --project lab-project --region us-central1"
PLAN = """\
Cluster raydock in lab-project, us-central1:

POOL          FROM              NODES  MACHINE         ACCELERATORS
head-node     head, cpu-worker  3      n1-standard-16  -
worker-pool2  gpu-worker        1      n1-standard-16  1 NVIDIA_TESLA_T4

total         4 nodes, 64 vCPUs, 1 GPU; the head's 16 vCPUs run no tasks
disks         pd-ssd, 100 GB per node
Ray           2.47, Python 3.11; supported until 2027-07-28
jobs run as   service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com
network       none; with a token, the dashboard can be reached from anywhere
labels        raydock=raydock
autoscaling   none; resize with `scale`
images
  head-node     us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest
  worker-pool2  us-docker.pkg.dev/vertex-ai/training/ray-gpu.2-47.py311:latest

You are billed from RUNNING until you delete it. Vertex AI has no idle shutdown.
This plan shows no prices. Starting takes 10 to 20 minutes.
"""


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Simulate a user at a terminal who types `text`."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(text))


def assert_narrow(text: str) -> None:
    """Check that every line fits 80 columns, except those with a command to copy."""
    assert [line for line in text.splitlines() if len(line) > 80 and "python" not in line] == []


def test_dry_run_shows_the_plan_and_creates_nothing(run: Run, nodes: FakeNodes) -> None:
    status, out, err = run("up", "--dry-run")
    assert (status, out, err) == (0, f"{PLAN}\nNothing was created (--dry-run).\n", "")
    assert_narrow(out)
    assert nodes.made == []


def test_without_a_terminal_yes_is_required(
    run: Run, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("up") == (
        2,
        PLAN,
        "cluster: Nothing was created: there is no terminal to ask for confirmation.\n  add --yes\n",
    )
    assert nodes.made == []


@pytest.mark.parametrize("text", ["\n", "n\n", "", "perhaps\n"])
def test_any_other_answer_means_no(
    run: Run, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    answer(monkeypatch, text)
    status, _, err = run("up")
    assert status == 1
    assert err == "Create it? [y/N] cluster: Nothing was created.\n  Answer y to confirm, or add --yes.\n"
    assert nodes.made == []


def test_the_life_of_a_cluster(
    run: Run, nodes: FakeNodes, lab: LabVertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "y\n")
    status, out, err = run("up", "--max-idle", "30m")
    assert status == 0
    assert timeless(err) == "Create it? [y/N] cluster: raydock: RUNNING, TIME\n"
    assert out.startswith(PLAN)
    assert f"python submit.py {FLAGS} --cluster raydock jobs/" in out
    idle = f"python -m cluster idle {FLAGS} --cluster raydock --max-idle 30m"
    assert f"\n  {idle}\n" in out
    assert out.splitlines()[-1].startswith("  */5 * * * * cd ")
    assert out.splitlines()[-1].endswith(f"{idle.removeprefix('python')} --once")
    assert_narrow(out)
    assert pools(nodes) == {"head-node": 3, "worker-pool2": 1}
    assert dict(cluster_of(lab).spec["labels"]) == {"raydock": "raydock"}

    status, out, err = run("up")
    assert (status, len(nodes.made)) == (0, 4)
    assert (
        timeless(err)
        == "cluster: raydock already exists: RUNNING, requested TIME ago; not creating another\n"
    )

    status, out, _ = run("status")
    assert out.splitlines()[0].split() == [
        "NAME",
        "STATE",
        "RAY",
        "PYTHON",
        "NODES",
        "JOBS",
        "RUN",
        "AS",
        "AGE",
    ]
    assert out.splitlines()[1].split()[:8] == [
        "raydock",
        "*",
        "RUNNING",
        "2.47",
        "3.11",
        "4",
        "service",
        "agent",
    ]
    assert out.endswith("\n* created by raydock\n")
    assert_narrow(out)
    (shown,) = json.loads(run("status", "--json")[1])["clusters"]
    assert (shown["id"], shown["state"], shown["ours"], shown["principal"][:15]) == (
        "raydock",
        "RUNNING",
        True,
        "serviceAccount:",
    )
    assert_narrow(run("status", "--cluster", "raydock")[1])

    status, out, err = run("down", "--cluster", "raydock", "--yes")
    assert (status, out) == (
        0,
        "raydock in lab-project, us-central1: RUNNING, 4 nodes\n"
        "Deleted: raydock. No clusters are left in lab-project, us-central1.\n"
        "Buckets, logs and service accounts were not changed.\n",
    )
    assert nodes.there == {}


def test_up_reports_progress_and_can_resume_waiting(
    run: Run, nodes: FakeNodes, lab: LabVertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_api, "MAX_GET_WAIT", 0.1)
    nodes.becomes = "starting"
    status, _, err = run("up", "--yes", "--deadline", "1s")
    last = f"--cluster raydock\n  Delete it:    python -m cluster down {FLAGS} --cluster raydock\n"
    assert status == 1
    assert err.startswith("cluster: raydock: PROVISIONING, ")
    assert err.endswith(
        "cluster: raydock is still PROVISIONING after 1 s. Vertex AI continues in the background.\n"
        f"  Keep waiting: python -m cluster up {FLAGS} {last}"
    )
    said: list[str] = []

    def report(watch: lifecycle.ClusterWaiter, state: str, passed: float) -> None:
        said.append(state)
        nodes.turn("ready")

    monkeypatch.setattr(lifecycle.ClusterWaiter, "report", report)
    status, _, err = run("up")
    assert (status, said[0], said[-1]) == (0, "PROVISIONING", "RUNNING")
    assert "already exists: PROVISIONING, requested " in err


def test_ctrl_c_does_not_stop_provisioning(
    run: Run, nodes: FakeNodes, lab: LabVertex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab_api, "MAX_GET_WAIT", 0.1)
    nodes.becomes = "starting"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle.ClusterWaiter, "report", interrupt)
    status, _, err = run("up", "--yes")
    assert (status, err) == (
        130,
        "cluster: Interrupted. Vertex AI is still creating raydock; billing starts once it is running.\n"
        f"  Keep waiting: python -m cluster up {FLAGS} --cluster raydock\n"
        f"  Delete it:    python -m cluster down {FLAGS} --cluster raydock\n",
    )
    assert cluster_of(lab).state == "PROVISIONING"


def test_a_failed_cluster_is_reported_with_its_reason(run: Run, nodes: FakeNodes) -> None:
    nodes.fails["make"] = "No quota for 4 machines."
    said = (
        "cluster: Vertex AI could not create raydock: No quota for 4 machines.\n"
        f"  Delete it, then try again: python -m cluster down {FLAGS} --cluster raydock\n"
    )
    status, _, err = run("up", "--yes")
    assert (status, err) == (1, said)
    status, _, err = run("up", "--yes")
    assert (status, err.splitlines(keepends=True)[1:]) == (1, said.splitlines(keepends=True))
    assert run("down", "--cluster", "raydock", "--yes")[0] == 0


def test_a_caller_without_permission_learns_which_role_is_missing(
    run: Run, as_caller: Callable[[str], None]
) -> None:
    as_caller(ALICE)
    status, _, err = run("status")
    assert status == 1
    assert err.startswith(
        "cluster: Google rejected the request to list the clusters in lab-project, us-central1: Permission"
    )
    assert err.endswith("roles/aiplatform.admin to create clusters\n")


def test_a_custom_account_and_labels(run: Run, nodes: FakeNodes, lab: LabVertex) -> None:
    account = TRAINER.removeprefix("serviceAccount:")
    status, out, _ = run(
        "up", "--yes", "--cluster", "mine", "--service-account", account, "--label", "team=a"
    )
    assert status == 0
    assert f"jobs run as   {account}\n" in out
    assert {seen.principal for seen in nodes.there.values()} == {TRAINER}
    assert dict(cluster_of(lab, "mine").spec["labels"]) == {"raydock": "raydock", "team": "a"}
    assert "  trainer  " in run("status")[1]


def test_a_rejected_request_is_reported_in_one_sentence(run: Run, nodes: FakeNodes) -> None:
    status, _, err = run("up", "--yes", "--service-account", "nobody@lab-project.iam.gserviceaccount.com")
    assert (status, nodes.made) == (1, [])
    assert err.startswith("cluster: Google rejected the request to create cluster raydock: ")
    assert len(err.splitlines()) == 2


def test_scaling(run: Run, nodes: FakeNodes) -> None:
    run("up", "--yes")
    status, out, _ = run("scale", "--cluster", "raydock", "gpu-worker=2", "cpu-worker=0")
    assert (status, pools(nodes)) == (0, {"head-node": 1, "worker-pool2": 2})
    assert out.splitlines()[-1].split()[:2] == ["worker-pool2", "2"]
    assert run("scale", "--cluster", "raydock", "worker-pool2=1", "head-node=3")[0] == 0
    assert pools(nodes) == {"head-node": 3, "worker-pool2": 1}
    made = len(nodes.made)
    assert run("scale", "--cluster", "raydock", "cpu-worker=2")[0] == 0
    assert len(nodes.made) == made


SCALE = "  Pools: head-node, worker-pool2, cpu-worker, gpu-worker\n"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("head=2", "The head is always one node and can't be scaled.\n" + SCALE),
        ("tpu=2", "There is no pool tpu.\n" + SCALE),
        (
            "gpu-worker=0",
            "worker-pool2 must keep at least 1 node: Vertex AI can't remove a pool from a running cluster.\n"
            "  Example: gpu-worker=1\n",
        ),
        (
            "gpu-worker=x",
            "'gpu-worker=x' is not in the form POOL=COUNT, with a COUNT from 0 to 999.\n"
            "  Example: python -m cluster scale cpu-worker=3\n",
        ),
    ],
)
def test_invalid_sizes(run: Run, nodes: FakeNodes, size: str, said: str) -> None:
    run("up", "--yes")
    assert run("scale", "--cluster", "raydock", size) == (2, "", f"cluster: {said}")
    assert pools(nodes) == {"head-node": 3, "worker-pool2": 1}


def test_an_autoscaling_cluster_accepts_no_counts(run: Run) -> None:
    assert run("up", "--yes", "--autoscale", "1:4")[0] == 0
    assert run("scale", "--cluster", "raydock", "gpu-worker=2") == (
        2,
        "",
        "cluster: raydock autoscales (head-node from 1 to 4, worker-pool2 from 1 to 4 nodes), so Vertex AI does not "
        "accept node counts for it.\n"
        f"  Create another cluster with different bounds: python -m cluster up {FLAGS} "
        "--cluster OTHER --autoscale MIN:MAX\n",
    )


def test_a_failed_resize_is_reported(run: Run, nodes: FakeNodes) -> None:
    run("up", "--yes")
    nodes.fails["make"] = "No quota."
    status, _, err = run("scale", "--cluster", "raydock", "gpu-worker=2")
    assert (status, err.splitlines()[0]) == (
        1,
        "cluster: Google rejected the request to update cluster raydock: No quota.",
    )


@pytest.mark.parametrize("verb", [["down", "--yes"], ["scale", "gpu-worker=2"], ["idle"], ["diff"]])
def test_the_cluster_must_be_named(run: Run, verb: list[str]) -> None:
    assert run(*verb) == (
        2,
        "",
        f"cluster: {verb[0]}: no cluster given.\n"
        f"  Add --cluster NAME; to list the clusters: python -m cluster status {FLAGS}\n",
    )


@pytest.mark.parametrize("verb", [["down", "--yes"], ["scale", "gpu-worker=2"], ["status"]])
def test_an_unknown_cluster(run: Run, verb: list[str]) -> None:
    assert run(*verb, "--cluster", "other") == (
        4,
        "",
        "cluster: There is no cluster other in lab-project, us-central1.\n"
        f"  to list the clusters: python -m cluster status {FLAGS}\n",
    )


def test_status_without_clusters(run: Run) -> None:
    assert run("status") == (
        4,
        "",
        "cluster: There are no Ray clusters in lab-project, us-central1.\n"
        f"  Create one: python -m cluster up {FLAGS}\n",
    )


def test_the_setting_names_the_cluster(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "VERTEX_CLUSTER", "projects/lab-project/locations/us-central1/persistentResources/named"
    )
    assert run("up", "--yes")[0] == 0
    assert run("status")[1].startswith("cluster       named\nlocation      projects/123456789012/")
    assert run("down", "--yes")[0] == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--autoscale", "4:1"],
            "Invalid --autoscale '4:1': expected MIN:MAX with MIN less than MAX.\n  Example: --autoscale 1:4\n",
        ),
        (
            ["--autoscale", "0:4"],
            "--autoscale: the workers share the head's pool, which needs at least 1 node.\n  Use --autoscale 1:4\n",
        ),
        (
            ["--service-account", "me"],
            "Invalid service account 'me'.\n"
            "  Example: --service-account NAME@PROJECT.iam.gserviceaccount.com\n",
        ),
        (
            ["--network", "default"],
            "Invalid network 'default': expected its full resource name.\n"
            "  Example: --network projects/NUMBER/global/networks/NAME\n",
        ),
        (
            ["--label", "Team=A"],
            "Invalid label 'Team=A': use up to 63 lowercase letters, digits, '-' and '_' for KEY and for VALUE, "
            "and start KEY with a letter.\n"
            "  Example: --label team=vision\n",
        ),
        (["--label", "raydock=x"], "The label raydock is reserved.\n  Choose another key.\n"),
        (
            ["--image", "python:3.11"],
            "Vertex AI can't pull the image python:3.11.\n"
            "  Push it to Artifact Registry and pass its full name: docs/vertex-images.md\n",
        ),
        (
            ["--image", "tpu=gcr.io/p/x:1"],
            "--image: there is no pool tpu.\n  Pools: cpu-worker, gpu-worker, head\n",
        ),
        (
            ["--image", "cpu-worker=gcr.io/p/x:1"],
            "cpu-worker and the head use the same machine and so share a pool, but their images differ.\n"
            "  Use the same image for both, or a different machine_type (compose.yaml, x-vertex).\n",
        ),
        (
            ["--cluster", "Not_One"],
            "Invalid cluster name 'Not_One': use up to 63 lowercase letters, digits and '-', starting with a letter.\n"
            "  pass --cluster NAME or --cluster projects/…/locations/…/persistentResources/NAME\n",
        ),
        (["--deadline", "soon"], "--deadline 'soon' is not a duration.\n  Example: --deadline 30m\n"),
        (
            ["--runtime", "docker"],
            "--runtime applies only to a local cluster.\n  Remove it, or remove --target vertex.\n",
        ),
    ],
)
def test_invalid_options(run: Run, nodes: FakeNodes, more: list[str], said: str) -> None:
    assert run("up", "--yes", *more) == (2, "", f"cluster: {said}")
    assert nodes.made == []


def test_the_service_agent_without_a_project_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(project: str) -> str:
        raise NoAnswer("Resource Manager does not answer.", "try again")

    monkeypatch.setattr(service_agent, "project_number", refused)
    assert (
        service_agent.address(Location("p", "r"))
        == "service-PROJECT_NUMBER@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    )
    assert (
        service_agent.address(Location("42", "r"))
        == "service-42@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
    )


def test_flags_of_vertex_need_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down", "--cluster", "x"]) == 2
    assert (
        capsys.readouterr().err
        == "cluster: --cluster applies only to a cluster on Vertex AI or Kubernetes.\n"
        "  Add --target vertex or --target kuberay.\n"
    )


def test_no_answer_from_vertex_ai(run: Run, lab: LabVertex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    monkeypatch.setattr(lab, "port", 1)
    status, _, err = run("status")
    assert status == 4
    assert err.startswith("cluster: us-central1-aiplatform.googleapis.com is not responding: ")


def test_a_ray_version_whose_support_ends_is_flagged(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raydock.versions.today", lambda: date(2027, 7, 29))
    warning = (
        "\nGoogle's support for Ray 2.47 on Vertex AI ended on 2027-07-28. Check whether\n"
        "Vertex AI has a newer version.\n"
    )
    assert warning in run("up", "--yes")[1]
    assert run("status")[1].endswith(warning)
    shown = run("status", "--cluster", "raydock")[1]
    assert "\nRay           2.47, Python 3.11; supported until 2027-07-28\n" in shown
    assert warning in shown
    assert json.loads(run("status", "--json")[1])["clusters"][0]["ray_supported_until"] == "2027-07-28"
