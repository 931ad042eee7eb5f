"""The lab's cloud without containers, on ports of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud import state_file
from cloud.decisions.journal import Journal
from cloud.decisions.recorder import Recorder
from cloud.faults.active import Faults
from cloud.gateway.gate import Gate
from cloud.identity.access import Access
from cloud.identity.tokens import Tokens
from cloud.lab_state import LabState
from cloud.server import Cloud
from cluster import ports
from iam.lab.settings import FILE as LAB_FILE
from raydock.gcp.clouds import LabCloud

KEY = "the-key-of-the-tests"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
YOU = "user:you@example.com"
AGENT = "serviceAccount:service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
TRAINER = "serviceAccount:trainer@lab-project.iam.gserviceaccount.com"


@dataclass(slots=True)
class RunningCloud:
    """One that runs. `url` is storage, through the gateway; `emulator` is storage for the job, without a token."""

    cloud: Cloud
    url: str
    emulator: str
    metadata: str
    gateway: str
    loop: asyncio.AbstractEventLoop
    clients: list[Any] = field(default_factory=list)

    @property
    def place(self) -> LabCloud:
        """It as the checks see it, with the gateway's key."""
        return LabCloud(self.gateway, {"Authorization": f"Bearer {KEY}"})

    @property
    def world(self) -> LabState:
        return self.cloud.lab_state

    def token(self, principal: str, lifetime: float | None = None) -> str:
        return self.cloud.tokens.mint(principal, lifetime)[0]

    def client(self, principal: str = "", **more: Any) -> Any:
        """The real storage client as that principal; without one, without a token."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage
        from google.oauth2.credentials import Credentials

        credentials = Credentials(self.token(principal)) if principal else AnonymousCredentials()
        options = {"api_endpoint": self.url}
        client = storage.Client(
            project="lab-project", credentials=credentials, client_options=options, **more
        )
        client._bucket_metadata_cache = None  # its thread would outlive the test
        self.clients.append(client)
        return client


@contextmanager
def lab_cloud(
    folder: Path,
    lab: Path = LAB_FILE,
    token_seconds: float = 3600,
    job: str = "",
    state: bool = False,
) -> Iterator[RunningCloud]:
    """The lab's cloud, with its objects in the folder."""
    known = state_file.load(lab, folder / "state" if state else None, job)
    emulator, metadata, gateway = ports.pick(3, set())
    record = Recorder(Journal(folder / "decisions"))
    faults = Faults()
    tokens = Tokens(os.urandom(32), token_seconds, cut_lifetime=faults.token_seconds)
    cloud = Cloud(known, tokens, folder / "objects", "lab-project", faults=faults, record=record)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> None:
        await cloud.open_emulator(emulator)
        await cloud.open_metadata("127.0.0.1", metadata, lambda: cloud.lab_state.job)
        await cloud.open_gateway(Gate("http://127.0.0.1:9", DIGEST), "127.0.0.1", gateway)

    asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    found = RunningCloud(
        cloud,
        f"http://127.0.0.1:{gateway}/google/storage.googleapis.com",
        f"http://127.0.0.1:{emulator}",
        f"127.0.0.1:{metadata}",
        f"http://127.0.0.1:{gateway}",
        loop,
    )
    try:
        yield found
    finally:
        for client in found.clients:
            client.close()
        asyncio.run_coroutine_threadsafe(end(cloud), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


async def end(cloud: Cloud) -> None:
    """Close the cloud, and what is still open in its loop, such as a tunnel whose client has just left."""
    await cloud.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await abort_connections()


async def abort_connections() -> None:
    """Abort what is still open in the running loop: a TLS connection closes only when its peer answers."""
    for transport in list(vars(asyncio.get_running_loop())["_transports"].values()):
        transport.abort()
    await asyncio.sleep(0)  # the transports close their sockets


__all__ = ["AGENT", "TRAINER", "YOU", "Access", "LabCloud", "abort_connections", "lab_cloud"]
