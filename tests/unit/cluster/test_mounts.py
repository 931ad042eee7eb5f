"""Files that containers read from a private checkout, or from one with Windows line endings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster.docker import mounts
from cluster.processes.loopback import DOCKER, module
from cluster.runtimes import Context
from raydock import topology
from raydock.errors import CommandFailed
from raydock.settings import ROOT

NOTEBOOK = {"COMPOSE_PROFILES": "notebook"}


def checkout(root: Path, state: Path, **settings: str) -> Context:
    """A checkout with a file in every folder that containers mount."""
    (root / "iam").mkdir(parents=True)
    (root / "docker").mkdir()
    for name in ("compose.yaml", "iam/lab.yaml", "docker/no-ca.pem"):
        shutil.copy(ROOT / name, root / name)
    for folder in ("notebooks", "submit", "vertex", "jobs"):
        (root / folder).mkdir()
        (root / folder / "one.py").touch()
    (root / "submit.py").touch()
    return Context(root, state, settings, topology.load(root, settings), lambda line: None)


def close(context: Context) -> None:
    """Make the checkout private, as with umask 077."""
    for path in context.root.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def foreign_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ensure that the containers' user does not own the checkout."""
    monkeypatch.setattr(mounts, "USER", -1)


def test_readable_files_are_mounted_directly(tmp_path: Path) -> None:
    found = checkout(tmp_path / "raydock", tmp_path / "state")
    for path in found.root.rglob("*"):
        path.chmod(0o755)
    assert mounts.files(found) == {"RAYDOCK_CA_BUNDLE": "docker/no-ca.pem"}
    assert not (tmp_path / "state").exists()


def test_a_private_file_is_mounted_as_a_copy(tmp_path: Path) -> None:
    state = tmp_path / "state"
    found = checkout(tmp_path / "raydock", state, LAB_FILE="iam/lab.yaml")
    close(found)
    copies = {"RAYDOCK_CA_BUNDLE": state / "readable/no-ca.pem", "LAB_FILE": state / "readable/lab.yaml"}
    for _ in range(2):  # the same each time, or Compose would recreate containers
        assert mounts.files(found) == {name: str(copy) for name, copy in copies.items()}
    assert [copy.stat().st_mode & 0o777 for copy in copies.values()] == [0o644, 0o644]
    assert (state / "readable").stat().st_mode & 0o077 == 0  # no other user of this machine
    (found.root / "iam/lab.yaml").write_text("changed: true\n")
    mounts.files(found)
    assert copies["LAB_FILE"].read_text() == "changed: true\n"
    mounts.remove(state)
    assert list(state.iterdir()) == []


def test_a_missing_lab_file_is_not_reported_here(tmp_path: Path) -> None:
    found = checkout(tmp_path / "raydock", tmp_path / "state", LAB_FILE="gone.yaml")
    assert set(mounts.files(found)) == {"RAYDOCK_CA_BUNDLE"}


def test_a_notebook_that_cannot_read_the_checkout(tmp_path: Path) -> None:
    found = checkout(tmp_path / "raydock", tmp_path / "state", **NOTEBOOK)
    for path in found.root.rglob("*"):
        path.chmod(0o755)
    mounts.require_readable(found)
    close(found)
    (found.root / "submit" / "__pycache__").mkdir(mode=0o700)  # ignored
    with pytest.raises(CommandFailed) as caught:
        mounts.require_readable(found)
    assert f"{caught.value.message}\n  {caught.value.fix}" == (
        "The notebook's user can't read notebooks and 11 more: only the checkout's owner can read it (umask 077).\n"
        "  Make the mounted folders readable: chmod -R a+rX notebooks submit.py compose.yaml raydock submit iam vertex "
        "cluster jobs"
    )


def test_without_a_notebook_only_the_two_files_matter(tmp_path: Path) -> None:
    found = checkout(tmp_path / "raydock", tmp_path / "state")
    close(found)
    mounts.require_readable(found)


def test_the_containers_user_owns_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checkout(tmp_path / "raydock", tmp_path / "state", **NOTEBOOK)
    close(found)
    monkeypatch.setattr(mounts, "USER", found.root.stat().st_uid)
    mounts.require_readable(found)


def test_images_do_not_keep_the_checkouts_file_modes() -> None:
    for file in ROOT.glob("docker/*Dockerfile"):
        copied = re.findall(r"^COPY (?!--from).*", file.read_text(), re.MULTILINE)
        assert copied
        assert [line for line in copied if not line.startswith("COPY --chmod=755 ")] == []
    assert "\numask 022" in (ROOT / "docker" / "base.sh").read_text()


def test_a_node_does_not_read_an_empty_ca_bundle(tmp_path: Path) -> None:
    company = module(DOCKER / "network.py").company_certificates
    bundle = tmp_path / "ca.pem"
    assert company(bundle) == []
    bundle.touch(mode=0)
    assert company(bundle) == []
    bundle.write_bytes(b"PEM")
    bundle.chmod(0o644)
    assert company(bundle) == [b"PEM"]


def test_scripts_keep_unix_line_endings_in_a_windows_checkout(tmp_path: Path) -> None:
    """Git converts line endings if core.autocrlf is set and .gitattributes does not prevent it."""

    def git(*words: str) -> None:
        command = ["git", "-c", "core.autocrlf=true", "-C", str(tmp_path), *words]
        subprocess.run(command, check=True, capture_output=True, timeout=600)

    names = (".gitattributes", "docker/prune.sh", "docker/Dockerfile", "submit.py", "docs/report.png")
    git("init")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git("add", "--all")
    for name in names:
        (tmp_path / name).unlink()
    git("checkout-index", "--all")
    for name in names:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), name
