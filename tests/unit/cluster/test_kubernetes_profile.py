"""The profile `kubernetes`: its image, and the kubeconfig for this machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster import cli
from cluster.docker import compose, images, kubernetes
from cluster.docker.cluster import ComposeCluster
from cluster.docker.engine import DockerEngine
from cluster.errors import NoApiServer
from cluster.runtimes import Context
from cluster.state.logs import LogFile
from raydock import topology
from raydock.errors import NotUp
from raydock.settings import ROOT


def test_where_the_server_cannot_be_built_one_sentence_names_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other images are built first, so that the lab itself works without it."""
    built, said = list[list[str]](), list[str]()

    def run(log: LogFile, command: list[str], *_: object) -> int:
        built.append(command[command.index("build") + 1 :])
        log.path.parent.mkdir(parents=True, exist_ok=True)
        log.path.write_text("E: Failed to fetch http://deb.debian.org\n")
        return int("kubernetes" in command)

    monkeypatch.setattr(LogFile, "run", run)
    monkeypatch.setattr(compose, "find_compose", lambda: ("docker", "compose"))
    monkeypatch.setattr(images, "base_image", lambda engine, context: "base")
    settings = {"COMPOSE_PROFILES": "kubernetes"}
    found = ComposeCluster(Context(ROOT, tmp_path, settings, topology.load(ROOT, settings), said.append))
    nothing = SimpleNamespace(has_image=lambda name: False, gpu_overlay=lambda: "")
    found.__dict__["engine"] = nothing  # where cached_property keeps it
    with pytest.raises(NoApiServer) as caught:
        found.build()
    assert [sorted(names) for names in built] == [
        ["cloud", "cpu-worker", "gpu-worker", "head", "kuberay"],
        ["kubernetes"],
    ]
    assert kubernetes.BUILDING in said
    assert caught.value.message.startswith(
        "The lab's Kubernetes API server could not be built from Debian's sources. "
    )
    assert (
        "kind create cluster, then python -m cluster up --target kuberay --context kind-kind"
        in caught.value.fix
    )


def engine(*containers: Any) -> DockerEngine:
    return cast(DockerEngine, SimpleNamespace(containers=lambda project, service: list(containers)))


def container(status: int, content: bytes = b"", state: str = "running") -> Any:
    def exec_run(command: list[str]) -> tuple[int, bytes]:
        assert command == ["cat", "/var/lib/kubernetes/kubeconfig"]
        return status, content

    return SimpleNamespace(status=state, exec_run=exec_run)


def test_the_kubeconfig_is_private_and_deleted_with_the_cluster(tmp_path: Path) -> None:
    path = kubernetes.write_kubeconfig(engine(container(0, b"{}")), "raydock", tmp_path / "a b")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("{}", 0o600)
    assert kubernetes.export(path) == f"export KUBECONFIG='{tmp_path}/a b/kubernetes/kubeconfig'"
    kubernetes.remove(tmp_path / "a b")
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("containers", "message"),
    [
        ([], "The lab runs no Kubernetes API server."),
        ([container(0, state="exited")], "The lab runs no Kubernetes API server."),
        ([container(1)], "The lab's Kubernetes API server is still starting."),
    ],
)
def test_without_the_server_the_fix_starts_it(tmp_path: Path, containers: list[Any], message: str) -> None:
    with pytest.raises(NotUp) as caught:
        kubernetes.write_kubeconfig(engine(*containers), "raydock", tmp_path)
    assert caught.value.message == message
    assert "make cluster-up" in caught.value.fix


@pytest.mark.parametrize(
    ("profiles", "runtime", "said"),
    [
        ("", "docker", ""),
        ("vertex", "docker", ""),
        ("vertex,kubernetes", "docker", "\nKubernetes:\nexport KUBECONFIG=x\n"),
        (
            "kubernetes",
            "processes",
            "cluster: the profile kubernetes needs Docker; the processes runtime has none\n",
        ),
    ],
)
def test_up_says_how_to_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, profiles: str, runtime: str, said: str
) -> None:
    monkeypatch.setattr(cli, "kubernetes_export", lambda context: "export KUBECONFIG=x")
    settings = {"COMPOSE_PROFILES": profiles}
    cli.show_kubernetes(runtime, Context(ROOT, tmp_path, settings, topology.load(ROOT, settings), print))
    out, err = capsys.readouterr()
    assert out + err == said
