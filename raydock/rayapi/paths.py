"""Paths for requests to the dashboard. Source: ray 2.47.1, job_head.py, state_head.py and log_manager.py."""

from __future__ import annotations

from urllib.parse import quote

VERSION = "/api/version"
JOBS = "/api/jobs/"
SUMMARY = "/nodes?view=summary"


def job(submission_id: str) -> str:
    """The path of a job."""
    return JOBS + quote(submission_id, safe="")


def state(what: str, query: str = "", most: int = 10_000) -> str:
    """The path of a detailed list of at most `most` rows from the state API; `query` contains its filters."""
    return f"/api/v0/{what}?detail=1&limit={most}" + (f"&{query}" if query else "")


def package(uri: str) -> str:
    """The path of a package, from its `gcs://NAME` URI."""
    protocol, _, name = uri.partition("://")
    return f"/api/packages/{protocol}/{quote(name)}"


def log(node: str, name: str, lines: int = -1) -> str:
    """The path of a file in a node's log folder: the last `lines` of it, or the whole file for -1."""
    return f"/api/v0/logs/file?node_id={quote(node)}&filename={quote(name)}&lines={lines}"
