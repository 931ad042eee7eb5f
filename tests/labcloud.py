"""The lab's cloud without containers: the real front and the real stand-in, on ports of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud import labfile
from cloud.access import Access
from cloud.backend import MARK, Backend
from cloud.login import Gate
from cloud.server import Cloud
from cloud.tokens import Tokens
from cloud.world import World
from cluster import ports, services
from iam.lab import FILE as LAB_FILE
from iam.places import Lab

KEY = "the-key-of-the-tests"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
PERSON = "user:you@example.com"
AGENT = "serviceAccount:service-123456789012@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
TRAINER = "serviceAccount:trainer@lab-project.iam.gserviceaccount.com"


@contextmanager
def stand_in(folder: Path) -> Iterator[str]:
    """fake-gcs-server on a free port; yields its URL."""
    (port,) = ports.pick(1, set())
    binary = services.stand_in()
    assert binary is not None
    command = [
        services.executable(binary, str(folder.parent)),
        "-scheme=http",
        "-backend=filesystem",
        f"-filesystem-root={folder}",
    ]
    process = subprocess.Popen(
        [*command, "-host=127.0.0.1", f"-port={port}", f"-external-url={MARK}", "-log-level=error"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass(slots=True)
class LabCloud:
    """One that runs. `url` is Google's services by path: /google/HOST/…, and storage at its root."""

    cloud: Cloud
    url: str
    emulator: str
    metadata: str
    gateway: str
    loop: asyncio.AbstractEventLoop
    clients: list[Any] = field(default_factory=list)

    @property
    def place(self) -> Lab:
        """It as the checks see it, with the gateway's key."""
        return Lab(self.gateway, {"Authorization": f"Bearer {KEY}"})

    @property
    def world(self) -> World:
        return self.cloud.world

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
    storage: str = "",
    job: str = "",
    state: bool = False,
) -> Iterator[LabCloud]:
    """The lab's cloud over a stand-in of its own, or over the one at `storage`."""
    if not storage:
        with (
            stand_in(folder / "objects") as url,
            lab_cloud(folder, lab, token_seconds, url, job, state) as found,
        ):
            yield found
        return
    known = labfile.load(lab, folder / "state" if state else None, job)
    own, emulator, metadata, gateway = ports.pick(4, set())
    tokens = Tokens(os.urandom(32), token_seconds)
    cloud = Cloud(known, tokens, Backend(storage), "lab-project", f"http://127.0.0.1:{own}")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> None:
        await cloud.make_buckets()
        await cloud.open_own(own)
        await cloud.open_emulator(emulator)
        await cloud.open_metadata("127.0.0.1", metadata, lambda: cloud.world.job)
        await cloud.open_gateway(Gate("http://127.0.0.1:9", DIGEST), "127.0.0.1", gateway)

    asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    found = LabCloud(
        cloud,
        f"http://127.0.0.1:{own}",
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
        asyncio.run_coroutine_threadsafe(cloud.close(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


__all__ = ["AGENT", "PERSON", "TRAINER", "Access", "LabCloud", "lab_cloud", "stand_in"]
