"""The notebook on a real project, unchanged, as the caller. It takes half an hour, and its cluster costs meanwhile.

RAYDOCK_LIVE_PROJECT names the project; RAYDOCK_LIVE_REGION a region other than us-central1. nbclient and ipykernel have
to be in the environment: pip install nbclient ipykernel
"""

from __future__ import annotations

import os
import secrets
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT

PROJECT = os.environ.get("RAYDOCK_LIVE_PROJECT", "")
ALWAYS = {"parameters", "login", "delete"}  # the cells' tags
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not PROJECT, reason="RAYDOCK_LIVE_PROJECT is not set: no real project to try it on"),
]


def run(monkeypatch: pytest.MonkeyPatch, name: str, tags: set[str] | None = None) -> Any:
    """Runs the notebook, or only its cells with one of the tags; hands back what it then holds."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is missing: pip install nbclient ipykernel")
    nbformat = pytest.importorskip("nbformat")
    settings = {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GOOGLE_CLOUD_REGION": os.environ.get("RAYDOCK_LIVE_REGION", "us-central1"),
        "VERTEX_CLUSTER": name,
        "NOTEBOOK_BUCKET": f"raydock-{name}",
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),  # its lines say python
    }
    for variable, value in settings.items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(ROOT / "notebooks" / "ray_on_vertex.ipynb", as_version=4)
    if tags is not None:
        notebook.cells = [cell for cell in notebook.cells if tags & set(cell.metadata.get("tags", ()))]
    client = nbclient.NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(ROOT)}})
    return client.execute()


def test_it_runs_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    name = f"notebook-{secrets.token_hex(4)}"
    try:
        done = run(monkeypatch, name)
    finally:  # also where a cell failed: the last one takes what is there
        last = run(monkeypatch, name, ALWAYS)
        (ROOT / "result.json").unlink(missing_ok=True)
    assert "RUNNING" in str(next(cell for cell in done.cells if cell.id == "cluster").outputs)
    assert "Everything has been deleted." in str(last.cells[-1].outputs)
