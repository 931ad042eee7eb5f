"""The control plane is away: the Job API behind the gateway and the lab's Vertex AI answer 503 (UNAVAILABLE)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from cloud.controlplane.api.methods import Method, Services
from cloud.controlplane.errors import RpcError
from cloud.faults.active import Faults

UNAVAILABLE = "The service is currently unavailable."  # Google's text


def guarded(services: Services, faults: Faults) -> Services:
    """The same services, whose methods raise UNAVAILABLE, without any effect, for the calls that a fault hits."""
    return {
        name: {method: replace(one, call=guarded_call(one, faults)) for method, one in methods.items()}
        for name, methods in services.items()
    }


def guarded_call(method: Method, faults: Faults) -> Callable[[str, str, Any], Awaitable[Any]]:
    """The method's implementation, after the decision whether a fault hits the call."""

    async def call(principal: str, version: str, body: Any) -> Any:
        if faults.control_plane():
            raise RpcError("UNAVAILABLE", UNAVAILABLE)
        return await method.call(principal, version, body)

    return call
