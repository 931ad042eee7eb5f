"""`make notebook`: JupyterLab with its token, and the notebook from its first cell to its last, unchanged."""

from __future__ import annotations

import json
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from cluster.docker.engine import connect, member
from cluster.state import key
from tests.integration.vertexlab import VertexLab, compose_command
from tests.unit.test_notebook import cells

pytestmark = pytest.mark.docker

ACCOUNT = "ray-notebook@lab-project.iam.gserviceaccount.com"
# What a user does in JupyterLab with "Run all"; the file is the mounted one, which is read-only.
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read("/opt/raydock/notebooks/ray_on_vertex.ipynb", as_version=4)
nbformat.validate(notebook)
try:
    nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": "/home/ray/lab"}}).execute()
finally:
    nbformat.write(notebook, sys.stdout)
"""


def run(lab: VertexLab, *command: str, seconds: float = 2400) -> subprocess.CompletedProcess[str]:
    """A command in the container of JupyterLab, with the certificates that a kernel there trusts."""
    words = [*compose_command(), "exec", "-T", "-e", "NOTEBOOK_CANDIDATES=20", "notebook"]
    words += ["python3", "/opt/raydock/node.py", "run", *command]
    return subprocess.run(
        words, env=dict(lab.env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
    )  # fmt: skip


def containers(lab: VertexLab, service: str) -> list[Any]:
    engine = connect()
    found = engine.containers(lab.project, service)
    engine.client.close()
    return list(found)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=600) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as fault:
        fault.close()
        return fault.code


def test_the_link_lets_in_and_nothing_else_does(vertex_lab: VertexLab) -> None:
    before, _, token = vertex_lab.link.partition("?token=")
    home = f"http://127.0.0.1:{vertex_lab.env['NOTEBOOK_PORT']}"
    assert before == f"{home}/lab/tree/ray_on_vertex.ipynb"
    assert len(token) > 40
    file = f"{home}/api/contents/ray_on_vertex.ipynb"
    assert [status(url) for url in (file, f"{file}?token={token}x", f"{file}?token={token}")] == [
        403,
        403,
        200,
    ]
    (container,) = containers(vertex_lab, "notebook")
    assert token not in container.logs().decode()


def test_its_container_can_do_little(vertex_lab: VertexLab) -> None:
    (container,) = containers(vertex_lab, "notebook")
    host = container.attrs["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PortBindings"]["8888/tcp"][0]["HostIp"] == "127.0.0.1"
    assert container.attrs["Config"]["User"] == "ray"
    assert not any(mount["RW"] for mount in container.attrs["Mounts"])
    assert member(container).running


def test_pip_finds_all_of_it_there(vertex_lab: VertexLab) -> None:
    """The notebook's first cell, in a container without a network."""
    words = shlex.split(cells()["install"].splitlines()[0].removeprefix("%pip "))
    (container,) = containers(vertex_lab, "notebook")
    client = docker.from_env(timeout=600)
    try:
        image = container.image.tags[0]
        said = client.containers.run(
            image, ["pip", *words, "--dry-run"], entrypoint=[], network_mode="none", remove=True
        )
    finally:
        client.close()
    assert b"Would install" not in said


VERTEX, SUBMIT = "tests/integration/test_docker_vertex.py", "tests/integration/test_docker_vertex_submit.py"


@pytest.mark.nightly(
    "tests/unit/test_notebook.py::test_it_is_a_notebook_of_version_4_5",
    f"{VERTEX}::test_two_clusters_are_who_they_were_created_as",
    f"{SUBMIT}::test_denied_before_it_is_sent_then_by_storage_then_mended",
)
@pytest.mark.parametrize("repetition", range(3))
def test_from_the_first_cell_to_the_last(vertex_lab: VertexLab, repetition: int) -> None:
    others = {node.name for node in containers(vertex_lab, "vertex-node")}
    done = run(vertex_lab, "python", "-c", RUN)
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
    assert "(tested by impersonating the identity)" in " ".join(told["grant"].split())
    assert "gs://lab-project-notebook/hello.txt: hello from lab-project-notebook" in told["allowed"]
    assert f"written as {ACCOUNT}" in told["allowed"]
    assert told["delete"].endswith("Everything has been deleted.\n")
    assert {node.name for node in containers(vertex_lab, "vertex-node")} == others
    assert lab(vertex_lab.env)["buckets"].keys() == {"lab-data", "lab-models", "closed-bucket"}


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
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=600) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found
