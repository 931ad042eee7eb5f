"""The profile `kubernetes`: its image, and the kubeconfig for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cluster import cli
from cluster.docker import images, kubernetes
from cluster.docker.build_plan import BuildPlan, ImagePlan
from cluster.docker.compose import Compose
from cluster.docker.engine import DockerEngine
from cluster.docker.image_builder import ImageBuilder
from cluster.errors import NoApiServer
from cluster.runtimes import Context, Rebuild
from raydock import topology
from raydock.errors import CommandFailed, NotUp
from raydock.settings import ROOT


def plan(service: str) -> ImagePlan:
    return ImagePlan(service, f"raydock/{service}:2.47.1", "inputs", exists=False)


def test_where_the_server_cannot_be_built_one_sentence_names_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other images are built first, so that the lab itself works without it."""
    built, said = list[list[str]](), list[str]()

    def build(base: str, labels: Mapping[str, object]) -> None:
        built.append(list(labels))
        if "kubernetes" in labels:
            raise CommandFailed("`docker compose build` failed with exit code 1.", "Try again")

    monkeypatch.setattr(images, "base_for", lambda engine, context, recorded: "base")
    context = Context(ROOT, tmp_path, {}, topology.load(ROOT, {}), said.append)
    nothing = cast(DockerEngine, SimpleNamespace(image=lambda name: None))
    found = ImageBuilder(context, nothing, cast(Compose, SimpleNamespace(build=build)))
    wanted = ("cloud", "kubernetes", "kuberay", "head")
    found.__dict__["plan"] = BuildPlan(tuple(map(plan, wanted)))  # where cached_property keeps it
    with pytest.raises(NoApiServer) as caught:
        found.build(Rebuild.CHANGED)
    assert built == [["cloud", "kuberay", "head"], ["kubernetes"]]
    assert kubernetes.BUILDING in said
    assert caught.value.message == (
        "The lab's Kubernetes API server could not be built from Debian's sources. "
        "`docker compose build` failed with exit code 1."
    )
    fix = "kind create cluster, then python -m cluster up --target kuberay --context kind-kind"
    assert fix in caught.value.fix


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
