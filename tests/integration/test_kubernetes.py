"""`--target kuberay` on a real Kubernetes API server, with a real Ray behind its service proxy."""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from cluster import ports
from kuberay import access
from tests import kubeserver
from tests.command import ROOT, environment, submit
from tests.fakekube import raycluster
from tests.kubeserver import ADMIN, DEVELOPER, KubeServer

HERE = "tests/unit/submit/test_kuberay_target.py"
LINES = 400
pytestmark = [
    pytest.mark.ray,
    pytest.mark.nightly(
        f"{HERE}::test_each_missing_verb_is_named_before_anything_is_sent",
        "tests/contract/test_job_life.py::test_an_exception_of_the_job_is_the_end_of_its_log[fake_kube]",
    ),
    pytest.mark.skipif(
        not kubeserver.definitions().is_dir(),
        reason="set KUBERAY_CRDS to KubeRay's custom resource definitions",
    ),
    pytest.mark.skipif(
        not (kubeserver.DEBIAN.exists() or os.environ.get("KUBERNETES_BIN")),
        reason="set KUBERNETES_BIN to a folder with kube-apiserver and etcd: they are built on Debian only",
    ),
]


@contextmanager
def ray_head(folder: Path) -> Iterator[int]:
    """A real Ray with one CPU; yields the port of its dashboard, which listens on all addresses."""
    ray, (dashboard, gcs) = Path(sys.executable).parent / "ray", ports.pick(2, set())
    words = [ray, "start", "--head", "--block", "--num-cpus=1", f"--port={gcs}", "--dashboard-host=0.0.0.0"]
    words += [f"--dashboard-port={dashboard}", f"--temp-dir={folder}", "--disable-usage-stats"]
    env = os.environ | {"PATH": f"{ray.parent}{os.pathsep}{os.environ['PATH']}"}  # jobs run `python`
    with kubeserver.process(words, folder / "ray.log", env):
        yield dashboard


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    folder = tmp_path_factory.mktemp("k")
    with (
        TemporaryDirectory(prefix="k") as short,  # Ray's sockets need one
        ray_head(Path(short)) as dashboard,
        kubeserver.kube_server(folder) as found,
    ):
        kubeserver.run_cluster(found, raycluster(), dashboard)
        yield found


@pytest.fixture
def env(server: KubeServer, tmp_path: Path) -> dict[str, str]:
    config = server.kubeconfig(tmp_path / "config", ADMIN)
    return environment(KUBECONFIG=str(config), RAYDOCK_STATE=str(tmp_path / "state"))


def test_a_lesson_runs(env: dict[str, str]) -> None:
    words = ["--target", "kuberay", "--skip-check=python", ROOT / "jobs/ray_tasks.py", "--", "--smoke-test"]
    done = submit(*words, env=env)
    assert done.code == 0, done.out + done.err
    assert "\nRESULT {" in done.out
    assert "cluster lab in namespace ray of context real: ready, Ray 2.47.1" in done.err


class Relay:
    """Passes TCP connections on to the server, and breaks all of them off when told to."""

    def __init__(self, port: int) -> None:
        self.target, self.open, self.cuts = port, set[socket.socket](), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            self.open.add(client)
            with selectors.DefaultSelector() as ready, suppress(OSError):
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while True:
                    for found, _ in ready.select():
                        data = found.fileobj.recv(65536)  # type: ignore[union-attr]
                        if not data:
                            return
                        found.data.sendall(data)
            self.open.discard(client)

    def cut(self) -> None:
        """Breaks off what is open."""
        for client in list(self.open):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
                self.cuts += 1
            self.open.discard(client)


def test_every_line_arrives_once_though_connections_break_off(
    server: KubeServer, env: dict[str, str], tmp_path: Path
) -> None:
    relay, done = Relay(server.port), threading.Event()
    config = server.kubeconfig(tmp_path / "relayed", ADMIN, relay.port)
    job = tmp_path / "ticks.py"
    job.write_text(
        f"import time\nfor i in range({LINES}):\n    print('tick', i, flush=True)\n    time.sleep(0.1)\n"
    )

    def cut() -> None:
        while not done.wait(0.5):
            relay.cut()

    thread = threading.Thread(target=cut)
    submitted = submit("--target", "kuberay", "--no-wait", job, env=env)
    assert submitted.code == 0, submitted.err
    thread.start()
    try:
        words = ["--target", "kuberay", "attach", submitted.submission_id]
        ended = submit(*words, env=env | {"KUBECONFIG": str(config)})
    finally:
        done.set()
        thread.join()
        relay.listener.close()
    assert ended.code == 0, ended.err
    ticks = [line for line in ended.out.splitlines() if line.startswith("tick")]
    assert ticks == [f"tick {number}" for number in range(LINES)]
    assert relay.cuts >= 50


NEEDED = (
    *access.needed_for("lab", "lab-head-svc"),
    access.LIST_CLUSTERS,
    access.READ_ACCOUNTS,
    access.READ_PODS,
    access.READ_EVENTS,
)
PROXY = "/api/v1/namespaces/ray/services/lab-head-svc:dashboard/proxy"
REQUESTS: dict[tuple[str, str], tuple[str, str]] = {
    ("get", "rayclusters"): ("GET", "/apis/ray.io/v1/namespaces/ray/rayclusters/lab"),
    ("list", "rayclusters"): ("GET", "/apis/ray.io/v1/namespaces/ray/rayclusters"),
    ("get", "services/proxy"): ("GET", f"{PROXY}/api/version"),
    ("create", "services/proxy"): ("POST", f"{PROXY}/api/jobs/"),
    ("update", "services/proxy"): ("PUT", f"{PROXY}/api/packages/gcs/x"),
    ("get", "serviceaccounts"): ("GET", "/api/v1/namespaces/ray/serviceaccounts/ray-head"),
    ("list", "pods"): ("GET", "/api/v1/namespaces/ray/pods"),
    ("list", "events"): ("GET", "/api/v1/namespaces/ray/events"),
}  # fmt: skip


def rule(one: access.Access) -> dict[str, Any]:
    return {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}


@pytest.mark.parametrize("missing", NEEDED, ids=lambda one: f"{one.verb} {one.resource}")
def test_the_check_names_the_verb_that_the_server_then_denies(
    server: KubeServer, env: dict[str, str], tmp_path: Path, missing: access.Access
) -> None:
    server.grant([rule(one) for one in NEEDED if one is not missing])
    config = server.kubeconfig(tmp_path / "dev", DEVELOPER)
    job = tmp_path / "x.py"
    job.write_text('# /// script\n# [tool.submit]\n# reads = ["gs://some-bucket/x"]\n# ///\nprint(1)\n')
    cluster = [] if missing.verb == "list" else ["--cluster", "lab"]
    required = missing in NEEDED[:5]
    ready = (
        raycluster()["status"]
        if missing.resource not in ("pods", "events")
        else {"state": "", "conditions": []}
    )
    server.patch_status("/apis/ray.io/v1/namespaces/ray/rayclusters/lab", ready)
    try:
        words = ["check", "--target", "kuberay", "--cluster-wait", "1s", *cluster, job]
        done = submit(*words, env=env | {"KUBECONFIG": str(config)})
    finally:
        server.patch_status("/apis/ray.io/v1/namespaces/ray/rayclusters/lab", raycluster()["status"])
    if required:
        assert done.code == 3, done.err
        assert f"Your account may not {missing.verb} {missing.full_resource} in namespace ray" in done.err
    elif missing.resource == "serviceaccounts":
        assert "your account may not read Kubernetes service account ray-head (head)" in done.err
    else:
        assert f"your account may not list {missing.resource}, which would show why" in done.err
    method, path = REQUESTS[missing.verb, missing.resource]
    reply = server.admin.request(method, path, headers={"Authorization": f"Bearer {DEVELOPER}"}, content=b"")
    assert reply.status_code == 403, reply.text


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_the_commands_that_the_check_prints_grant_what_is_missing(
    server: KubeServer, env: dict[str, str], tmp_path: Path
) -> None:
    server.grant([])
    config, job = server.kubeconfig(tmp_path / "dev", DEVELOPER), tmp_path / "x.py"
    job.write_text("print(1)\n")
    words = ["check", "--target", "kuberay", "--cluster", "lab", job]
    refused = submit(*words, env=env | {"KUBECONFIG": str(config)})
    for line in refused.err.splitlines():
        command = line.strip().removeprefix("→ ")
        if command.startswith("kubectl"):
            subprocess.run(shlex.split(command.replace("=USER", "=dev")), check=True, env=env, timeout=120)
    done = submit(*words, env=env | {"KUBECONFIG": str(config)})
    assert (refused.code, done.code) == (3, 0), refused.err + done.err
