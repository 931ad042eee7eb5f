"""`--target kuberay` on a real Kubernetes API server, with a real Ray behind its service proxy.

The lessons run there too: tests/contract/test_lessons.py.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from tests import kubeserver
from tests.command import FLAGS, ended, environment, start, submit
from tests.kubelab import NAMESPACE
from tests.kubeserver import ADMIN, KubeServer
from tests.lab import Lab
from tests.relay import Relay

JOBS, LINES = 20, 200
CUTS = (20, 80, 140)  # a connection breaks off soon after these lines
JOB = """\
import os, sys, time
for i in range(%d):
    print("tick", i, "x" * 90, flush=True)
    while i in %r and not os.path.exists(f"{sys.argv[1]}-{i}"):
        time.sleep(0.01)
"""
EXPECTED = [f"tick {line} {'x' * 90}" for line in range(LINES)]
pytestmark = kubeserver.needed(
    "tests/contract/test_cut_connections.py::test_every_line_is_shown_once[fake-5]"
)


def test_logs_are_complete_though_connections_break_off(
    kube_server: KubeServer, kubernetes_lab: Lab, tmp_path: Path
) -> None:
    job, chance = tmp_path / "ticks.py", random.Random("cuts")
    job.write_text(JOB % (LINES, CUTS))
    with Relay(kube_server.port) as relay:
        config = kube_server.kubeconfig(tmp_path / "config", ADMIN, relay.port, NAMESPACE)
        env = environment(**kubernetes_lab.reach) | {"KUBECONFIG": str(config)}
        for number in range(JOBS):
            process = start(job, "--", tmp_path / str(number), env=env)
            assert shown(process, relay, tmp_path / str(number), chance) == EXPECTED
            done = ended(process)
            assert (done.code, relay.cuts) == (0, (number + 1) * len(CUTS)), done.err


def shown(process: subprocess.Popen[bytes], relay: Relay, gate: Path, chance: random.Random) -> list[str]:
    """The job's lines as submit.py prints them. At each cut, more bytes of the log follow than until it happens."""
    assert process.stdout
    lines = list[str]()
    for line in process.stdout:
        if not line.startswith(b"tick"):
            continue
        lines.append(line.decode().rstrip("\n"))
        if (last := len(lines) - 1) in CUTS:
            relay.wait_until_cut()
            relay.cut_after(chance.randrange(1, 3000))
            gate.with_name(f"{gate.name}-{last}").touch()
    return lines


def test_a_caller_who_may_only_read_follows_and_lists(
    kube_server: KubeServer, kubernetes_lab: Lab, tmp_path: Path
) -> None:
    read = [
        {"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]},
    ]
    kube_server.grant(NAMESPACE, read)
    (tmp_path / "x.py").write_text("print('seen')\n")
    done = submit(tmp_path / "x.py", env=environment(**kubernetes_lab.reach))
    config = kube_server.kubeconfig(tmp_path / "config", kubeserver.DEVELOPER, namespace=NAMESPACE)
    env = environment(**kubernetes_lab.reach) | {
        "KUBECONFIG": str(config),
        FLAGS: "--target kuberay --cluster lab",
    }
    name = done.submission_id
    assert "seen\n" in submit("logs", name, env=env).out
    assert name in submit("list", env=env).out
    refused = submit("stop", name, env=env)
    assert (refused.code, "may not create services/proxy" in refused.err) == (3, True)
