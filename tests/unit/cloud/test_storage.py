"""The Cloud Storage API, called with the real client library and with raw requests."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from google.api_core import exceptions

from tests.labcloud import AGENT, TRAINER, YOU, RunningCloud

API = "/storage/v1/b"


def ask(lab: RunningCloud, method: str, path: str, principal: str = "", **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {lab.token(principal)}"} if principal else {}
    return httpx.request(
        method, lab.url + path, headers=headers | more.pop("headers", {}), timeout=60, **more
    )


def body(code: int, reason: str, message: str, **more: str) -> dict[str, Any]:
    inner = {"message": message, "domain": "global", "reason": reason, **more}
    return {"error": {"code": code, "message": message, "errors": [inner]}}


def test_every_client_operation_on_a_public_bucket(lab: RunningCloud) -> None:
    client = lab.client(AGENT)
    bucket = client.bucket("lab-data")
    name = "a b/ü?#%20.txt"
    blob = bucket.blob(name)
    blob.metadata = {"colour": "green"}
    blob.upload_from_string(b"0123456789", content_type="text/plain")
    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert bucket.get_blob(name).metadata == {"colour": "green"}
    assert [one.name for one in client.list_blobs("lab-data", prefix="a b/")] == [name]
    blob.metadata = {"colour": "red"}
    blob.patch()
    assert bucket.get_blob(name).metadata["colour"] == "red"
    bucket.copy_blob(blob, bucket, "copy")
    bucket.blob("both").compose([bucket.blob("copy"), bucket.blob("copy")])
    assert bucket.blob("both").download_as_bytes() == b"0123456789" * 2
    large = bucket.blob("large", chunk_size=256 * 1024)
    large.upload_from_string(b"x" * 1_000_000)
    assert bucket.get_blob("large").size == 1_000_000
    with bucket.blob("written").open("wb") as file:
        file.write(b"y" * 300_000)
    assert bucket.blob("written").download_as_bytes() == b"y" * 300_000
    assert bucket.blob("copy").exists()
    with client.batch():
        bucket.blob("copy").delete()
        bucket.blob("both").delete()
    assert not bucket.blob("copy").exists()
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("again", if_generation_match=0)
    with pytest.raises(exceptions.NotFound) as missing:
        bucket.blob("nothing").download_as_bytes()
    assert "No such object: lab-data/nothing" in str(missing.value)


def test_a_move_is_one_call(lab: RunningCloud) -> None:
    owner = lab.client(YOU)
    owner.bucket("lab-models").blob("before").upload_from_string("moved")
    moved = ask(lab, "POST", f"{API}/lab-models/o/before/moveTo/o/after", YOU)
    assert (moved.status_code, moved.json()["name"]) == (200, "after")
    assert [one.name for one in owner.list_blobs("lab-models")] == ["after"]


def test_a_denial_is_googles(lab: RunningCloud) -> None:
    address = AGENT.partition(":")[2]
    reply = ask(lab, "GET", f"{API}/closed-bucket/o/x", AGENT)
    text = (
        f"{address} does not have storage.objects.get access to the Google Cloud Storage object. "
        "Permission 'storage.objects.get' denied on resource (or it may not exist)."
    )
    assert (reply.status_code, reply.json()) == (403, body(403, "forbidden", text))
    media = ask(lab, "GET", f"/download{API}/closed-bucket/o/x?alt=media", AGENT)
    assert (media.status_code, media.text) == (403, text)
    listed = ask(lab, "GET", f"{API}/closed-bucket/o", AGENT)
    assert listed.json()["error"]["message"] == text.replace("objects.get", "objects.list").replace(
        "Storage object", "Storage bucket"
    )


def test_no_token_an_unknown_token_and_an_expired_token(lab: RunningCloud) -> None:
    nobody = ask(lab, "GET", f"{API}/lab-data/o/x")
    text = (
        "Anonymous caller does not have storage.objects.get access to the Google Cloud Storage object. "
        "Permission 'storage.objects.get' denied on resource (or it may not exist)."
    )
    where = {"locationType": "header", "location": "Authorization"}
    assert (nobody.status_code, nobody.json()) == (401, body(401, "required", text, **where))
    expired = lab.token(AGENT, lifetime=-1)
    for token in ("ya29.made-up", lab.token(AGENT)[:-1] + "x", expired, "ya29.lab.e30.x"):
        reply = ask(lab, "GET", f"{API}/lab-data/o/x", headers={"Authorization": f"Bearer {token}"})
        assert (reply.status_code, reply.json()) == (
            401,
            body(401, "authError", "Invalid Credentials", **where),
        )
        assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", f"{API}/lab-data/o/x/../../../b/closed-bucket/o/x", 404),
        ("GET", f"{API}/lab-data/../closed-bucket/o/x", 404),
        ("GET", f"{API}//o/x", 404),
        ("GET", "/lab-data/hello.txt", 404),
        ("POST", f"{API}/lab-data/o/x", 405),
        ("PUT", "/_internal/config", 404),
        ("GET", "/_internal/healthcheck", 404),
        ("DELETE", f"{API}/lab-data/o", 405),
        ("POST", f"/upload{API}/lab-data/o?uploadType=media", 400),
        ("POST", f"/upload{API}/lab-data/o?uploadType=odd&name=x", 400),
        ("PUT", f"/upload{API}/lab-data/o?uploadType=resumable", 400),
        ("GET", f"{API}?project=nowhere", 404),
        ("GET", API, 400),
        ("GET", f"{API}/lab-data/acl", 400),
        ("GET", f"{API}/nowhere", 404),
        ("POST", "/batch/storage/v1", 400),
    ],
)
def test_an_unknown_path_or_method_is_an_error_in_googles_form(
    lab: RunningCloud, method: str, path: str, status: int
) -> None:
    """Sends paths verbatim; httpx would normalize them."""
    import http.client
    from contextlib import closing
    from urllib.parse import urlsplit

    with closing(http.client.HTTPConnection(urlsplit(lab.emulator).netloc, timeout=60)) as connection:
        connection.putrequest(method, path)
        connection.putheader("Authorization", f"Bearer {lab.token(YOU)}")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        with closing(connection.getresponse()) as reply:
            told = json.loads(reply.read())
    assert (reply.status, told["error"]["code"]) == (status, status)


def test_an_object_with_two_names_is_refused(lab: RunningCloud) -> None:
    """Otherwise the authorized and the written object could differ."""
    content = b'--b\r\nContent-Type: application/json\r\n\r\n{"name": "one"}\r\n--b\r\n\r\nx\r\n--b--'
    reply = ask(
        lab, "POST", f"/upload{API}/lab-data/o?uploadType=multipart&name=two", AGENT,
        content=content, headers={"Content-Type": "multipart/related; boundary=b"},
    )  # fmt: skip
    assert (
        reply.json()["error"]["message"]
        == "The object's name in the query differs from the name in the body."
    )


def test_a_creator_creates_but_does_not_overwrite(lab: RunningCloud) -> None:
    grant(lab, "lab-data", "roles/storage.objectCreator", TRAINER)
    bucket = lab.client(TRAINER).bucket("lab-data")
    bucket.blob("once").upload_from_string("1")
    for again in (bucket.blob("once"), bucket.blob("once", chunk_size=256 * 1024)):
        with pytest.raises(exceptions.Forbidden, match=r"does not have storage\.objects\.delete access"):
            again.upload_from_string("2" * 300_000)
    assert lab.client(YOU).bucket("lab-data").blob("once").download_as_bytes() == b"1"


def grant(lab: RunningCloud, bucket: str, role: str, member: str) -> None:
    """Through the gateway, as the user, with the client library."""
    found = lab.client(YOU).bucket(bucket)
    policy = found.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": role, "members": {member}})
    found.set_iam_policy(policy)


def test_an_outdated_etag_does_not_overwrite_a_policy(lab: RunningCloud) -> None:
    bucket = lab.client(YOU).bucket("lab-data")
    mine, other = (bucket.get_iam_policy(requested_policy_version=3) for _ in range(2))
    bucket.set_iam_policy(other)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(mine)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        (
            {"role": "roles/storage.nothing", "members": [AGENT]},
            "Role roles/storage.nothing is not supported",
        ),
        (
            {"role": "roles/viewer", "members": ["user:nobody@example.com"]},
            "User nobody@example.com does not exist.",
        ),
        (
            {"role": "roles/viewer", "members": ["serviceAccount:no@lab-project.iam.gserviceaccount.com"]},
            "Service account no@lab-project.iam.gserviceaccount.com does not exist.",
        ),
        ({"role": "roles/viewer", "members": ["someone"]}, 'Invalid principal "someone"'),
    ],
)
def test_an_invalid_policy_is_refused(lab: RunningCloud, binding: dict[str, Any], message: str) -> None:
    reply = ask(lab, "PUT", f"{API}/lab-data/iam", YOU, json={"bindings": [binding]})
    assert reply.status_code == 400
    assert message in reply.json()["error"]["message"]


def test_anyone_may_test_their_own_permissions(lab: RunningCloud) -> None:
    asked = ["storage.objects.get", "storage.buckets.setIamPolicy"]
    assert lab.client(AGENT).bucket("lab-data").test_iam_permissions(asked) == asked[:1]
    assert lab.client(YOU).bucket("lab-data").test_iam_permissions(asked) == asked
    assert lab.client(AGENT).bucket("closed-bucket").test_iam_permissions(asked) == []


def test_a_bucket_is_created_found_and_deleted(lab: RunningCloud) -> None:
    owner = lab.client(YOU)
    made = owner.create_bucket("lab-made", project="lab-project")
    assert made.project_number == 123456789012
    assert "lab-made" in [one.name for one in owner.list_buckets(project="lab-project")]
    assert "closed-bucket" not in [one.name for one in owner.list_buckets(project="lab-project")]
    with pytest.raises(exceptions.Conflict):
        owner.create_bucket("lab-made", project="lab-project")
    with pytest.raises(exceptions.Forbidden):
        lab.client(TRAINER).create_bucket("lab-other", project="lab-project")
    owner.bucket("lab-made").blob("x").upload_from_string("x")
    with pytest.raises(exceptions.Conflict):
        made.delete()
    owner.bucket("lab-made").blob("x").delete()
    made.delete()
    assert owner.lookup_bucket("lab-made") is None


def test_urls_in_responses_use_the_clients_address(lab: RunningCloud) -> None:
    blob = lab.client(AGENT).bucket("lab-data").get_blob("hello.txt")
    assert blob.self_link == f"{lab.url}/storage/v1/b/lab-data/o/hello.txt"
    assert blob.media_link.startswith(f"{lab.url}/download/")
