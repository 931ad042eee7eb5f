"""Google services that the lab does not have: an answer at once, over HTTP and gRPC, that names the service.

Without one, clients look for a host that is not there and try again for ten minutes. UNIMPLEMENTED (HTTP 501) is
what no client of Google's tries again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import quote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from cloud.google_errors import ApiError

CHUNK = 2**16
IDLE = 60.0  # seconds
UNIMPLEMENTED = "12"
NAMES = {
    "aiplatform": "Vertex AI",
    "artifactregistry": "Artifact Registry",
    "bigquery": "BigQuery",
    "bigquerystorage": "BigQuery Storage",
    "compute": "Compute Engine",
    "firestore": "Firestore",
    "logging": "Cloud Logging",
    "monitoring": "Cloud Monitoring",
    "pubsub": "Pub/Sub",
    "secretmanager": "Secret Manager",
}


def sentence(host: str) -> str:
    """What is told of a host that the lab does not have."""
    label = host.partition(".")[0]
    region, dash, service = label.rpartition("-")
    if dash and service == "aiplatform":
        return f"The lab has no Vertex AI in {region} ({host}): start it with COMPOSE_PROFILES=vertex make cluster-up."
    name = NAMES.get(label)
    return f"The lab has no {name} ({host})." if name else f"The lab has no {host}."


def refusal(host: str) -> ApiError:
    return ApiError(501, "notImplemented", sentence(host))


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every gRPC call of a connection with UNIMPLEMENTED."""
    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    try:
        writer.write(connection.data_to_send())
        async with asyncio.timeout(IDLE):
            while data := await reader.read(CHUNK):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        answer(connection, event)
                writer.write(connection.data_to_send())
                await writer.drain()
    except (OSError, TimeoutError, h2.exceptions.ProtocolError):
        pass  # the client has gone, or speaks something else
    finally:
        with suppress(OSError):
            writer.close()


def answer(connection: h2.connection.H2Connection, request: h2.events.RequestReceived) -> None:
    given = {str(name): str(value) for name, value in request.headers or ()}
    host = given.get(":authority", "").partition(":")[0]
    headers = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", UNIMPLEMENTED),
        ("grpc-message", quote(sentence(host), safe=" ()/.,:=")),
    ]
    connection.send_headers(request.stream_id or 0, headers, end_stream=True)
