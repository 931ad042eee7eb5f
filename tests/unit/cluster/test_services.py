"""The lab's cloud in the processes runtime: its command and environment."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.processes import process_tree, record, services, startup
from cluster.processes.cluster import ProcessesCluster
from cluster.processes.record import Ports, ProcessesRecord
from cluster.runtimes import Context, Rebuild, stopped_message
from cluster.state import key
from raydock import topology
from raydock.settings import ROOT

FOUND = ProcessesRecord("/tmp/x", 8265, ports=Ports(21001, 21002, 21003, 21004))


def context(state: Path, **settings: str) -> Context:
    return Context(ROOT, state, settings, topology.load(ROOT, settings), print)


def test_the_cloud_has_the_gateways_port() -> None:
    assert services.command(FOUND) == [
        *(sys.executable, "-P", "-m", "cloud", "loopback"),
        *("--gateway-port=8265", "--metadata-port=21002", "--emulator-port=21003", "--own-port=21004"),
    ]


def test_the_cloud_is_given_the_settings_and_never_the_key(tmp_path: Path) -> None:
    secret = key.ensure(tmp_path)
    asked = context(tmp_path, LAB_SERVICE_ACCOUNT="trainer@x", LAB_TOKEN_TTL="60", LAB_FILE="mine.yaml")
    made = services.environment(asked, FOUND, {"RAYDOCK_KEY": "1", "GOOGLE_CLOUD_PROJECT": "mine"})
    assert made == {
        process_tree.MARK: str(tmp_path),
        process_tree.NODE: "cloud",
        "TMPDIR": "/tmp/x/tmp",
        "PYTHONPATH": str(ROOT),
        "LAB_FILE": str(ROOT / "mine.yaml"),
        "LAB_PROJECT": "",
        "LAB_SERVICE_ACCOUNT": "trainer@x",
        "LAB_TOKEN_TTL": "60",
        "LAB_JOBS": "",
        "LAB_HEAD_MEMORY": str(services.memory()),
        "LAB_STATE": "/tmp/x/cloud",
        "LAB_DASHBOARD": "http://127.0.0.1:21001",
        "LAB_KEY_SHA256": key.digest(secret),
    }
    assert secret not in made.values()


@pytest.mark.parametrize(
    ("code", "rebuild", "expected"),
    [
        ("now", Rebuild.CHANGED, []),
        ("now", Rebuild.ALL, []),
        ("older", Rebuild.CHANGED, ["cloud"]),
        ("older", Rebuild.MISSING, []),  # up --no-build
        ("", Rebuild.CHANGED, ["cloud"]),  # started before the code was recorded
    ],
)
def test_a_cloud_that_runs_older_code_is_outdated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, rebuild: Rebuild, expected: list[str]
) -> None:
    found = context(tmp_path)
    current = services.code(context(tmp_path, BASE_IMAGE="mine:1"))
    assert current == services.code(found)
    record.save(tmp_path, replace(FOUND, code=current if code == "now" else code))
    monkeypatch.setattr(startup, "stopped_services", lambda context, found: [])
    assert ProcessesCluster(found).outdated(rebuild) == expected
    monkeypatch.setattr(startup, "stopped_services", lambda context, found: ["cloud"])
    assert ProcessesCluster(found).outdated(rebuild) == []


def test_the_message_for_a_stopped_service() -> None:
    assert stopped_message(["cloud"]) == "The lab's cloud has stopped, so requests from jobs will fail."
