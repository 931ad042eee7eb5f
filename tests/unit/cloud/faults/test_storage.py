"""What the calls that a fault hits look like on the wire, and what they leave behind."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cloud.faults import storage as faults
from cloud.storage.request import StorageRequest, StorageResponse
from raydock.faults import COMMAND, Fault
from tests.labcloud import YOU, RunningCloud
from tests.unit.cloud.faults.conftest import Ask
from tests.unit.cloud.storage.wire import Wire

Start = Callable[..., str]
CUT = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
QUANTUM = 1 << 18
PLAIN = "We encountered an internal error. Please try again."
BUSY = (
    "The object {}/x exceeded the rate limit for object mutation operations (create, update, and delete). Please "
    "reduce your request rate. See https://cloud.google.com/storage/docs/gcs429."
)


def test_503_is_googles_and_the_call_has_no_effect(bucket: Wire, start: Start) -> None:
    start("503")
    answer = bucket.put("x")
    assert answer.status == 503
    error = {"message": PLAIN, "domain": "global", "reason": "backendError"}
    assert answer.json == {"error": {"code": 503, "message": PLAIN, "errors": [error]}}
    assert "Retry-After" not in answer.headers
    assert bucket.read("x").body == PLAIN.encode()


def test_429_names_the_object(bucket: Wire, start: Start) -> None:
    assert bucket.put("x").status == 200
    start("429")
    answer = bucket.delete("x")
    text = BUSY.format(bucket.bucket)
    error = {"message": text, "domain": "usageLimits", "reason": "rateLimitExceeded"}
    assert (answer.status, answer.json["error"]["errors"]) == (429, [error])
    assert bucket.listed().status == 429


def test_a_failed_call_did_not_happen(bucket: Wire, start: Start, ask: Ask) -> None:
    for kind, more in (("503", {}), ("429", {}), ("cut", {"at": "request"})):
        assert ask("DELETE")[0] == 200
        start(kind, times=1, **more)
        if kind == "cut":
            with pytest.raises(CUT):
                bucket.put("x", kind, ifGenerationMatch=0)
        else:
            assert bucket.put("x", kind, ifGenerationMatch=0).status == int(kind)
        assert bucket.put("x", kind, ifGenerationMatch=0).status == 200
        assert bucket.read("x").body == kind.encode()
        assert bucket.delete("x").status == 204


def test_a_lost_response_leaves_the_effect_and_a_retry_meets_its_precondition(
    bucket: Wire, start: Start
) -> None:
    start("cut", at="response", times=2)
    with pytest.raises(CUT):
        bucket.put("x", "first", ifGenerationMatch=0)
    with pytest.raises(CUT):
        bucket.put("y", "first", ifGenerationMatch=1)  # a refusal is lost too
    assert bucket.put("x", "again", ifGenerationMatch=0).status == 412
    assert bucket.read("x").body == b"first"
    assert bucket.get("y").status == 404


def test_a_resumable_upload_whose_last_response_is_lost_is_found_complete(bucket: Wire, start: Start) -> None:
    session = bucket.begin({"name": "x"}, ifGenerationMatch=0)
    start("cut", at="response", times=1)
    with pytest.raises(CUT):
        bucket.send(session, b"data", "0-3/4")
    assert bucket.send(session, span="*/4")["size"] == "4"
    assert bucket.names() == ["x"]


def test_a_cut_upload_keeps_what_google_keeps(bucket: Wire, start: Start) -> None:
    data = bytes(range(256)) * (4 * QUANTUM // 256)
    session = bucket.begin({"name": "x"})
    start("cut", at="body", times=2)
    with pytest.raises(CUT):
        bucket.put("y", data)
    with pytest.raises(CUT):
        bucket.send(session, data, f"0-{len(data) - 1}/{len(data)}")
    assert bucket.get("y").status == 404
    kept = bucket.send(session, span=f"*/{len(data)}")
    assert (kept.status, kept.headers["Range"]) == (308, f"bytes=0-{2 * QUANTUM - 1}")
    rest = data[2 * QUANTUM :]
    assert bucket.send(session, rest, f"{2 * QUANTUM}-{len(data) - 1}/{len(data)}").status == 200
    assert bucket.read("x").body == data


@pytest.mark.parametrize("size", [1, 2, 1000, 5_000_001])
def test_a_cut_download_has_half_the_body_and_all_of_the_headers(
    bucket: Wire, start: Start, size: int
) -> None:
    assert bucket.put("x", b"d" * size).status == 200
    start("cut", at="body", times=1)
    with pytest.raises((http.client.IncompleteRead, *CUT)) as raised:
        bucket.read("x")
    if isinstance(raised.value, http.client.IncompleteRead):
        got = len(raised.value.partial)
        assert (got + (raised.value.expected or 0), got < size) == (size, True)
    assert len(bucket.read("x").body) == size


def test_a_cut_json_response_and_one_without_a_body(bucket: Wire, start: Start) -> None:
    assert bucket.put("x").status == 200
    start("cut", at="body", times=2)
    with pytest.raises((http.client.IncompleteRead, *CUT)):
        bucket.get("x")
    with pytest.raises(CUT):
        bucket.delete("x")
    assert bucket.get("x").status == 404


def test_a_batch_has_failed_calls_or_is_cut_as_a_whole(bucket: Wire, start: Start, ask: Ask) -> None:
    assert bucket.put("x").status == 200
    calls = [f"GET {bucket.at('x')} HTTP/1.1\r\n\r\n"] * 2
    start("503", times=1)
    answer = bucket.batch(*calls)
    assert (answer.body.count(b"HTTP/1.1 503"), answer.body.count(b"HTTP/1.1 200")) == (1, 1)
    for at in ("request", "body", "response"):
        assert ask("DELETE")[0] == 200
        start("cut", at=at, times=1)
        with pytest.raises(CUT):
            bucket.batch(*calls)


def test_slow_calls_wait_first() -> None:
    slept: list[float] = []
    call = StorageRequest("GET", "/", {}, {}, {}, {}, "", "", None)  # type: ignore[arg-type]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def handler(_: StorageRequest) -> StorageResponse:
        return StorageResponse(body=len(slept))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        reply = asyncio.run(
            faults.injected([Fault("slow", delay=9), Fault("slow", delay=0.5)], call, handler)
        )
    assert (reply.body, slept) == (1, [9.5])


def test_one_bucket_by_its_decoded_name(bucket: Wire, new: Callable[..., Wire], start: Start) -> None:
    other = new()
    start("503", bucket=bucket.bucket)
    escaped = "".join(f"%{ord(letter):02x}" for letter in bucket.bucket)
    assert replace(bucket, bucket=escaped).put("x").status == 503
    assert other.put("x").status == 200
    assert other.copy("x", "y", to_bucket=bucket.bucket).status == 503
    assert other.copy("x", "y").status == 200


def test_jobs_and_programs_are_hit_and_commands_are_spared(
    lab: RunningCloud, bucket: Wire, start: Start
) -> None:
    job = Wire(lab.emulator, "lab-data", {})
    spared = Wire(lab.url, bucket.bucket, {**bucket.headers, COMMAND: "1"})
    start("503")
    assert (job.listed().status, bucket.listed().status, spared.listed().status) == (503, 503, 200)
    call = f"GET {bucket.at('x')} HTTP/1.1\r\n\r\n"
    assert b"HTTP/1.1 404" in spared.batch(call).body
    start("429", commands=True)
    assert spared.listed().status == 429


def test_googles_client_retries_until_it_works(lab: RunningCloud, bucket: Wire, start: Start) -> None:
    found: Any = lab.client(YOU).bucket(bucket.bucket)
    start("503", times=1)
    start("cut", at="request", times=1)
    start("cut", at="body", times=1)
    found.blob("x").upload_from_string(b"data", if_generation_match=0)
    assert found.blob("x").download_as_bytes() == b"data"


def test_tokens_expire_before_their_time(lab: RunningCloud, bucket: Wire, start: Start) -> None:
    earlier = replace(lab.cloud.tokens, clock=lambda: time.time() - 100)
    old = {"Authorization": f"Bearer {earlier.mint(YOU)[0]}"}
    assert Wire(lab.url, bucket.bucket, old).listed().status == 200
    start("tokens", lifetime=50)
    answer = Wire(lab.url, bucket.bucket, old).listed()
    assert (answer.status, answer.message) == (401, "Invalid Credentials")
    assert bucket.listed().status == 200  # its token is younger


def test_the_lab_api_lists_starts_and_ends_faults(ask: Ask, bucket: Wire) -> None:
    fault = {"kind": "503", "share": 50, "bucket": bucket.bucket, "seed": 2}
    status, made = ask("POST", {"fault": fault, "seconds": 30})
    [row] = made["faults"]
    assert status == 200
    assert row["fault"] == Fault("503", 50, bucket.bucket, 2).as_json()
    hits = sum(bucket.listed().status == 503 for _ in range(10))
    [row] = ask("GET")[1]["faults"]
    assert (row["calls"], row["hits"]) == (10, hits)
    assert 0 < row["seconds_left"] <= 30
    assert ask("DELETE", query="?id=zzz") == (
        404,
        {"error": {"reason": "unknown", "message": "No fault has the ID 'zzz'."}},
    )
    assert ask("DELETE", query=f"?id={row['id']}")[0] == 200
    assert ask("GET")[1] == {"faults": []}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"seconds": 1}, 400, "The body has no fault."),
        ({"fault": {"kind": "503"}}, 400, "A fault lasts more than 0 and at most 3600 seconds."),
        (
            {"fault": {"kind": "503"}, "seconds": 3601},
            400,
            "A fault lasts more than 0 and at most 3600 seconds.",
        ),
        (
            {"fault": {"kind": "503"}, "seconds": "9"},
            400,
            "A fault lasts more than 0 and at most 3600 seconds.",
        ),
        ({"fault": {"kind": "none"}, "seconds": 1}, 400, None),
        (
            {"fault": {"kind": "503", "bucket": "zzz"}, "seconds": 1},
            404,
            "Bucket zzz does not exist in the lab.",
        ),
        ([1], 400, "Parse Error: expected a JSON object."),
    ],
)
def test_what_the_lab_api_refuses(ask: Ask, body: Any, status: int, sentence: str | None) -> None:
    found, answer = ask("POST", body)
    assert found == status
    assert sentence in (None, answer["error"]["message"])
    assert ask("GET")[1] == {"faults": []}


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_only_the_clusters_key_may_change_faults(lab: RunningCloud, ask: Ask, method: str) -> None:
    body = {"fault": {"kind": "503"}, "seconds": 1}
    for key in ("", "wrong", lab.token(lab.world.job), lab.token(YOU)):
        assert ask(method, body, key=key)[0] == 401
    for base in (lab.emulator, f"http://{lab.metadata}"):
        wire = Wire(base, "", {"Metadata-Flavor": "Google"})
        assert wire.ask(method, "/lab/faults", json.dumps(body)).status in (404, 405)
    assert ask("GET")[1] == {"faults": []}


def test_the_job_api_is_away(lab: RunningCloud, start: Start) -> None:
    from tests.labcloud import KEY

    wire = Wire(lab.gateway, "", {"Authorization": f"Bearer {KEY}"})
    start("control-plane")
    for path in ("/api/jobs/", "/api/version", "/api/%6aobs/", "/api/packages/gcs/x"):
        answer = wire.ask("GET", path)
        assert answer.status == 503
        assert b"python -m cluster fault clear" in answer.body
    assert wire.ask("GET", "/nodes?view=summary").status == 502  # no dashboard in this test
    assert wire.ask("GET", "/lab/").status == 200
    assert Wire(lab.gateway, "", {}).ask("GET", "/api/jobs/").status == 401
