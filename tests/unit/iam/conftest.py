"""The lab's cloud behind its gateway, for `python -m iam`: a real gateway, real services and real clients."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloud.gateway.proxy import Gate
from cloud.lab_state import LabState
from cluster import ports
from iam.cli import main
from tests.labcloud import YOU, RunningCloud, lab_cloud

KEY = "key-of-the-test"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Lab:
    """A lab, and `python -m iam` on it."""

    world: LabState
    cloud: RunningCloud
    port: int
    capsys: pytest.CaptureFixture[str]

    def iam(self, *words: str) -> CommandResult:
        self.capsys.readouterr()
        code = main(words)
        said = self.capsys.readouterr()
        return CommandResult(code, said.out, said.err)

    def client(self) -> Any:
        """Google's client as the user, without the thread that would outlive the test."""
        client = self.cloud.client(YOU)
        client._bucket_metadata_cache = None
        return client

    def policies(self) -> dict[str, object]:
        """Every policy, sorted, because Google's client changes the order."""
        return {
            name: sorted((one["role"], *sorted(one["members"])) for one in holder.policy["bindings"])
            for holders in (self.world.projects, self.world.buckets, self.world.accounts)
            for name, holder in holders.items()
        }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningCloud, int]]:
    """One lab per module. It is stopped before Hypothesis runs, which must be the only user of `random`."""
    with lab_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        (port,) = ports.pick(1, set())
        gate = Gate("http://127.0.0.1:9", hashlib.sha256(KEY.encode()).hexdigest())
        opening = cloud.cloud.open_gateway(gate, "127.0.0.1", port)
        asyncio.run_coroutine_threadsafe(opening, cloud.loop).result(60)
        yield cloud, port


@pytest.fixture
def lab(
    running: tuple[RunningCloud, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Lab]:
    """The lab, reset to its initial state, with the state folder of its checkout."""
    cloud, port = running
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.setenv("RAYDOCK_PORT", str(port))
    kept = ("user", "job", "deny", "projects", "buckets", "accounts", "chosen_job")
    before = {name: copy.deepcopy(getattr(cloud.world, name)) for name in kept}
    yield Lab(cloud.world, cloud, port, capsys)
    for name, value in before.items():
        setattr(cloud.world, name, value)
    cloud.world.known.clear()


@pytest.fixture
def iam(lab: Lab) -> Callable[..., CommandResult]:
    """`python -m iam`, in this process."""
    return lab.iam
