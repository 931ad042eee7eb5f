"""Which runtime a machine gets, and the reason it is given."""

from __future__ import annotations

from importlib import import_module

import pytest

from cluster import runtimes
from cluster.docker import engine
from cluster.errors import NoEngine


def refuse() -> str:
    raise NoEngine(
        "No Docker engine is responding at unix:///run/x.sock: the socket does not exist.", engine.INSTALL
    )


def test_docker_if_an_engine_answers() -> None:
    found = runtimes.choose("auto", lambda: "using Docker 26.1 at unix:///run/x.sock")
    assert found == runtimes.Choice("docker", "using Docker 26.1 at unix:///run/x.sock")


def test_processes_otherwise_with_their_limitations() -> None:
    found = runtimes.choose("auto", refuse)
    assert found.runtime == "processes"
    assert found.why == (
        "No Docker engine is responding at unix:///run/x.sock: the socket does not exist. Starting the same cluster "
        "as processes on this machine, without isolation, memory limits or the images' packages"
    )


@pytest.mark.parametrize("runtime", ["docker", "processes"])
def test_a_requested_runtime_is_used_as_is(runtime: str) -> None:
    assert runtimes.choose(runtime, refuse) == runtimes.Choice(runtime, "chosen with --runtime")


@pytest.mark.parametrize("module", runtimes.RUNTIMES.values())
def test_every_runtime_offers_the_interface(module: str) -> None:
    opened = import_module(module).open_cluster
    offered = opened.__globals__[opened.__annotations__["return"]]
    for name in ("exists", "up", "down", "members", "scale"):
        assert callable(getattr(offered, name))


def wrapped(inner: BaseException) -> BaseException:
    """As the docker package raises it: the system's error is an argument of another error."""
    outer = RuntimeError("Error while fetching server API version: ('Connection aborted.', …)")
    outer.__cause__ = ConnectionError("Connection aborted.", inner)
    return outer


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (FileNotFoundError(2, "No such file"), "the socket does not exist"),
        (PermissionError(13, "denied"), "permission denied for this user"),
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (TimeoutError("timed out"), "no response within 5 s"),
    ],
)
def test_why_no_engine_answers(inner: BaseException, words: str) -> None:
    assert engine.reason(wrapped(inner)) == words


def test_why_falls_back_to_the_first_line() -> None:
    assert engine.reason(ValueError("server gave HTTP response to HTTPS client.\nmore")) == (
        "server gave HTTP response to HTTPS client"
    )
