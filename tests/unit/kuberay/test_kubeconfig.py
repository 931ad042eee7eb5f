"""Contexts and credentials of a kubeconfig."""

from __future__ import annotations

import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuberay import kubeconfig
from kuberay.errors import CredentialsRejected, KuberayError, NotConfigured
from kuberay.kubefile import CREATE
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
        "The plugin of context lab gave no credentials: it ended with exit code 1. Reauthentication required."
    )
    assert caught.value.fix == "log in again: gcloud auth login"


def test_a_plugin_that_is_not_installed_is_named(path: Path) -> None:
    api = "client.authentication.k8s.io/v1beta1"
    write_kubeconfig(path, SERVER, exec={"apiVersion": api, "command": "no-such-plugin"})
    with pytest.raises(CredentialsRejected) as caught:
        kubeconfig.load()
    assert (
        caught.value.message
        == "The plugin of context lab gave no credentials: no-such-plugin is not installed."
    )
    assert caught.value.fix == "install no-such-plugin"


@pytest.mark.parametrize("said", ["nothing", "[]", "{}", '{"status": {"token": ""}}'])
def test_a_plugin_without_an_answer_is_reported(path: Path, tmp_path: Path, said: str) -> None:
    write_kubeconfig(path, SERVER, **plugin(tmp_path, f"print({said!r})\n"))
    with pytest.raises(CredentialsRejected, match="The plugin of context lab gave no credentials: "):
        kubeconfig.load()


def test_a_plugin_gets_what_it_asks_for_and_its_answer_expires(path: Path, tmp_path: Path) -> None:
    """The kubeconfig's folder is where a relative plugin is looked for."""
    script = (
        "import json, os, sys\ninfo = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "server = info['spec']['cluster']['server']\n"
        "status = {'token': '-'.join([*sys.argv[1:], os.environ['MORE'], server]), "
        "'expirationTimestamp': '2020-01-01T00:00:00Z'}\nprint(json.dumps({'status': status}))\n"
    )
    user = plugin(tmp_path, script)["exec"]
    user |= {"command": "./gke-gcloud-auth-plugin", "provideClusterInfo": True, "args": ["a"]}
    write_kubeconfig(path, SERVER, exec=user | {"env": [{"name": "MORE", "value": "b"}]})
    found = kubeconfig.load()
    assert found.headers() == {"Authorization": f"Bearer a-b-{SERVER}"}
    (tmp_path / "gke-gcloud-auth-plugin").write_text(
        f"#!{sys.executable}\n{script.replace(chr(39) + '-' + chr(39), repr('+'))}"
    )
    assert found.headers() == {"Authorization": f"Bearer a+b+{SERVER}"}


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"tokenFile": "token"}, "Bearer from-the-file"),
        ({"tokenFile": "token", "token": "other"}, "Bearer from-the-file"),
        ({"username": "jane", "password": "secret"}, "Basic amFuZTpzZWNyZXQ="),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": "jwt"}}}, "Bearer jwt"),
        ({"client-certificate-data": "QQ==", "client-key-data": "QQ=="}, None),
    ],
)
def test_other_credentials(path: Path, tmp_path: Path, user: dict[str, Any], header: str | None) -> None:
    (tmp_path / "token").write_text("from-the-file\n")
    write_kubeconfig(path, SERVER, **user)
    assert kubeconfig.load().headers().get("Authorization") == header


def test_a_token_file_that_is_removed_is_reported(path: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    write_kubeconfig(path, SERVER, tokenFile="token")
    found = kubeconfig.load()
    (tmp_path / "token").unlink()
    found.credentials = replace(found.credentials, expires=1.0)
    with pytest.raises(NotConfigured) as caught:
        found.headers()
    assert caught.value.message == (
        f"The credentials of context lab can't be read: {tmp_path}/token: No such file or directory."
    )


def test_an_auth_provider_that_kubectl_removed_is_named(path: Path) -> None:
    user: dict[str, Any] = {"auth-provider": {"name": "gcp"}}
    write_kubeconfig(path, SERVER, **user)
    with pytest.raises(
        CredentialsRejected, match="Context lab uses the auth provider gcp, of which only oidc is"
    ):
        kubeconfig.load()


def test_of_several_files_the_first_entry_counts(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    first = write_kubeconfig(tmp_path / "first/config", "https://192.0.2.2", tokenFile="token")
    first.write_text(
        first.read_text().replace("current-context: lab", "").replace("name: other", "name: more")
    )
    (tmp_path / "first/token").write_text("first")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{first}:{path}")
    found = kubeconfig.load()
    assert (found.name, found.server, found.headers()["Authorization"]) == (
        "lab",
        "https://192.0.2.2",
        "Bearer first",
    )
    assert kubeconfig.load("other").namespace == kubeconfig.load("more").namespace == "elsewhere"


@pytest.mark.parametrize(
    ("text", "context", "message", "fix"),
    [
        (None, "", "There is no kubeconfig: {path} does not exist.", CREATE),
        ("", "nope", "There is no context nope in the kubeconfig {path}; its contexts: lab, other.", "--context lab"),
        ("a: [", "", "The kubeconfig {path} can't be used: ", CREATE),
        ("[]", "", "The kubeconfig {path} can't be used: ", CREATE),
        ("contexts: []", "", "The kubeconfig {path} has no current context; its contexts: none.", CREATE),
        ("contexts: [{name: a, context: {cluster: b}}]", "a",
         "The kubeconfig {path} can't be used: context a names cluster b, which it does not have.", CREATE),
        ("contexts: [{name: a}]", "a", "The kubeconfig {path} can't be used: the cluster of context a has no server.",
         CREATE),
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
