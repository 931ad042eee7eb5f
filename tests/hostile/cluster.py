"""What a cluster answers, and what earlier jobs left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.fakes import Answer
from tests.hostile.text import CODES, hard_text, values

RESULTS = (
    b"{}", b'{"a": NaN, "b": -Infinity}', b'{"a": 1e999}', b'{"a": ' + b"[" * 5000,
    b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"a": "\\ud800", "\\u001b[2J": 1}', b'{"a": "\xff"}', b'{"a": 1' + b"0" * 5000 + b"}",
    b'{"a": 1, "a": 2}', b"[]", b"1", b"{",
    b'{"tasks": 1, "curves": [], "metrics": "x", "nodes": {"a": []}, "seconds": "\\n"}', b'{"": ""}', b"\x00",
    b'{"tasks": [{"start": null}]}',
)  # fmt: skip
results = st.one_of(
    st.sampled_from(RESULTS),
    st.binary(max_size=20),
    st.dictionaries(hard_text, values, max_size=3).map(lambda value: json.dumps(value).encode()),
)
log_lines = st.one_of(
    st.binary(max_size=30),
    results.map(lambda line: b"RESULT " + line),
    st.just(b"50%\r\x1b[2K"),
    st.just(b"a" * 40_000),
)
logs = st.lists(log_lines, max_size=4).map(b"\n".join) | st.lists(log_lines, max_size=4).map(
    lambda found: b"".join(line + b"\n" for line in found)
)
ROUTES = (
    "GET /api/jobs/", "GET /api/jobs/a", "POST /api/jobs/", "GET /api/version", "GET /api/v0/nodes",
    "GET /nodes",
    "GET /api/v0/logs/file", "GET /api/packages", "PUT /api/packages", "GET /lab/", "POST /lab/token",
    "GET /google/", "POST /google/", "",
)  # fmt: skip
STATUSES = (200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 405, 413, 429, 500, 502, 503, 599)
HEADERS = (
    ("Location", "/"),
    ("Location", "http://["),
    ("Content-Encoding", "gzip"),
    ("Content-Type", "text/html; charset=nope"),
    ("X", "\x1b[2J"),
)
JOB = "serviceAccount:j@p.iam.gserviceaccount.com"
LAB: dict[str, Any] = {
    "generateAccessToken": {"accessToken": "t", "expireTime": "2040-01-01T00:00:00Z"},
    "/lab/token": {"access_token": "t", "expires_in": 1},
    "/lab/": {"job": JOB, "user": "user:a@b.c", "project": "p",
              "buckets": {"lab-data": "p"}},
    "/testPermissions": {"permissions": ["storage.objects.get"]},
    "/iam": {"bindings": [{"role": "roles/storage.objectAdmin", "members": [JOB]}], "version": 3},
    "/denypolicies": {"policies": [{"name": "policies/x"}]},
    "/v2/": {
        "rules": [{"denyRule": {"deniedPrincipals": ["principalSet://goog/public:all"], "deniedPermissions": ["x"]}}]
    },
    "getIamPolicy": {"bindings": []},
    "/o": {"items": [{"name": "o"}], "name": "o"},
    "": {"projectNumber": "1", "projectId": "p", "accessToken": "t", "name": "b"},
}  # fmt: skip


@dataclass
class Tampering:
    """Replaces answers to requests that begin like `route`, `times` times."""

    route: str
    times: int
    status: int | None = None
    body: bytes | None = None
    place: int = 0  # the part of the JSON that becomes `value`
    value: Any = None
    drop: bool = False  # that part is left out instead
    header: tuple[str, str] | None = None
    cut: int | None = None

    def __call__(self, request: str, answer: Answer) -> Answer:
        if self.times <= 0 or not request.startswith(self.route):
            return answer
        self.times -= 1
        body = self.changed(answer.body) if self.body is None else self.body
        more = (self.header,) if self.header else ()
        return Answer(self.status or answer.status, body, (*answer.headers, *more), self.cut)

    def changed(self, body: bytes) -> bytes:
        """The JSON with one part of it replaced."""
        try:
            told = [json.loads(body)]
        except ValueError:
            return json.dumps(self.value).encode()
        parts = list(parts_of(told))
        holder, key = parts[self.place % len(parts)]
        if self.drop and holder is not told:
            del holder[key]
        else:
            holder[key] = self.value
        return json.dumps(told[0]).encode()


def parts_of(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in JSON that holds a value, the outermost first."""
    keys = (
        list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
    )
    for key in keys:
        yield holder, key
    for key in keys:
        yield from parts_of(holder[key])


BODIES = (b"", b"<html>sign in</html>", b"[" * 5000, b"null", b"[]", b'"\\ud800"')
times = st.sampled_from((1, 2, 100))
tampering = st.one_of(
    st.builds(Tampering, st.sampled_from(ROUTES), times, place=st.integers(0, 40), value=values, drop=st.booleans()),
    st.builds(Tampering, st.sampled_from(ROUTES), times, place=st.integers(0, 40), value=values, drop=st.booleans()),
    st.builds(
        Tampering,
        st.sampled_from(ROUTES),
        times,
        status=st.none() | st.sampled_from(STATUSES),
        body=st.one_of(st.binary(max_size=20), st.sampled_from(BODIES)),
        header=st.none() | st.sampled_from(HEADERS),
        cut=st.none() | st.integers(0, 5),
    ),
)  # fmt: skip


@dataclass
class Cluster:
    """What the cluster does with the one job."""

    status: str
    message: str
    log: bytes
    supervisor: bytes
    looks: int = 0  # at the running job before it ends
    tampering: list[Tampering] = field(default_factory=list)

    def twist(self, request: str, answer: Answer) -> Answer:
        """An answer after the tampering. The lab's cloud is not the fake's; here it answers."""
        path = request.partition(" ")[2].partition("?")[0]
        if path.startswith(("/lab/", "/google/")):
            told = next(value for key, value in LAB.items() if key in path)
            answer = Answer(200, json.dumps(told).encode(), answer.headers)
        for change in self.tampering:
            answer = change(request, answer)
        return answer


messages = st.one_of(
    hard_text,
    st.just("runtime_env setup failed: x\nERROR: " + CODES + "\nconnection broken by "),
    st.just("No space left on device"),
)
clusters = st.builds(
    Cluster,
    st.sampled_from(("SUCCEEDED", "SUCCEEDED", "FAILED", "STOPPED")),
    messages,
    logs,
    st.just(b"") | st.just(b"") | st.just(b"Job a entrypoint command exited with code 0 \n"),
    st.sampled_from((0, 0, 0, 3)),
    st.lists(tampering, max_size=2),
)
KEPT = {
    "version": 1,
    "submission_id": "kept",
    "target": "local",
    "entrypoint": "python x.py",
    "started": 1.5,
    "ended": 9,
    "cores": 2,
}
RESULT: dict[str, Any] = {
    "job": "j",
    "data": "d",
    "cpus": 1,
    "seconds": {"alone": 3, "ray": 2},
    "speed_up": 1.5,
    "nodes": [{"id": "n1", "node": "cpu-worker-1", "pool": "cpu-worker", "tasks": 2}],
    "tasks": [{"name": "t", "node": "n1", "start": 0.5, "end": 2}, {"node": "n1", "start": 1, "end": 3}],
    "curves": [{"title": "$x", "x": "n", "lines": {"a": [[0, 1], [1, 2]]}}],
    "metrics": {"score": 0.9},
}


def recorded(cpus: int, changes: list[tuple[int, Any]]) -> Any:
    """A record with some of its parts replaced."""
    told = [json.loads(json.dumps({**KEPT, "result": {**RESULT, "cpus": cpus}}))]
    for place, value in changes:
        parts = list(parts_of(told))
        holder, key = parts[place % len(parts)]
        holder[key] = value
    return told[0]


record = st.builds(
    recorded, st.sampled_from((1, 2, 3)), st.lists(st.tuples(st.integers(1, 60), values), max_size=2)
)
records = st.lists(record, max_size=3)
