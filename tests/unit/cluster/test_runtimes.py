"""Which kind a machine gets, and what it is told about it."""

from __future__ import annotations

from importlib import import_module

import pytest

from cluster import runtimes
from cluster.docker import engine
from cluster.errors import NoEngine


def refuse() -> str:
    raise NoEngine("No Docker engine answers at unix:///run/x.sock: there is no such socket.", engine.INSTALL)


def test_docker_where_an_engine_answers() -> None:
    found = runtimes.choose("auto", lambda: "Docker 26.1 answers at unix:///run/x.sock")
    assert found == runtimes.Choice("docker", "Docker 26.1 answers at unix:///run/x.sock")


def test_processes_where_none_does_and_what_is_missing_then() -> None:
    found = runtimes.choose("auto", refuse)
    assert found.kind == "processes"
    assert found.why == (
        "No Docker engine answers at unix:///run/x.sock: there is no such socket: starting the same cluster "
        "as processes on this machine; what is missing then: isolation, memory limits, the images' packages"
    )


@pytest.mark.parametrize("kind", ["docker", "processes"])
def test_what_is_asked_for_is_not_questioned(kind: str) -> None:
    assert runtimes.choose(kind, refuse) == runtimes.Choice(kind, "as --runtime says")


@pytest.mark.parametrize("module", runtimes.RUNTIMES.values())
def test_every_kind_offers_the_interface(module: str) -> None:
    opened = import_module(module).open_cluster
    offered = opened.__globals__[opened.__annotations__["return"]]
    for name in ("exists", "up", "down", "members", "scale"):
        assert callable(getattr(offered, name))


def wrapped(inner: BaseException) -> BaseException:
    """As the docker package raises it: the system's error among the arguments of another one's."""
    outer = RuntimeError("Error while fetching server API version: ('Connection aborted.', …)")
    outer.__cause__ = ConnectionError("Connection aborted.", inner)
    return outer


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (FileNotFoundError(2, "No such file"), "there is no such socket"),
        (PermissionError(13, "denied"), "this user may not use it (permission denied)"),
        (ConnectionRefusedError(111, "refused"), "it is not running (connection refused)"),
        (TimeoutError("timed out"), "it does not answer within 5 s"),
    ],
)
def test_why_no_engine_answers(inner: BaseException, words: str) -> None:
    assert engine.why(wrapped(inner)) == words


def test_why_falls_back_to_the_first_line() -> None:
    assert engine.why(ValueError("server gave HTTP response to HTTPS client.\nmore")) == (
        "server gave HTTP response to HTTPS client"
    )
