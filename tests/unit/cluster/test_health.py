"""docker/health.py: why a head node can't run jobs, in one sentence."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
from types import ModuleType, SimpleNamespace

import pytest

from raydock.settings import ROOT


@pytest.fixture
def health() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raydock_health", ROOT / "docker" / "health.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def disk(monkeypatch: pytest.MonkeyPatch, free: int, total: int) -> None:
    found = SimpleNamespace(f_bavail=free, f_blocks=total, f_frsize=2**20)
    monkeypatch.setattr(os, "statvfs", lambda root: found)


def test_a_full_disk_is_reported(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 8, 200)
    monkeypatch.setattr(health, "ask", lambda port, path: pytest.fail("asked first"))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    with pytest.raises(SystemExit) as caught:
        health.main("head")
    assert caught.value.code == (
        "The head's disk is full (8 of 200 MiB are free at /tmp), so jobs can't start. "
        "To see Docker's disk usage: docker system df. To delete unused data: docker system prune"
    )


@pytest.mark.parametrize(("free", "total"), [(20, 200), (10 * 1024, 252 * 1024)])
def test_a_disk_with_free_space_is_not_reported(
    health: ModuleType, monkeypatch: pytest.MonkeyPatch, free: int, total: int
) -> None:
    """5 % of a large disk is enough, and so is half of a small one."""
    disk(monkeypatch, free, total)
    assert health.full("/tmp") == ""


def test_the_submitter_has_the_same_limits(health: ModuleType) -> None:
    from raydock.rayapi.cluster_info import Disk

    total = 100 * health.FREE_BYTES
    assert Disk("/", health.FREE_BYTES - 1, total).full
    assert not Disk("/", health.FREE_BYTES, total).full
    assert Disk("/", int(health.FREE_SHARE * total) - 1, total).over
    assert not Disk("/", int(health.FREE_SHARE * total), total).over


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nfine", 200),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", 404),
        (b"", None),
        (b"SSH-2.0 x", None),
    ],
)
def test_the_status_of_an_answer(health: ModuleType, reply: bytes, status: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            if status is None:
                with pytest.raises(OSError, match="not an HTTP response"):
                    health.ask(server.getsockname()[1], "/x")
            else:
                assert health.ask(server.getsockname()[1], "/x") == status
        finally:
            thread.join()
