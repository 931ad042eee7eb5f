"""The lab's cloud beside the nodes of a processes cluster: who jobs run as, its doors, its end and its mend."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from cluster.processes import record
from cluster.processes.process_tree import Owned
from tests.integration.footprint import owned
from tests.integration.test_cluster_processes import environment
from tests.lab import ROOT, Lab, cluster_command, until

pytestmark = pytest.mark.ray
AGENT = "service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
TRAINER = "trainer@lab-project.iam.gserviceaccount.com"
# Reads and writes until a file exists, and checks every answer.
BEAT = """
    import os, sys, time
    from google.cloud import storage

    bucket, beats = storage.Client().bucket("lab-models"), 0
    while not os.path.exists(sys.argv[1]):
        bucket.blob("beat").upload_from_string(str(beats))
        assert bucket.blob("beat").download_as_text() == str(beats)
        beats += 1
        print("BEAT", beats, flush=True)
        time.sleep(0.2)
"""


@pytest.fixture
def lab(processes_lab: Lab) -> Lab:
    return processes_lab


@pytest.fixture
def as_before(lab: Lab) -> Iterator[Lab]:
    """The shared cluster; its cloud is restarted with its own settings after the test."""
    yield lab
    kill(lab, "cloud")
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr


def doors(lab: Lab) -> record.Ports:
    found = record.load(lab.state)
    assert found is not None
    return found.ports


def result(lab: Lab, *command: str) -> Any:
    """What a job that `submit.py` sends prints as its result."""
    done = subprocess.run(
        [sys.executable, "submit.py", *command],
        cwd=ROOT, env=dict(lab.env), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=600) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def kill(lab: Lab, service: str) -> None:
    for process in Owned(lab.env["RAYDOCK_STATE"], service).processes():
        process.kill()
        process.wait(600)


def test_jobs_run_as_the_agent_on_every_node(lab: Lab) -> None:
    found = result(lab, "jobs/whoami.py")
    assert found["metrics"] == {"runs_as": AGENT, "project": "lab-project"}
    assert len(found["nodes"]) == 4


def test_every_client_reads_and_writes_and_is_refused_in_its_own_way(lab: Lab) -> None:
    clients = result(lab, "tests/jobs/storage_clients.py")["clients"]
    assert len(clients) == 8
    kinds = {name: set(told["kinds"]) for name, told in clients.items()}
    for name, told in clients.items():
        assert kinds[name] & {"Forbidden", "OSError", "PermissionError"}, (name, kinds[name])
        assert told["open"]
        assert "closed" not in told
    assert {name for name in clients if "Forbidden" in kinds[name]} >= {"google_cloud_storage", "resumable"}


def test_the_emulators_door_is_for_programs_of_this_machine(lab: Lab) -> None:
    emulator, metadata = doors(lab).emulator, doors(lab).metadata
    storage = f"http://127.0.0.1:{emulator}/storage/v1/b/lab-data/o"
    token = f"http://127.0.0.1:{metadata}/computeMetadata/v1/instance/service-accounts/default/token"
    for url in (storage, token):
        flavor = {"Metadata-Flavor": "Google"}
        assert status_of(url, **flavor) == 200
        assert status_of(url, Host="evil.example", **flavor) == 403
        assert status_of(url, Origin="http://evil.example", **flavor) == 403
        assert status_of(url, Origin="null", **flavor) == 403


def test_without_the_key_the_gateway_answers_401(lab: Lab) -> None:
    for path in (
        "/api/version",
        "/api/jobs/",
        "/lab/",
        "/google/storage.googleapis.com/storage/v1/b/lab-data/o",
    ):
        assert status_of(lab.url + path) == 401, path
        assert status_of(lab.url + path, Authorization="Bearer wrong") == 401, path


def test_up_after_the_key_was_lost(lab: Lab) -> None:
    Path(lab.env["RAYDOCK_STATE"], "key").unlink()
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    assert len(lab.nodes()) == 4


def test_a_job_goes_on_when_the_cloud_is_killed_and_mended(lab: Lab, tmp_path: Path) -> None:
    before, told = doors(lab), lab.nodes()
    job = lab.submit(BEAT, str(tmp_path / "enough"))
    until(lambda: "BEAT 5" in lab.log(job))
    kill(lab, "cloud")
    done = lab.cluster("status")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "cluster: The lab's cloud has stopped, so requests from jobs will fail.\n"
        "  To restart: make cluster-up\n"
    )
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    assert (doors(lab), lab.nodes()) == (before, told)
    beats = lab.log(job).count("BEAT")
    until(lambda: lab.log(job).count("BEAT") > beats + 5)
    (tmp_path / "enough").touch()
    status, text = lab.ended(job)
    assert status == "SUCCEEDED", text


def test_a_cloud_that_refuses_to_start_again_leaves_the_nodes_alone(as_before: Lab) -> None:
    lab = as_before
    before = [node["id"] for node in lab.nodes()]
    kill(lab, "cloud")
    nobody = "nobody@lab-project.iam.gserviceaccount.com"  # which `up` leaves to a cloud that has been up
    done = cluster_command({**lab.env, "LAB_SERVICE_ACCOUNT": nobody}, "up")
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        1,
        [
            "cluster: The lab's cloud did not start: LAB_SERVICE_ACCOUNT is "
            f"{nobody}, which does not exist in the lab.",
            f"  Add it to iam/lab.yaml, or use one of these: {TRAINER}",
        ],
    )
    done = cluster_command({**lab.env, "LAB_SERVICE_ACCOUNT": TRAINER}, "up")
    assert done.returncode == 0, done.stderr
    assert [node["id"] for node in lab.nodes()] == before
    found = result(lab, "jobs/whoami.py", "--skip-check", "--", "--smoke-test")
    assert found["metrics"]["runs_as"] == TRAINER


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LAB_TOKEN_TTL", "soon", "LAB_TOKEN_TTL is 'soon'."),
        (
            "LAB_SERVICE_ACCOUNT",
            "no@x.example",
            "LAB_SERVICE_ACCOUNT is no@x.example, which does not exist",
        ),
        ("LAB_FILE", "{folder}/bad.yaml", "bad.yaml is not valid YAML: "),
        ("LAB_FILE", "{folder}/none.yaml", "LAB_FILE is {folder}/none.yaml, which does not exist."),
    ],
)
def test_what_the_cloud_refuses_is_told_before_anything_starts(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    (tmp_path / "bad.yaml").write_text("user: [\n")
    env = environment(tmp_path) | {name: value.format(folder=tmp_path)}
    done = cluster_command(env, "up", "--runtime", "processes")
    try:
        assert done.returncode == 1
        assert f"cluster: The lab's cloud did not start: {said.format(folder=tmp_path)}" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("  ")
        assert "Traceback" not in done.stderr
        assert owned(Lab("processes", env)) == []
        assert record.load(Path(env["RAYDOCK_STATE"])) is None
    finally:
        cluster_command(env, "down")
