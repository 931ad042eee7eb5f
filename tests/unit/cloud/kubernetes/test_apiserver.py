"""The API server's files and command line."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import yaml

from cloud.kubernetes import config
from cloud.kubernetes.apiserver import certificates, commands, credentials
from cloud.kubernetes.apiserver.commands import Listen
from iam.errors import IamError
from kuberay import kubeconfig, lab
from raydock.settings import ROOT
from raydock.state import kubeconfig_file, write_private
from submit.targets import TargetOptions
from submit.targets.kuberay import KuberayTarget, LabPodCloud, PodCloud


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a lab with Kubernetes, whose kubeconfig is used."""
    certificates.ensure(tmp_path, "kubernetes.raydock.internal")
    credentials.ensure(tmp_path)
    path = kubeconfig_file(tmp_path / "state")
    write_private(path, credentials.kubeconfig(tmp_path, 6443))
    write_private(tmp_path / "state/key", "key")
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    return tmp_path


def test_every_caller_needs_a_token_and_etcd_is_out_of_reach(tmp_path: Path) -> None:
    listen = Listen("0.0.0.0", 6443, 2379, 2380, "10.0.0.2")
    server = commands.api_server(Path("bin"), tmp_path, listen)
    assert {"--anonymous-auth=false", "--authorization-mode=RBAC"} <= set(server)
    etcd = commands.etcd(Path("bin"), tmp_path, listen)
    assert [word for word in etcd if "http" in word and "127.0.0.1" not in word] == []
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services["kubernetes"]["ports"] == ["127.0.0.1:${KUBERNETES_PORT:-6443}:6443"]
    assert not {"cluster", "people"} & set(services["kubernetes"]["networks"])
    assert "ports" not in services["kuberay"]


def test_the_files_are_made_once_and_are_private(state: Path) -> None:
    names = (certificates.KEY, certificates.SIGNING_KEY, credentials.TOKENS)
    before = {name: (state / name).read_bytes() for name in names}
    certificates.ensure(state)
    credentials.ensure(state)
    assert before == {name: (state / name).read_bytes() for name in names}
    assert {(state / name).stat().st_mode & 0o777 for name in names} == {0o600}
    assert ssl.create_default_context(cafile=str(state / certificates.CERTIFICATE)).cert_store_stats()[
        "x509_ca"
    ]
    assert credentials.token(state, credentials.USER) != credentials.token(state, credentials.CONTROLLER)


def test_the_kubeconfig_means_the_lab_and_its_google_cloud(state: Path) -> None:
    context = kubeconfig.load()
    assert (context.name, context.server) == ("raydock-lab", "https://127.0.0.1:6443")
    assert context.headers() == {"Authorization": f"Bearer {credentials.token(state, credentials.USER)}"}
    context.ssl_context()
    assert lab.is_labs(context)
    target = KuberayTarget(TargetOptions(), context=context)
    assert isinstance(target.google(), LabPodCloud)


def test_another_server_at_the_same_address_is_not_the_lab(state: Path) -> None:
    """Such as kind's, once the lab is gone."""
    context = kubeconfig.load()
    (state / certificates.CERTIFICATE).unlink()
    certificates.ensure(state)
    write_private(kubeconfig_file(state / "state"), credentials.kubeconfig(state, 6443))
    assert not lab.is_labs(context)
    assert isinstance(KuberayTarget(TargetOptions(), context=context).google(), PodCloud)


def test_an_invalid_port() -> None:
    with pytest.raises(IamError, match="Invalid value for KUBERNETES_PORT: '0'"):
        config.server({"KUBERNETES_PORT": "0"})
