"""Contexts and credentials of a kubeconfig."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from kuberay import kubeconfig
from kuberay.errors import CredentialsRejected, KuberayError, NotConfigured
from tests.fakekube import TOKEN, write_kubeconfig

SERVER = "https://192.0.2.1:6443"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    return write_kubeconfig(tmp_path / "config", SERVER)


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """The user of an exec plugin."""
    path = folder / "gke-gcloud-auth-plugin"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    api = "client.authentication.k8s.io/v1beta1"
    return {"exec": {"apiVersion": api, "command": str(path), "interactiveMode": "Never"}}


def counting(folder: Path) -> str:
    """A plugin that gives another token each time."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential"}
    return (
        f"import json, pathlib\nseen = pathlib.Path({str(folder / 'seen')!r})\n"
        "number = len(seen.read_text()) + 1 if seen.exists() else 1\nseen.write_text('x' * number)\n"
        f"print(json.dumps({answer!r} | {{'status': {{'token': f't{{number}}'}}}}))\n"
    )


def test_current_and_named_context_each_have_their_own_namespace(path: Path) -> None:
    found, other = kubeconfig.load(), kubeconfig.load("other")
    assert (found.name, found.namespace, found.server) == ("lab", "ray", SERVER)
    assert (other.name, other.namespace) == ("other", "elsewhere")
    assert kubeconfig.load(namespace="mine").namespace == "mine"
    assert found.headers() == {"Authorization": f"Bearer {TOKEN}"}
    assert found.turned_down(found.headers()) is False


def test_only_the_kubeconfigs_own_proxy_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.9:3128")
    assert kubeconfig.load().proxy == ""
    named = "server: https://192.0.2.1:6443"
    path.write_text(path.read_text().replace(named, f"{named}\n    proxy-url: http://192.0.2.8:3128"))
    assert kubeconfig.load().proxy == "http://192.0.2.8:3128"


def test_a_rejected_token_of_a_plugin_is_renewed(path: Path, tmp_path: Path) -> None:
    write_kubeconfig(path, SERVER, **plugin(tmp_path, counting(tmp_path)))
    found = kubeconfig.load()
    rejected = found.headers()
    assert rejected == {"Authorization": "Bearer t1"}
    assert found.turned_down(rejected) is True
    assert found.headers() == {"Authorization": "Bearer t2"}
    assert found.turned_down(rejected) is True  # by another request, meanwhile
    assert found.headers() == {"Authorization": "Bearer t2"}


def test_a_plugin_that_fails_says_why(path: Path, tmp_path: Path) -> None:
    write_kubeconfig(path, SERVER, **plugin(tmp_path, "raise SystemExit('Reauthentication required')\n"))
    with pytest.raises(CredentialsRejected) as caught:
        kubeconfig.load()
    assert caught.value.message == (
        "The plugin of context lab gave no credentials: process returned 1. Reauthentication required."
    )
    assert caught.value.fix == "log in again: gcloud auth login"


def test_a_plugin_that_is_not_installed_is_named(path: Path) -> None:
    api = "client.authentication.k8s.io/v1beta1"
    write_kubeconfig(path, SERVER, exec={"apiVersion": api, "command": "/no/such/plugin"})
    with pytest.raises(CredentialsRejected, match=r"No such file or directory: '/no/such/plugin'"):
        kubeconfig.load()


@pytest.mark.parametrize(
    ("text", "context", "message", "fix"),
    [
        (None, "", "There is no kubeconfig: {path} does not exist.", kubeconfig.CREATE),
        ("", "nope", "There is no context nope in the kubeconfig {path}; its contexts: lab, other.", "--context lab"),
        ("a: [", "", "The kubeconfig {path} can't be used: ", kubeconfig.CREATE),
        ("[]", "", "The kubeconfig {path} can't be used: ", kubeconfig.CREATE),
        ("contexts: []", "", "The kubeconfig {path} has no current context; its contexts: none.", kubeconfig.CREATE),
    ],
)  # fmt: skip
def test_unusable_kubeconfigs(path: Path, text: str | None, context: str, message: str, fix: str) -> None:
    if text is None:
        path.unlink()
    elif text:
        path.write_text(text)
    with pytest.raises(KuberayError) as caught:
        kubeconfig.load(context)
    assert isinstance(caught.value, NotConfigured)
    assert caught.value.message.startswith(message.format(path=path))
    assert caught.value.fix == fix


def test_missing_client_names_the_install_command(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.config", None)
    with pytest.raises(NotConfigured) as caught:
        kubeconfig.load()
    assert (caught.value.message, caught.value.fix) == (
        "The Kubernetes client for Python is not installed.",
        "pip install kubernetes",
    )
