"""Describes why a server did not answer, based on httpx's exception."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx


def reason(fault: BaseException, connect_timeout: float | None = None) -> str:
    """Why a request got no response, as the end of a sentence without a full stop.

    connect_timeout: in seconds; part of the reason if connecting took longer.
    """
    if isinstance(fault, (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)):
        return "it accepted the request but did not answer in time"
    if isinstance(fault, httpx.ConnectTimeout):
        return f"no connection within {connect_timeout:g} s" if connect_timeout else "no connection in time"
    if isinstance(fault, httpx.ConnectError):
        return connect_reason(fault)
    if isinstance(fault, httpx.ProxyError):
        return f"the proxy refused ({fault})"
    if isinstance(fault, httpx.LocalProtocolError | httpx.InvalidURL | httpx.UnsupportedProtocol):
        return f"the request can't be sent ({fault})"
    if isinstance(fault, httpx.HTTPStatusError):
        return f"it returned {fault.response.status_code}"
    if isinstance(fault, ValueError):
        return "its response is not valid"
    return "the connection was closed before the response was complete"


def connect_reason(fault: BaseException) -> str:
    """Why the connection failed, from the causes of httpx's error."""
    for cause in causes(fault):
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(cause, socket.gaierror):
            return "its name can't be resolved"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted here ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(fault) or "no connection was made"


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, including the members of exception groups."""
    while fault is not None:
        yield fault
        for inner in getattr(fault, "exceptions", ()):
            yield from causes(inner)
        fault = fault.__cause__ or fault.__context__
