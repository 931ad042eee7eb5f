"""When a command for Vertex AI uses the lab's, and what leads a program there. test_connect.py runs a real one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from raydock import state
from raydock.errors import NotFound
from raydock.gcp import clouds, lab_environment
from raydock.gcp.clouds import LabCloud
from raydock.gcp.lab_environment import MARK, enter_if_meant, own_certificates

REPLIES = {
    "/lab/": '{"project": "lab-project", "user": "user:you@example.com"}',
    "/lab/ca.pem": "THE LAB'S",
}
WHOLE = "projects/lab-project/locations/us-central1/persistentResources/c"


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose lab is up, without a network."""
    for name in ("GOOGLE_CLOUD_PROJECT", "LAB_PROJECT", "RAYDOCK_PORT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.setattr(lab_environment, "ask", lambda cloud, path: REPLIES[path])
    state.write_private(state.key_file(tmp_path), "the-key")
    return tmp_path


@pytest.mark.parametrize(
    ("lab", "project", "cluster", "environ", "used"),
    [
        (True, "", "", {}, True),
        (True, "mine", "c", {}, True),
        (False, "", "", {}, False),
        (False, "mine", "c", {}, False),
        (False, "lab-project", "c", {}, True),
        (False, "", WHOLE, {}, True),
        (False, "lab-project", WHOLE.replace("lab-project", "mine"), {}, False),
        (True, "", "", {MARK: "http://127.0.0.1:8265"}, False),
    ],
)
def test_the_lab_is_used_only_if_it_is_meant(
    lab: bool, project: str, cluster: str, environ: dict[str, str], used: bool
) -> None:
    before = dict(environ)
    found = enter_if_meant(lab, project, cluster, environ)
    assert (found is not None) is used
    assert (environ != before) is used


def test_a_container_of_the_lab_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "metadata.google.internal")
    assert enter_if_meant(True, "lab-project", "", {}) is None


def test_a_project_of_the_labs_name_is_googles_if_no_lab_is_up(checkout: Path) -> None:
    state.key_file(checkout).unlink()
    assert enter_if_meant(False, "lab-project", "", {}) is None
    with pytest.raises(NotFound, match="No lab is running from this checkout"):
        enter_if_meant(True, "", "", {})


def test_the_environment_and_its_files(checkout: Path) -> None:
    """Clients are sent to the gateway with the key; the machine's own certificates stay trusted."""
    own = checkout / "own.pem"
    own.write_text("THE COMPANY'S\n")
    environ = {"SSL_CERT_FILE": str(own), "HTTPS_PROXY": "http://proxy:1", "GOOGLE_CLOUD_PROJECT": "mine"}
    found = enter_if_meant(True, "", "", environ)
    assert found
    assert found.line == (
        "using the lab's Vertex AI at http://127.0.0.1:8265, not Google's: project lab-project, as you@example.com"
    )
    assert environ["HTTPS_PROXY"] == environ["https_proxy"] == "http://raydock:the-key@127.0.0.1:8265"
    assert environ["GOOGLE_CLOUD_PROJECT"] == "lab-project"
    bundle = Path(environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"])
    assert bundle.read_text() == "THE COMPANY'S\nTHE LAB'S"
    credentials = Path(environ["GOOGLE_APPLICATION_CREDENTIALS"])
    assert json.loads(credentials.read_text())["refresh_token"] == "the-key"
    assert {path.stat().st_mode & 0o777 for path in (bundle, credentials)} == {0o600}
    words = [shlex.split(line)[1] for line in found.exports.splitlines()]
    assert dict(word.split("=", 1) for word in words) == found.variables
    assert own_certificates(environ) != "THE COMPANY'S\nTHE LAB'S"  # not its own file again


def test_without_credentials_the_lab_is_offered_if_it_is_up(checkout: Path) -> None:
    assert clouds.login_fix() == (
        'gcloud auth application-default login; for the lab instead: eval "$(python -m cluster env)"'
    )
    state.key_file(checkout).unlink()
    assert clouds.login_fix() == "gcloud auth application-default login"


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from raydock.errors import Unreachable

    with pytest.raises(Unreachable, match="does not answer") as caught:
        lab_environment.ask(LabCloud("http://127.0.0.1:9", {"Authorization": "Bearer k"}), "/lab/")
    assert caught.value.fix == "COMPOSE_PROFILES=vertex make cluster-up"
