"""`make notebook`: JupyterLab with its token, and the notebook from its first cell to its last, unchanged."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from cluster import key, ports
from cluster.engine import connect, find_compose, member
from tests.command import ROOT
from tests.conftest import cluster_command, lab_environment
from tests.unit.test_notebook import cells

pytestmark = pytest.mark.docker

ACCOUNT = "ray-notebook@lab-project.iam.gserviceaccount.com"
# What a person does in JupyterLab with "Run all"; the file is the mounted one, which nobody can write.
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read("/opt/raydock/notebooks/ray_on_vertex.ipynb", as_version=4)
nbformat.validate(notebook)
try:
    nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": "/home/ray/lab"}}).execute()
finally:
    nbformat.write(notebook, sys.stdout)
"""


@dataclass(frozen=True)
class Jupyter:
    """A lab with JupyterLab in it, and the link to it as `make notebook` printed it."""

    env: Mapping[str, str]
    link: str

    def run(self, *command: str, seconds: float = 2400) -> subprocess.CompletedProcess[str]:
        """A command in its container, with the certificates that a kernel there trusts."""
        words = [
            *find_compose(),
            "--project-directory",
            str(ROOT),
            "exec",
            "-T",
            "-e",
            "NOTEBOOK_CANDIDATES=20",
        ]
        words += ["notebook", "python3", "/opt/raydock/node.py", "run", *command]
        return subprocess.run(
            words, env=dict(self.env), capture_output=True, text=True, timeout=seconds, check=False
        )


@pytest.fixture(scope="module")
def jupyter(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """`make notebook`, and at its end `make cluster-down`."""
    prefix = images["head"].partition("/head:")[0]
    env = lab_environment(tmp_path_factory.mktemp("notebook-state"), RAYDOCK_IMAGE_PREFIX=prefix)
    env["NOTEBOOK_PORT"] = str(ports.pick(1, {int(env["RAYDOCK_PORT"])})[0])
    built = cluster_command({**env, "COMPOSE_PROFILES": "vertex,notebook"}, "images", "--build", timeout=3000)
    assert built.returncode == 0, built.stderr
    command = ["make", "--old-file=setup", f"PYTHON={sys.executable}", "notebook"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(r"^Notebook: +(\S+)$", done.stdout, re.MULTILINE)
        assert found, done.stdout
        yield Jupyter(env, found[1])
    finally:
        ended = cluster_command(env, "down")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    engine = connect()
    left = engine.belongings(env["COMPOSE_PROJECT_NAME"])
    engine.client.close()
    assert left == []


def containers(jupyter: Jupyter, service: str) -> list[Any]:
    engine = connect()
    found = engine.containers(jupyter.env["COMPOSE_PROJECT_NAME"], service)
    engine.client.close()
    return list(found)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as fault:
        fault.close()
        return fault.code


def test_the_link_lets_in_and_nothing_else_does(jupyter: Jupyter) -> None:
    before, _, token = jupyter.link.partition("?token=")
    home = f"http://127.0.0.1:{jupyter.env['NOTEBOOK_PORT']}"
    assert before == f"{home}/lab/tree/ray_on_vertex.ipynb"
    assert len(token) > 40
    file = f"{home}/api/contents/ray_on_vertex.ipynb"
    assert [status(url) for url in (file, f"{file}?token={token}x", f"{file}?token={token}")] == [
        403,
        403,
        200,
    ]
    (container,) = containers(jupyter, "notebook")
    assert token not in container.logs().decode()


def test_its_container_can_do_little(jupyter: Jupyter) -> None:
    (container,) = containers(jupyter, "notebook")
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PortBindings"]["8888/tcp"][0]["HostIp"] == "127.0.0.1"
    assert container.attrs["Config"]["User"] == "ray"
    assert not any(mount["RW"] for mount in container.attrs["Mounts"])
    assert member(container).running


def test_pip_finds_all_of_it_there(jupyter: Jupyter) -> None:
    """The notebook's first cell, in a container without a network."""
    words = shlex.split(cells()["install"].splitlines()[0].removeprefix("%pip "))
    (container,) = containers(jupyter, "notebook")
    client = docker.from_env(timeout=120)
    try:
        image = container.image.tags[0]
        said = client.containers.run(
            image, ["pip", *words, "--dry-run"], entrypoint=[], network_mode="none", remove=True
        )
    finally:
        client.close()
    assert b"Would install" not in said


@pytest.mark.parametrize("run", range(int(os.environ.get("RAYDOCK_NOTEBOOK_RUNS", "1"))))  # 3 by hand
def test_from_the_first_cell_to_the_last(jupyter: Jupyter, run: int) -> None:
    done = jupyter.run("python", "-c", RUN)
    assert done.returncode == 0, done.stderr[-5000:]
    told = {cell["id"]: text_of(cell) for cell in json.loads(done.stdout)["cells"] if "outputs" in cell}
    assert list(told) == list(cells())
    assert f"RUNNING: Ray 2.47 on Python 3.11, jobs run as {ACCOUNT}" in told["cluster"]
    assert "SUCCEEDED after" in told["job"]
    assert "image/png" in told["plot"]
    assert 'RESULT {"version": 1, "job": "sklearn_joblib"' in told["plain"]
    assert "storage.objects.get" in told["denied"]
    grant = "--role=roles/storage.objectViewer --member=serviceAccount:"
    assert f"python -m iam grant gs://lab-project-notebook {grant}{ACCOUNT}" in told["denied"]
    assert "(asked as the identity itself)" in " ".join(told["grant"].split())
    assert "gs://lab-project-notebook/hello.txt: hello from lab-project-notebook" in told["allowed"]
    assert f"written as {ACCOUNT}" in told["allowed"]
    assert told["delete"].endswith("Nothing is left.\n")
    assert containers(jupyter, "vertex-node") == []
    assert lab(jupyter.env)["buckets"].keys() == {"lab-data", "lab-models", "closed-bucket"}


def text_of(cell: Mapping[str, Any]) -> str:
    """What the cell wrote, and the kinds of what it showed."""
    parts = [
        one["text"] if one["output_type"] == "stream" else [*one.get("data", ())] for one in cell["outputs"]
    ]
    return "".join("".join(part) for part in parts)


def lab(env: Mapping[str, str]) -> dict[str, Any]:
    """What the lab's cloud tells of itself."""
    address = f"http://127.0.0.1:{env['RAYDOCK_PORT']}/lab/"
    headers = {"Authorization": f"Bearer {key.read(Path(env['RAYDOCK_STATE']))}"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=20) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found
