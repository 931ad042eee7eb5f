"""The dashboard that the gateway guards, and the key that opens it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from cloud.faults.active import Faults
from cloud.gateway.job_limit import JobLimit


@dataclass(frozen=True, slots=True)
class Gate:
    """The dashboard behind the gateway, and the credentials that give access to it.

    `secret` and the key's digest together sign the sessions, so a new key ends all of them.
    """

    dashboard: str  # base URL of Ray's dashboard, such as http://head:8265
    key_sha256: str  # hex; "" refuses everyone
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})  # Host header names, no port
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    job_limit: JobLimit = field(default_factory=JobLimit, repr=False)  # concurrent jobs
    faults: Faults = field(default_factory=Faults, repr=False)  # those that hit the Job API on purpose
    limit: int = (
        100 * 2**20
    )  # maximum request body in bytes: Ray's DASHBOARD_CLIENT_MAX_SIZE, as on Vertex AI

    def __post_init__(self) -> None:
        if not re.fullmatch("(?:[0-9a-f]{64})?", self.key_sha256):
            raise ValueError("key_sha256 must be the key's SHA-256 (64 lowercase hex digits) or empty")
