"""The gateway as a proxy: real Google clients on this machine reach the lab's services with the cluster's key."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloud.gateway.gate import Gate
from cloud.network.certificates import load_authority
from cloud.network.egress import Egress
from cloud.network.tunnel import Streams
from cloud.server import Door
from cluster import ports
from raydock import state
from raydock.gcp.lab_environment import LabEnvironment, of_checkout
from tests.labcloud import DIGEST, KEY, RunningCloud, lab_cloud

# A program that knows nothing of a lab.
PROGRAM = """
import json, google.auth, google.api_core.exceptions
from google.cloud import aiplatform_v1beta1 as sdk, storage
credentials, project = google.auth.default()
client = storage.Client(project=project, credentials=credentials)
buckets = sorted(bucket.name for bucket in client.list_buckets())
try:
    options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    vertex = sdk.PersistentResourceServiceClient(credentials=credentials, client_options=options)
    list(vertex.list_persistent_resources(parent="projects/p/locations/us-central1", timeout=60))
except google.api_core.exceptions.MethodNotImplemented as fault:
    said = fault.message
print(json.dumps([project, buckets, said]))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The lab's cloud with its services on TLS, and a gateway that is a proxy to them."""
    folder = tmp_path_factory.mktemp("lab")
    with lab_cloud(folder) as found:
        authority = load_authority(folder)
        tls, gateway = ports.pick(2, set())

        async def dial(address: str, port: int) -> Streams:
            return await asyncio.open_connection("127.0.0.1", tls)

        async def unresolved(host: str, port: int) -> list[str]:
            raise OSError(f"{host} is not an alias here")

        async def start() -> None:
            await found.cloud.open_services("127.0.0.1", tls, authority.server_context(("http/1.1", "h2")))
            rules = Egress(google="127.0.0.1", dial=dial, resolve=unresolved)
            gate = Gate("http://127.0.0.1:9", DIGEST)
            await found.cloud.open_gateway(gate, "127.0.0.1", gateway, Door(rules, authority.pem()))

        asyncio.run_coroutine_threadsafe(start(), found.loop).result(60)
        found.gateway = f"http://127.0.0.1:{gateway}"
        yield found


@pytest.fixture
def environment(lab: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabEnvironment:
    """That of a checkout whose lab this is."""
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path))
    monkeypatch.setenv("RAYDOCK_PORT", lab.gateway.rpartition(":")[2])
    state.write_private(state.key_file(tmp_path), KEY)
    return of_checkout({})


def test_a_program_that_knows_nothing_of_a_lab_reaches_it(environment: LabEnvironment) -> None:
    """Over HTTP/1.1 and gRPC, with default credentials; a service that the lab lacks is named."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={"PATH": "/usr/bin:/bin", **environment.variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    project, buckets, said = json.loads(done.stdout)
    assert (project, buckets) == ("lab-project", ["lab-data", "lab-models"])
    host = "us-central1-aiplatform.googleapis.com"
    assert said.startswith(f"Vertex AI in us-central1 ({host}) is not available in the lab")
    assert environment.line.endswith("not Google's: project lab-project, as you@example.com")


@pytest.mark.parametrize("password", ["", "raydock:wrong@"])
def test_without_the_key_nothing_is_reached(lab: RunningCloud, password: str) -> None:
    proxy = f"http://{password}{lab.gateway.removeprefix('http://')}"
    with (
        httpx.Client(proxy=proxy, trust_env=False, timeout=60) as client,
        pytest.raises(httpx.ProxyError, match="407 Proxy Authentication Required"),
    ):
        client.get("https://storage.googleapis.com/storage/v1/b")


def test_a_connection_that_starts_slowly_or_with_http_is_the_gateways(lab: RunningCloud) -> None:
    async def ask(*parts: bytes) -> bytes:
        host, _, port = lab.gateway.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        line = await asyncio.wait_for(reader.readline(), 60)
        writer.close()
        return line

    host = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert b" 401 " in asyncio.run(ask(b"G", b"ET /" + host))
    assert b" 407 " in asyncio.run(ask(b"CON", b"NECT a.googleapis.com:443" + host))
    assert b" 401 " in asyncio.run(ask(b"COPY /" + host))


def test_a_refresh_token_other_than_the_key_gives_no_token(lab: RunningCloud) -> None:
    address = f"{lab.gateway}/google/oauth2.googleapis.com/token"
    form = {"grant_type": "refresh_token", "refresh_token": "wrong"}
    reply = httpx.post(address, data=form, timeout=60)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")
