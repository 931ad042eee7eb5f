"""The command line without a cluster: exit codes and full messages."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import cli, runtimes, scale
from cluster.fault.client import LabFaults
from cluster.runtimes import Rebuild
from cluster.state import applied, key, started
from cluster.status import Member
from raydock import topology
from raydock.errors import NotReady, NotUp, Unreachable, UsageError
from raydock.rayapi.nodes import Node
from raydock.settings import ROOT
from raydock.topology import pool_size
from raydock.waiting import wait_until


@pytest.fixture(autouse=True)
def nothing_is_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A separate state folder, no `.env`, and no Docker engine."""
    for name in list(os.environ):
        if name.startswith(("RAYDOCK_", "LAB_", "CPU_WORKER", "GPU_WORKER")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    monkeypatch.setattr("raydock.settings.dotenv", lambda path, environ: {})


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = cli.main(argv)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["scale", "cpu-worker=3"]])
def test_no_cluster_is_up(capsys: pytest.CaptureFixture[str], command: Sequence[str]) -> None:
    assert run(capsys, *command) == (4, "", "cluster: No cluster is up.\n  Start one: make cluster-up\n")


def test_down_without_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "down") == (0, "Nothing to remove.\n", "")


EXAMPLE = "  Example: python -m cluster scale cpu-worker=3\n"


@pytest.mark.parametrize(
    "text", ["cpu-worker", "cpu-worker=", "cpu-worker=-1", "cpu-worker=two", "=3", "cpu-worker=1.5"]
)
def test_an_invalid_size(capsys: pytest.CaptureFixture[str], text: str) -> None:
    sentence = f"cluster: {text!r} is not in the form POOL=COUNT, with a COUNT from 0 to 999.\n"
    assert run(capsys, "scale", text) == (2, "", sentence + EXAMPLE)


def test_the_head_cannot_be_scaled(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = run(capsys, "scale", "head=2")
    assert (status, said.splitlines()[0]) == (2, "cluster: The head is always one node; it can't be scaled.")


def test_an_invalid_setting_exits_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPU_WORKERS", "two")
    assert run(capsys, "up") == (
        2,
        "",
        "cluster: CPU_WORKERS=two: the number of cpu-worker nodes must be a whole number from 0 to 9999.\n"
        "  Change CPU_WORKERS in the environment or in .env; .env.example shows the default.\n",
    )


@pytest.mark.parametrize("command", [["up", "--runtime", "docker"], ["images"]])
def test_docker_requested_without_an_engine(
    capsys: pytest.CaptureFixture[str], command: Sequence[str]
) -> None:
    status, out, said = run(capsys, *command)
    assert (status, out) == (1, "")
    assert said.endswith(
        "cluster: No Docker engine is responding at unix:///nonexistent.sock: the socket does not exist.\n"
        "  Start Docker, or run the cluster as processes: python -m cluster up --runtime processes\n"
    )


def test_one_command_at_a_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with open(tmp_path / "state" / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run(capsys, "down") == (
            1,
            "",
            "cluster: Another `python -m cluster` is changing this cluster.\n"
            "  Wait until it finishes, or stop it.\n",
        )


class Half(runtimes.Runtime):
    """A cluster whose head is running."""

    def exists(self) -> bool:
        return True

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        raise KeyboardInterrupt

    def outdated(self, rebuild: Rebuild) -> list[str]:
        return []

    def restart_cloud(self) -> None:
        raise NotImplementedError

    def down(self, keep_data: bool = False) -> list[str]:
        return []

    def kept_data(self) -> list[str]:
        return []

    def members(self) -> list[Member]:
        return [Member("head", "head", "head", True), Member("cpu-worker-1", "cpu-worker", "x", True)]

    def stopped_services(self) -> list[str]:
        return []

    def scale(self, pool: topology.Pool, count: int, drain_timeout: float) -> None:
        raise NotImplementedError


def test_ctrl_c_says_what_is_still_running(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: Half())
    monkeypatch.setattr(runtimes, "is_complete", lambda cluster, context: False)
    status, out, said = run(capsys, "up")
    assert (status, out) == (130, "")
    assert said == (
        "cluster: processes: the existing cluster\n"
        "cluster: Interrupted. Still running: head, cpu-worker-1.\n"
        "  Remove it: make cluster-down\n"
    )


class Nothing(Half):
    """A cluster that does not exist yet; records whether it is started."""

    started = False

    def exists(self) -> bool:
        return False

    def members(self) -> list[Member]:
        return []

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        self.started = True
        raise KeyboardInterrupt


ACCOUNTS = "trainer@lab-project.iam.gserviceaccount.com"
TTL = "Set it to a number of seconds from 1 to 43200"


@pytest.mark.parametrize(
    ("name", "value", "why", "fix"),
    [
        (
            "LAB_FILE",
            "wrong/lab.yaml",
            "lab.yaml is invalid: the file has an unknown key 'usr'; allowed: clusters, groups, job, projects, "
            "roles, user, users.",
            "Fix lab.yaml",
        ),
        (
            "LAB_FILE",
            "wrong/none.yaml",
            "LAB_FILE is TMP/wrong/none.yaml, which does not exist.",
            "Fix LAB_FILE, or unset it",
        ),
        ("LAB_TOKEN_TTL", "soon", "LAB_TOKEN_TTL is 'soon'.", TTL),
        ("LAB_TOKEN_TTL", "43201", "LAB_TOKEN_TTL is '43201'.", TTL),
        (
            "LAB_EGRESS_ALLOW",
            "10.0.0.1/8",
            "LAB_EGRESS_ALLOW is '10.0.0.1/8': 10.0.0.1/8 has host bits set.",
            "Write it as 10.0.0.0/8,192.168.1.0/24",
        ),
        (
            "LAB_SERVICE_ACCOUNT",
            "nobody@lab-project.iam.gserviceaccount.com",
            "LAB_SERVICE_ACCOUNT is nobody@lab-project.iam.gserviceaccount.com, which does not exist in the lab.",
            f"Add it to iam/lab.yaml, or use one of these: {ACCOUNTS}",
        ),
    ],
)
def test_invalid_lab_settings_are_reported_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    why: str,
    fix: str,
) -> None:
    (tmp_path / "wrong").mkdir()
    lab = (ROOT / "iam" / "lab.yaml").read_text()
    (tmp_path / "wrong" / "lab.yaml").write_text(lab.replace("\nuser:", "\nusr:", 1))
    monkeypatch.setenv(name, f"{tmp_path}/{value}" if name == "LAB_FILE" else value)
    cluster = Nothing()
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: cluster)
    told = f"cluster: The lab's cloud did not start: {why.replace('TMP', str(tmp_path))}\n  {fix}\n"
    assert run(capsys, "up", "--runtime", "processes") == (1, "", told)
    assert not cluster.started


def test_an_account_created_later_is_checked_by_the_cloud(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m iam provision` creates accounts in a running lab; lab.yaml does not list them."""
    monkeypatch.setenv("LAB_SERVICE_ACCOUNT", "mine@lab-project.iam.gserviceaccount.com")
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: Half())
    monkeypatch.setattr(runtimes, "is_complete", lambda cluster, context: False)
    assert run(capsys, "up")[0] == 130, "it reached the start"


class Whole(Half):
    """A cluster that is up; counts the restarts of its cloud, and of its nodes."""

    restarts = renewals = 0
    old: Sequence[str] = ()
    ups: Sequence[Rebuild] = ()

    def outdated(self, rebuild: Rebuild) -> list[str]:
        return [] if rebuild is Rebuild.MISSING else list(self.old)

    def restart_cloud(self) -> None:
        self.restarts += 1

    def up(self, rebuild: Rebuild, restart: bool = False) -> None:
        self.renewals += restart
        self.ups, self.old = [*self.ups, rebuild], ()


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Whole:
    """A running cluster with its own lab file."""
    cluster = Whole()
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: cluster)
    monkeypatch.setattr(runtimes, "is_complete", lambda cluster, context: True)
    monkeypatch.setattr(cli, "show", lambda *_: None)
    lab = tmp_path / "lab.yaml"
    lab.write_text((ROOT / "iam" / "lab.yaml").read_text())
    monkeypatch.setenv("LAB_FILE", str(lab))
    return cluster


@pytest.mark.parametrize(
    ("name", "value", "restarts", "said"),
    [
        ("", "", 0, "the cluster is already up; to resize it: python -m cluster scale POOL=COUNT"),
        ("LAB_WAY_OUT", "10.0.0.0/8", 1, "restarting the lab's cloud because LAB_WAY_OUT changed"),
        (
            "lab.yaml",
            "# a comment\n",
            1,
            "restarting the lab's cloud because the content of lab.yaml changed",
        ),
        (
            "CPU_WORKERS",
            "3",
            0,
            "changed but not applied: CPU_WORKERS. To apply: python -m cluster scale cpu-worker=3",
        ),
    ],
)
def test_up_on_a_running_cluster_applies_changed_settings_or_says_how(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    whole: Whole,
    name: str,
    value: str,
    restarts: int,
    said: str,
) -> None:
    assert run(capsys, "up")[0] == 0
    if name == "lab.yaml":
        with (tmp_path / name).open("a") as file:
            file.write(value)
    elif name:
        monkeypatch.setenv(name, value)
    status, _, told = run(capsys, "up")
    assert (status, whole.restarts) == (0, restarts)
    assert f"cluster: {said}\n" in told
    again = run(capsys, "up")[2]
    assert whole.restarts == restarts
    assert (said in again) is (restarts == 0)  # repeated until it is applied


JOBS = [
    {"submission_id": "ended-1", "status": "SUCCEEDED"},
    {"submission_id": "mine-1", "status": "RUNNING"},
    {"submission_id": None, "job_id": "02000000", "status": "PENDING"},
]
SOME = "the jobs mine-1, 02000000"


@pytest.mark.parametrize(
    ("told", "words", "name", "why"),
    [
        (JOBS, [], "CPU_WORKER_MEMORY", f"because CPU_WORKER_MEMORY changed, but that would kill {SOME}"),
        (JOBS[:2], [], "HEAD_SHM", "because HEAD_SHM changed, but that would kill the job mine-1"),
        (JOBS, ["--build"], "", f"because the images will be rebuilt, but that would kill {SOME}"),
        (
            Unreachable("The cluster at http://127.0.0.1:1 does not answer: no route."),
            [],
            "HEAD_SHM",
            "would kill any running jobs (could not list them: "
            "The cluster at http://127.0.0.1:1 does not answer: no route)",
        ),
    ],
)
def test_up_does_not_restart_busy_nodes_without_restart(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    whole: Whole,
    told: object,
    words: list[str],
    name: str,
    why: str,
) -> None:
    def get(dashboard: object, path: str, wanted: type) -> object:
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr("raydock.rayapi.blocking.get", get)
    run(capsys, "up")
    if name:
        monkeypatch.setenv(name, "4g")
    for _ in range(2):  # again, because it was not applied
        status, _, said = run(capsys, "up", *words)
        assert (status, whole.renewals) == (3, 0)
        assert f"{why}. Nothing was changed.\n" in said
        assert f"or kill them: {' '.join(['python -m cluster up', *words, '--restart'])}\n" in said
    status, _, said = run(capsys, "up", *words, "--restart")
    assert (status, whole.renewals) == (0, 1)
    assert "restarting the nodes because " in said
    assert "the cluster is already up" in run(capsys, "up")[2]


def test_up_restarts_idle_nodes_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    monkeypatch.setattr("raydock.rayapi.blocking.get", lambda dashboard, path, wanted: JOBS[:1])
    run(capsys, "up")
    monkeypatch.setenv("GPU_WORKER_CPUS", "2")
    status, _, said = run(capsys, "up")
    assert (status, whole.renewals) == (0, 1)
    assert (
        "restarting the nodes because GPU_WORKER_CPUS changed; the cluster's job history will be lost\n"
        in said
    )
    run(capsys, "up", "--restart")
    assert whole.renewals == 2


def test_up_replaces_what_an_older_version_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    """Jobs survive a new cloud, but not new nodes."""
    monkeypatch.setattr("raydock.rayapi.blocking.get", lambda dashboard, path, wanted: JOBS[:2])
    run(capsys, "up")
    whole.old = ["cloud"]
    status, _, said = run(capsys, "up")
    assert (status, whole.ups) == (0, [Rebuild.CHANGED])
    assert "cluster: restarting cloud, because the code changed\n" in said
    assert "the cluster is already up" in run(capsys, "up")[2]
    whole.old = ["cloud", "head", "cpu-worker"]
    status, _, said = run(capsys, "up")
    assert status == 3
    assert said == (
        "cluster: The nodes must be restarted because the code of head, cpu-worker changed, but that would kill the "
        "job mine-1. Nothing was changed.\n"
        "  Wait for the jobs to finish, or kill them: python -m cluster up --restart; or leave the nodes as they are: "
        "python -m cluster up --no-build\n"
    )
    assert "the cluster is already up" in run(capsys, "up", "--no-build")[2]
    assert run(capsys, "up", "--restart")[0] == 0
    assert whole.renewals == 1


def test_faults_do_not_outlive_down_with_the_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    cleared: list[Sequence[str]] = []
    monkeypatch.setattr(LabFaults, "clear", lambda lab, ids: cleared.append(ids))
    run(capsys, "up")
    assert cleared == []
    monkeypatch.setattr(Whole, "exists", lambda cluster: False)
    monkeypatch.setattr(Whole, "kept_data", lambda cluster: ["volume raydock_cloud"])
    monkeypatch.setattr(runtimes, "is_complete", lambda cluster, context: False)
    assert run(capsys, "up", "--runtime", "processes")[0] == 0
    assert cleared == [[]]


def test_contradictory_flags(capsys: pytest.CaptureFixture[str], whole: Whole) -> None:
    assert run(capsys, "up", "--build", "--no-build") == (
        2,
        "",
        "cluster: --build and --no-build contradict each other.\n  Use one of them: python -m cluster up --build\n",
    )


def test_an_invalid_setting_never_restarts_the_cloud(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, whole: Whole
) -> None:
    run(capsys, "up")
    monkeypatch.setenv("LAB_EGRESS_ALLOW", "10.0.0.1/8")
    assert run(capsys, "up")[0] == 1
    assert whole.restarts == 0
    monkeypatch.setenv("LAB_EGRESS_ALLOW", "10.0.0.0/8")
    run(capsys, "up")
    assert whole.restarts == 1


def test_a_cluster_with_another_runtime_exists(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "open_runtime", lambda name, context: Half())
    assert run(capsys, "up", "--runtime", "docker") == (
        1,
        "",
        "cluster: A cluster already exists on runtime processes.\n  Remove it first: make cluster-down\n",
    )


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        ("sclae cpu-worker=3", "sclae is not a command of python -m cluster.",
         "did you mean: python -m cluster scale cpu-worker=3"),
        ("Status", "Status is not a command of python -m cluster.", "did you mean: python -m cluster status"),
        ("xyzzy", "xyzzy is not a command of python -m cluster.",
         "commands: up, down, status, scale, images, env, manifest, fault, idle, diff"),
        ("up --runtme docker --build", "python -m cluster up does not accept --runtme.",
         "did you mean: python -m cluster up --runtime docker --build"),
        ("up --kind docker --build", "python -m cluster up does not take --kind.",
         "did you mean: python -m cluster up --runtime docker --build"),
        ("up --build --kind=processes", "python -m cluster up does not take --kind=processes.",
         "did you mean: python -m cluster up --build --runtime=processes"),
        ("down --kind docker", "python -m cluster down does not accept --kind.", "python -m cluster down --help"),
        ("up --runtime=dokcer", "--runtime 'dokcer' is not one of auto, docker, processes.",
         "did you mean: python -m cluster up --runtime=docker"),
        ("down --target vertx --cluster 'a b'", "--target 'vertx' is not one of local, vertex, kuberay.",
         "did you mean: python -m cluster down --target vertex --cluster 'a b'"),
        ("status x", "python -m cluster status does not accept x.", "python -m cluster status --help"),
        ("scale cpu-worker=1 --drain-timeout -1",
         "Argument --drain-timeout: '-1' is not a duration; write it as 90s, 30m, 1.5h, 1h30m or 1d.",
         "python -m cluster scale --help"),
    ],
)  # fmt: skip
def test_a_mistake_gets_the_corrected_command_line(
    capsys: pytest.CaptureFixture[str], words: str, message: str, fix: str
) -> None:
    assert run(capsys, *shlex.split(words)) == (2, "", f"cluster: {message}\n  {fix}\n")


STOPPED = "No Docker engine is responding at unix:///nonexistent.sock: the socket does not exist."


@pytest.mark.parametrize("words", [["down"], ["up"], ["status"], ["scale", "cpu-worker=1"]])
def test_a_stopped_engine_is_not_an_empty_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    """The cluster in Docker still exists: nothing is removed, and no second cluster is started."""
    state = tmp_path / "state"
    key.ensure(state)
    started.begin(state, "docker")
    status, out, said = run(capsys, *words)
    assert (status, out) == (1, "")
    assert said == (
        f"cluster: {STOPPED} The cluster raydock was started there; its containers, networks and volumes can't be "
        "listed or removed while Docker is down.\n  Start Docker, then try again. Nothing was changed.\n"
    )
    assert key.read(state)
    assert started.runtime(state) == "docker"


@pytest.mark.parametrize("runtime", ["", "processes"])
def test_without_a_cluster_in_docker_no_engine_is_needed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, runtime: str
) -> None:
    state = tmp_path / "state"
    key.ensure(state)
    if runtime:
        started.begin(state, runtime)
    assert run(capsys, "down") == (0, "Nothing to remove.\n", "")
    assert not key.read(state)
    assert not started.runtime(state)


def test_a_cluster_started_by_an_earlier_version_needs_the_engine_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It recorded its settings and not its runtime."""
    state = tmp_path / "state"
    key.ensure(state)
    applied.save(state, {"HEAD_SHM": ""})
    assert run(capsys, "down")[0] == 1
    assert key.read(state)


def test_help_imports_no_heavy_packages() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "try: import runpy; runpy.run_module('cluster', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'ray', 'docker', 'yaml', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_timeout_says_what_and_how_long() -> None:
    said: list[str] = []
    with pytest.raises(NotReady) as caught:
        wait_until(
            lambda: "1 of 2 nodes", 0.2, "Starting the workers", said.append, "Try again: make cluster-up"
        )
    assert f"{caught.value.message}\n  {caught.value.fix}" == (
        "Starting the workers took more than 0.2 s: 1 of 2 nodes.\n  Try again: make cluster-up"
    )
    assert said == ["1 of 2 nodes"]


def test_a_dashboard_that_does_not_answer_may_answer_yet() -> None:
    errors = [NotUp("The dashboard is silent.", "fix")]

    def check() -> str:
        if errors:
            raise errors.pop()
        return ""

    said: list[str] = []
    wait_until(check, 5, "Starting", said.append, "fix")
    assert said == ["The dashboard is silent"]


NODE = Node("id-1", "cpu-worker-1", "", "cpu-worker", 1, 0, False, 0, 0, "ALIVE", 1)


class Three:
    """Three members: one dead, one idle, one busy; the head chooses the idle one, which exits immediately."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.nodes = [replace(NODE, id=f"id-{n}", name=f"cpu-worker-{n}") for n in (1, 2, 3)]

    def members(self) -> list[Member]:
        return [Member(f"cpu-worker-{n}", "cpu-worker", f"cpu-worker-{n}", n != 2) for n in (1, 2, 3)]

    def grow(self, pool: topology.Pool, count: int) -> None:
        raise NotImplementedError

    def remove(self, members: list[Member]) -> None:
        raise NotImplementedError

    def on_head(self, source: str, *arguments: str) -> str:
        self.asked.append(arguments)
        self.nodes = [replace(node, state="DEAD") if node.id == "id-3" else node for node in self.nodes]
        return 'a warning\n["id-3"]\n'


def leave(monkeypatch: pytest.MonkeyPatch, surplus: int) -> tuple[list[str], list[tuple[str, ...]]]:
    three = Three()
    monkeypatch.setattr(scale, "list_nodes", lambda dashboard: three.nodes)
    chosen = scale.drained_members(three, cli.read_context(), three.members(), surplus, 60.0)
    return [member.name for member in chosen], three.asked


def test_dead_nodes_are_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leave(monkeypatch, 1) == (["cpu-worker-2"], [])


def test_then_the_nodes_that_the_head_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    names, asked = leave(monkeypatch, 2)
    assert names == ["cpu-worker-2", "cpu-worker-3"]
    assert asked == [("1", "60.0", "id-3", "id-1")]


@pytest.mark.parametrize(
    ("count", "removed"), [(1, ["cpu-worker-2", "cpu-worker-3"]), (2, ["cpu-worker-2"]), (3, []), (5, [])]
)
def test_scaling_removes_and_adds_nodes(
    monkeypatch: pytest.MonkeyPatch, count: int, removed: list[str]
) -> None:
    """One of the three members is dead. `grow` is always called with the new size."""
    three, done = Three(), list[object]()
    monkeypatch.setattr(scale, "list_nodes", lambda dashboard: three.nodes)
    monkeypatch.setattr(three, "remove", lambda members: done.append([member.name for member in members]))
    monkeypatch.setattr(three, "grow", lambda pool, size: done.append((pool.name, size)))
    monkeypatch.setattr(scale, "wait_for_nodes", lambda cluster, context, pool: done.append(pool))
    context = cli.read_context()
    scale.scale(three, context, context.topology.pool("cpu-worker"), count, 60.0)
    assert done == [*([removed] if removed else []), ("cpu-worker", count), "cpu-worker"]


@pytest.mark.parametrize(
    ("seconds", "looks", "told"),
    [
        (600.0, 3, ["draining cpu-worker-1: waiting for running tasks to finish"]),
        (
            0.0,
            99,
            [
                "removing nodes that were still busy after 0 s: "
                "draining cpu-worker-1: waiting for running tasks to finish",
            ],
        ),
    ],
)
def test_draining_waits_for_a_busy_node_until_the_timeout(
    monkeypatch: pytest.MonkeyPatch, seconds: float, looks: int, told: list[str]
) -> None:
    said, left = list[str](), [looks]

    def list_nodes(dashboard: object) -> list[Node]:
        left[0] -= 1
        return [replace(NODE, state="ALIVE" if left[0] > 0 else "DEAD")]

    monkeypatch.setattr(scale, "list_nodes", list_nodes)
    context = replace(cli.read_context(), say=said.append, shown=None)
    scale.wait_until_drained(context, {NODE.id: Member("cpu-worker-1", "cpu-worker", "", True)}, seconds)
    assert said == told
    assert (left[0] <= 0) == (seconds > 0), "it returned once the node was dead, or at the timeout"


def test_parse() -> None:
    assert pool_size("cpu-worker=0") == ("cpu-worker", 0)
    with pytest.raises(UsageError):
        pool_size("cpu-worker=٣")
