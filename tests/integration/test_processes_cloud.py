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

from cluster import record
from cluster.owned import Owned
from tests.conftest import ROOT, Lab, cluster_command
from tests.integration.test_cluster_kinds import ended, log, nodes, submit, until
from tests.integration.test_cluster_processes import environment, owned

pytestmark = pytest.mark.ray
AGENT = "service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
TRAINER = "trainer@lab-project.iam.gserviceaccount.com"
# A login that would be used before the metadata server, were it found.
LOGIN = {"type": "authorized_user", "client_id": "me", "client_secret": "me", "refresh_token": "me"}
# Without a pause that matters to anyone; every answer is checked.
BEAT = """
    import time
    from google.cloud import storage

    bucket, end, beats = storage.Client().bucket("lab-models"), time.time() + 20, 0
    while time.time() < end:
        bucket.blob("beat").upload_from_string(str(beats))
        assert bucket.blob("beat").download_as_text() == str(beats)
        beats += 1
        print("BEAT", beats, flush=True)
        time.sleep(0.2)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A small cluster, started by a person who is logged in to Google in every way there is."""
    folder = tmp_path_factory.mktemp("cloud")
    login = folder / ".config" / "gcloud" / "application_default_credentials.json"
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps(LOGIN))
    own = {"HOME": str(folder), "GOOGLE_APPLICATION_CREDENTIALS": str(login), "GOOGLE_CLOUD_PROJECT": "mine"}
    found = Lab("processes", environment(folder) | own)
    try:
        done = found.cluster("up", "--kind", "processes")
        assert done.returncode == 0, done.stderr
        yield found
    finally:
        done = cluster_command(found.env, "down")
    assert done.returncode == 0, done.stderr
    assert owned(found) == []


def doors(lab: Lab) -> record.Doors:
    found = record.load(Path(lab.env["RAYDOCK_STATE"]))
    assert found is not None
    return found.doors


def result(lab: Lab, *command: str) -> Any:
    """What a job that `submit.py` sends prints as its result."""
    done = subprocess.run(
        [sys.executable, "submit.py", *command],
        cwd=ROOT, env=dict(lab.env), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("RESULT ")]
    return json.loads(line.removeprefix("RESULT "))


def status_of(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def kill(lab: Lab, service: str) -> None:
    for process in Owned(lab.env["RAYDOCK_STATE"], service).processes():
        process.kill()
        process.wait(10)


def test_jobs_run_as_the_agent_on_every_node(lab: Lab) -> None:
    found = result(lab, "jobs/whoami.py")
    assert found["metrics"] == {"runs_as": AGENT, "project": "lab-project"}
    assert len(found["nodes"]) == 2


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


def test_status_and_up_after_the_end_of_the_storage(lab: Lab) -> None:
    kill(lab, "storage")
    done = lab.cluster("status")
    assert done.returncode == 0
    said = "cluster: The lab's storage has ended: jobs get no answer there."
    assert done.stderr == f"{said} Start what has ended: make cluster-up\n"
    assert [node["pool"] for node in nodes(lab)] == ["head", "cpu-worker"]
    assert lab.cluster("up").returncode == 0
    assert lab.cluster("status").stderr == ""


def test_up_after_the_key_was_lost(lab: Lab) -> None:
    Path(lab.env["RAYDOCK_STATE"], "key").unlink()
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    assert len(nodes(lab)) == 2


def test_a_job_goes_on_when_the_cloud_is_killed_and_mended(lab: Lab) -> None:
    before, told = doors(lab), nodes(lab)
    job = submit(lab, BEAT)
    until(lambda: "BEAT 5" in log(lab, job), 30)
    kill(lab, "cloud")
    done = lab.cluster("status")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "cluster: The lab's cloud has ended: jobs get no answer there.\n"
        "  Start what has ended: make cluster-up\n"
    )
    done = lab.cluster("up")
    assert done.returncode == 0, done.stderr
    assert (doors(lab), nodes(lab)) == (before, told)
    status, text = ended(lab, job)
    assert status == "SUCCEEDED", text
    assert text.count("BEAT") > 20


def test_a_cloud_that_refuses_to_start_again_leaves_the_nodes_alone(lab: Lab) -> None:
    before = [node["id"] for node in nodes(lab)]
    kill(lab, "cloud")
    done = cluster_command({**lab.env, "LAB_TOKEN_TTL": "0"}, "up")
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        1,
        [
            "cluster: The lab's cloud did not start: LAB_TOKEN_TTL is '0'.",
            "  Make it a number of seconds from 1 to 43200",
        ],
    )
    done = cluster_command({**lab.env, "LAB_SERVICE_ACCOUNT": TRAINER}, "up")
    assert done.returncode == 0, done.stderr
    assert [node["id"] for node in nodes(lab)] == before
    found = result(lab, "jobs/whoami.py", "--skip-check", "--", "--smoke-test")
    assert found["metrics"]["runs_as"] == TRAINER


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LAB_TOKEN_TTL", "soon", "LAB_TOKEN_TTL is 'soon'."),
        ("LAB_SERVICE_ACCOUNT", "no@x.example", "LAB_SERVICE_ACCOUNT names no@x.example, and the lab has no"),
        ("LAB_FILE", "{folder}/bad.yaml", "bad.yaml is no YAML: "),
        ("LAB_FILE", "{folder}/none.yaml", "LAB_FILE names {folder}/none.yaml, and there is no such file."),
    ],
)
def test_what_the_cloud_refuses(tmp_path: Path, name: str, value: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text("person: [\n")
    env = environment(tmp_path) | {name: value.format(folder=tmp_path)}
    done = cluster_command(env, "up", "--kind", "processes")
    try:
        assert done.returncode == 1
        assert f"cluster: The lab's cloud did not start: {said.format(folder=tmp_path)}" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("  ")
        assert "Traceback" not in done.stderr
        assert owned(Lab("processes", env)) == []
        assert record.load(Path(env["RAYDOCK_STATE"])) is None
    finally:
        cluster_command(env, "down")
