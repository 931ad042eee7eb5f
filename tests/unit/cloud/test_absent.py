"""Google services that the lab does not emulate: real clients get an immediate error and do not retry."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import pytest

from cloud import state_file
from cloud.identity.tokens import Tokens
from cloud.network.certificates import Authority, load_authority
from cloud.network.missing_services import message
from cloud.server import Cloud
from cluster import ports
from iam.lab.settings import FILE as LAB_FILE
from tests.labcloud import end

HOSTS = {
    "secretmanager.googleapis.com": "The lab does not emulate Secret Manager (secretmanager.googleapis.com).",
    "bigquery.googleapis.com": "The lab does not emulate BigQuery (bigquery.googleapis.com).",
    "speech.googleapis.com": "The lab does not emulate speech.googleapis.com.",
    "us-east1-aiplatform.googleapis.com": (
        "Vertex AI in us-east1 (us-east1-aiplatform.googleapis.com) is not available in the lab: start it with "
        "COMPOSE_PROFILES=vertex make cluster-up."
    ),
    "mars-1-aiplatform.googleapis.com": (
        "Vertex AI in mars-1 (mars-1-aiplatform.googleapis.com) is not available in the lab: use us-central1, "
        "us-east1, us-east4, us-west1, europe-west1, europe-west4, asia-northeast1, asia-southeast1."
    ),
}


@dataclass
class Door:
    port: int
    authority: Authority


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Google's hosts on one port, served from a thread."""
    folder: Path = tmp_path_factory.mktemp("lab")
    authority = load_authority(folder)
    (port,) = ports.pick(1, set())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    cloud = Cloud(state_file.load(LAB_FILE, None), Tokens(b"s" * 32, 60), folder / "objects", "lab-project")
    tls = authority.server_context(["http/1.1", "h2"])
    asyncio.run_coroutine_threadsafe(cloud.open_services("127.0.0.1", port, tls), loop).result(60)
    yield Door(port, authority)
    asyncio.run_coroutine_threadsafe(end(cloud), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


@pytest.mark.parametrize("host", HOSTS)
def test_over_grpc(door: Door, host: str) -> None:
    """A unary call and a client stream, on one connection."""
    trusted = grpc.ssl_channel_credentials(door.authority.pem())
    options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
    with grpc.secure_channel(f"127.0.0.1:{door.port}", trusted, options=options) as channel:
        for _ in range(2):
            with pytest.raises(grpc.RpcError) as one:
                channel.unary_unary("/google.any.v1.Service/Get")(b"x" * 100_000, timeout=60)
            with pytest.raises(grpc.RpcError) as several:
                list(channel.stream_stream("/google.any.v1.Service/Stream")(iter([b"x"] * 3), timeout=60))
            for error in (one.value, several.value):
                assert (error.code(), error.details()) == (grpc.StatusCode.UNIMPLEMENTED, HOSTS[host])


def test_a_service_that_the_lab_has_over_http_only(door: Door) -> None:
    """Without Vertex's control plane nothing serves gRPC, which gcsfs uses to query a bucket's type."""
    host = "storage.googleapis.com"
    trusted = grpc.ssl_channel_credentials(door.authority.pem())
    options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
    with grpc.secure_channel(f"127.0.0.1:{door.port}", trusted, options=options) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/google.storage.control.v2.StorageControl/GetStorageLayout")(b"", timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("host", HOSTS)
def test_over_http(door: Door, host: str) -> None:
    async def ask() -> tuple[int, dict[str, object]]:
        trusted = ssl.create_default_context(cafile=str(door.authority.certificate))
        url = f"https://127.0.0.1:{door.port}/v1/projects/lab-project/secrets"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, ssl=trusted, server_hostname=host, headers={"Host": host}) as reply,
        ):
            return reply.status, (await reply.json())["error"]

    status, error = asyncio.run(ask())
    assert (status, error) == (501, {"code": 501, "message": HOSTS[host], "status": "UNIMPLEMENTED"})


def test_a_missing_service_is_named() -> None:
    assert {host: message(host) for host in HOSTS} == HOSTS


def test_invalid_http_2_ends_the_connection(door: Door) -> None:
    async def speak() -> bytes:
        trusted = ssl.create_default_context(cafile=str(door.authority.certificate))
        trusted.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", door.port, ssl=trusted, server_hostname="pubsub.googleapis.com"
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n" * 10)
        try:
            return await asyncio.wait_for(reader.read(), 600)
        finally:
            writer.close()

    assert b"UNIMPLEMENTED" not in asyncio.run(speak())
