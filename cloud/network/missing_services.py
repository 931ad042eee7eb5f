"""Responses for Google services that the lab does not emulate: an immediate error that includes the service's name.

Without it, clients would retry an unknown host for ten minutes. Google's clients never retry UNIMPLEMENTED
(HTTP 501). This works over HTTP and gRPC.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import quote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from cloud.controlplane.endpoints.hosts import REGIONS
from cloud.google_errors import ApiError

CHUNK = 2**16  # bytes per read
IDLE = 60.0  # seconds until a gRPC connection is closed
UNIMPLEMENTED = "12"  # google/rpc/code.proto
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


def message(host: str) -> str:
    """The error message for a host that the lab does not emulate."""
    label = host.partition(".")[0]
    region, dash, service = label.rpartition("-")
    if dash and service == "aiplatform":
        fix = (
            "start it with COMPOSE_PROFILES=vertex make cluster-up"
            if region in REGIONS
            else f"use {', '.join(REGIONS)}"
        )
        return f"Vertex AI in {region} ({host}) is not available in the lab: {fix}."
    name = NAMES.get(label)
    return f"The lab does not emulate {name} ({host})." if name else f"The lab does not emulate {host}."


def not_implemented(host: str) -> ApiError:
    """The 501 for a host that the lab does not emulate."""
    return ApiError(501, "notImplemented", message(host))


async def refuse_grpc(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to every gRPC call on a connection with UNIMPLEMENTED."""
    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    try:
        writer.write(connection.data_to_send())
        async with asyncio.timeout(IDLE):
            while data := await reader.read(CHUNK):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        send_unimplemented(connection, event)
                writer.write(connection.data_to_send())
                await writer.drain()
    except (OSError, TimeoutError, h2.exceptions.ProtocolError):
        pass  # the client disconnected, or does not speak HTTP/2
    finally:
        with suppress(OSError):
            writer.close()


def send_unimplemented(connection: h2.connection.H2Connection, request: h2.events.RequestReceived) -> None:
    """Queue the response to one gRPC call."""
    received = {str(name): str(value) for name, value in request.headers or ()}
    host = received.get(":authority", "").partition(":")[0]
    headers = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", UNIMPLEMENTED),
        ("grpc-message", quote(message(host), safe=" ()/.,:=")),
    ]
    connection.send_headers(request.stream_id or 0, headers, end_stream=True)
