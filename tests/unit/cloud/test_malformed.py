"""Malformed requests to the lab's Google Cloud: refused in Google's format, never an internal error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.labcloud import AGENT, TRAINER, YOU, RunningCloud

ACCOUNT = TRAINER.partition(":")[2]
ODD: tuple[Any, ...] = (
    None,
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    "\u00e9\u202e",
    "9" * 400,
    [],
    [[]],
    [None],
    [1],
    {},
    {"a": {}},
)
DEEP = "[" * 50_000
LONE = "\ud800".encode("utf-8", "surrogatepass")
POLICY = {
    "version": 1,
    "etag": "x",
    "bindings": [
        {"role": "roles/viewer", "members": [YOU], "condition": {"title": "t", "expression": "true"}}
    ],
}
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "cloudresourcemanager.googleapis.com/v1/projects/lab-project:setIamPolicy", {"policy": POLICY}),
    ("POST", "cloudresourcemanager.googleapis.com/v3/projects/lab-project:getIamPolicy", {"options": {}}),
    (
        "POST",
        "cloudresourcemanager.googleapis.com/v1/projects/lab-project:testIamPermissions",
        {"permissions": ["a.b.c"]},
    ),
    (
        "POST",
        "iam.googleapis.com/v1/projects/lab-project/serviceAccounts",
        {"accountId": "x", "serviceAccount": {}},
    ),
    ("POST", f"iam.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:setIamPolicy", {"policy": POLICY}),
    (
        "POST",
        f"iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken",
        {"lifetime": "60s", "scope": ["x"], "delegates": []},
    ),
    ("PUT", "storage.googleapis.com/storage/v1/b/lab-data/iam", POLICY),
    (
        "PATCH",
        "storage.googleapis.com/storage/v1/b/lab-data",
        {"labels": {"a": "b"}, "versioning": {"enabled": False}},
    ),
    (
        "PATCH",
        "storage.googleapis.com/storage/v1/b/lab-data/o/hello.txt",
        {"metadata": {"a": "b"}, "temporaryHold": False},
    ),
    (
        "POST",
        "storage.googleapis.com/storage/v1/b/lab-data/o/hello.txt/compose",
        {"sourceObjects": [{"name": "hello.txt"}]},
    ),
    (
        "POST",
        "storage.googleapis.com/storage/v1/b/lab-data/o/hello.txt/copyTo/b/lab-data/o/copy",
        {"contentType": "a/b"},
    ),
    (
        "POST",
        "storage.googleapis.com/upload/storage/v1/b/lab-data/o?uploadType=resumable",
        {"name": "x", "metadata": {}},
    ),
    (
        "POST",
        "storage.googleapis.com/storage/v1/b?project=lab-project",
        {"name": "malformed-bucket", "labels": {}},
    ),
    ("POST", "oauth2.googleapis.com/tokeninfo", {"access_token": "x"}),
)


def variants(body: Any) -> Iterator[Any]:
    """Variants of a body: each value, at any depth, replaced by each of the odd ones."""
    yield from ODD
    if isinstance(body, dict):
        for key, value in body.items():
            for other in variants(value):
                yield {**body, key: other}
    elif isinstance(body, list):
        for at, value in enumerate(body):
            for other in variants(value):
                yield [*body[:at], other, *body[at + 1 :]]


@pytest.mark.parametrize(
    ("method", "where", "body"), CALLS, ids=[where.rpartition("/")[2] for _, where, _ in CALLS]
)
def test_one_value_of_another_kind(lab: RunningCloud, method: str, where: str, body: dict[str, Any]) -> None:
    before = lab.world.as_json()
    who = AGENT if where.startswith("iamcredentials") else YOU  # a principal that is allowed to
    headers = {"Authorization": f"Bearer {lab.token(who)}", "Content-Type": "application/json"}
    with httpx.Client(timeout=60, headers=headers) as client:
        bodies: list[str | bytes] = [*map(json.dumps, variants(body)), DEEP, "{", LONE, b"\xff"]
        for odd in bodies:
            reply = client.request(method, f"{lab.gateway}/google/{where}", content=odd)
            assert reply.status_code < 500, (odd[:200], reply.text)
            if reply.status_code >= 400:
                assert reply.json()["error"]["message"], odd[:200]
    for kind in ("projects", "buckets", "accounts"):  # what was accepted can be saved and loaded
        assert json.loads(json.dumps(lab.world.as_json()[kind])).keys() >= before[kind].keys()


@pytest.mark.parametrize(
    "path", ["%", "%zz", "%ff", "\u00e9", "a" * 5000, "..%2f", "%00", "a?b=%ff", "?access_token=%ff"]
)
def test_paths_and_queries(lab: RunningCloud, path: str) -> None:
    for host in ("storage", "iam", "iamcredentials", "cloudresourcemanager", "oauth2", "bigquery", "www"):
        reply = httpx.get(f"{lab.gateway}/google/{host}.googleapis.com/v1/{path}", timeout=60)
        assert 400 <= reply.status_code <= 501
        assert reply.status_code != 500
