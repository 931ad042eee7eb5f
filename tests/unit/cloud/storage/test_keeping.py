"""What Cloud Storage preserves through restarts, disk errors, and changes during a write."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cloud import state_file
from cloud.identity.access import Access
from cloud.identity.tokens import Tokens
from cloud.storage.service import Service, open_service, put_text
from cloud.storage.store.content import Writer
from cloud.storage.store.index import Index
from iam.lab.settings import FILE as LAB_FILE
from iam.policy.roles import load_roles
from tests.labcloud import TRAINER, YOU, RunningCloud
from tests.unit.cloud.storage.test_hostile import binding
from tests.unit.cloud.storage.wire import API, JSON, Wire

Acting = Callable[[Wire, str], Wire]


def opened(folder: Path) -> Service:
    return open_service(Access(state_file.load(LAB_FILE, None), Tokens(b"s" * 32)), folder)


@pytest.fixture
def lone(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def test_deleted_objects_stay_deleted(lone: Path) -> None:
    """lab.yaml defines a bucket's initial objects, not its current ones."""
    service = opened(lone)
    found = service.index.object("lab-data", "hello.txt")
    assert found
    service.index.delete(found, forever=True)
    put_text(service, "lab-data", "mine", "kept")
    service.close()
    again = opened(lone)
    assert again.index.object("lab-data", "hello.txt") is None
    assert again.index.object("lab-data", "mine")
    again.close()


def test_a_bucket_survives_a_changed_lab_file_in_its_project(lone: Path) -> None:
    service = opened(lone)
    for name, project in (("users-own", "lab-project"), ("gone-own", "no-such-project")):
        service.access.lab_state.add_bucket(name, "lab-project")
        service.index.put_bucket(name, project, {})
        put_text(service, name, "private", "secret")
    service.close()
    again = opened(lone)  # the state is reset
    assert again.access.lab_state.buckets["users-own"].project == "lab-project"
    assert again.index.object("users-own", "private")
    assert (
        "gone-own" not in again.access.lab_state.buckets
    )  # without an owner, so it stays without one: see the next test
    again.close()


def test_a_bucket_name_of_a_removed_project_can_not_be_reused(lab: RunningCloud, bucket: Wire) -> None:
    async def leave() -> None:
        lab.cloud.service.index.put_bucket("left-behind", "no-such-project", {})

    asyncio.run_coroutine_threadsafe(leave(), lab.loop).result(60)
    made = bucket.ask("POST", f"{API}/b?project=lab-project", '{"name": "left-behind"}', JSON)
    assert (made.status, made.message) == (409, "The requested bucket name is not available.")


def test_unreferenced_content_is_removed_at_startup(lone: Path) -> None:
    service = opened(lone)
    (service.folder / "stray").write_bytes(b"x")
    kept = {path.name for path in service.folder.iterdir()} - {"stray"}
    service.close()
    again = opened(lone)
    assert {path.name for path in again.folder.iterdir()} == kept
    again.close()


def broken(*_: Any, **__: Any) -> None:
    raise OSError(errno.EIO, "broken")


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_an_overwrite_whose_old_content_can_not_be_deleted(
    bucket: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("x", "old")
    monkeypatch.setattr(Path, "unlink", broken)
    assert bucket.put("x", "new").status == 200
    monkeypatch.undo()
    assert bucket.read("x").body == b"new"


@pytest.mark.parametrize("how", ["put", "multipart", "compose"])
def test_a_full_disk_is_reported_and_leaves_nothing(
    lab: RunningCloud, bucket: Wire, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bucket.put("x", "old")
    before = set(lab.cloud.service.folder.iterdir())
    monkeypatch.setattr(Writer, "_append", full)
    done = {
        "put": lambda: bucket.put("x", "new"),
        "multipart": lambda: bucket.multipart({"name": "x"}, "new"),
        "compose": lambda: bucket.compose("x", ["x", "x"]),
    }[how]()
    monkeypatch.undo()
    assert done.status == 507
    assert done.message.startswith("The lab's disk is full.")
    assert bucket.read("x").body == b"old"
    assert set(lab.cloud.service.folder.iterdir()) == before


def test_an_index_that_cannot_be_written_keeps_the_old_object(
    lab: RunningCloud, bucket: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("x", "old")
    before = set(lab.cloud.service.folder.iterdir())
    monkeypatch.setattr(Index, "_insert", full)
    assert bucket.put("x", "new").status == 507
    monkeypatch.undo()
    assert bucket.read("x").body == b"old"
    assert set(lab.cloud.service.folder.iterdir()) == before


@pytest.mark.parametrize("verb", ["PUT iam", "POST b", "DELETE b"])
def test_a_state_that_can_not_be_saved_is_rolled_back(
    lab: RunningCloud, bucket: Wire, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    before = lab.world.as_json()
    policy = '{"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}'
    monkeypatch.setattr(type(lab.world), "save", full)
    done = {
        "PUT iam": lambda: bucket.ask("PUT", f"{API}/b/{bucket.bucket}/iam", policy, JSON),
        "POST b": lambda: bucket.ask("POST", f"{API}/b?project=lab-project", '{"name": "unit-full"}', JSON),
        "DELETE b": lambda: bucket.ask("DELETE", f"{API}/b/{bucket.bucket}"),
    }[verb]()
    monkeypatch.undo()
    assert done.status == 507
    after = lab.world.as_json()
    assert after["buckets"].keys() == before["buckets"].keys()
    assert after["buckets"][bucket.bucket]["policy"] == before["buckets"][bucket.bucket]["policy"]
    assert (bucket.about().status, Wire(bucket.url, "unit-full", bucket.headers).about().status) == (200, 404)


# Changes during a write


def in_the_middle(
    lab: RunningCloud, actor: Wire, path: str, begun: threading.Event, change: Callable[[], None]
) -> int:
    """The status of an upload whose second half is sent after a change."""
    base = urlsplit(lab.url)
    with socket.create_connection((base.hostname or "", base.port or 0), 60) as connection:
        head = f"POST {base.path}{path} HTTP/1.1\r\nHost: {base.netloc}\r\nContent-Length: 20\r\n"
        head += f"Authorization: {actor.headers['Authorization']}\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 10)
        assert begun.wait(600)
        change()
        connection.sendall(b"y" * 10)
        return int(connection.recv(65536).split()[1])


@pytest.mark.parametrize("change", ["revoked", "another bucket"])
def test_permissions_and_bucket_are_checked_when_writing(
    lab: RunningCloud, new: Callable[..., Wire], acting: Acting, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    owner = new(binding("objectCreator"))
    actor, begun, writer = acting(owner, TRAINER), threading.Event(), Service.writer

    def noted(service: Service) -> Writer:
        begun.set()  # all checks before the body are done
        return writer(service)

    monkeypatch.setattr(Service, "writer", noted)

    async def revoke() -> None:
        holder = lab.world.buckets[owner.bucket]
        kept = [one for one in holder.policy["bindings"] if TRAINER not in one["members"]]
        if change == "another bucket":
            lab.cloud.service.index.delete_bucket(owner.bucket)
            await asyncio.sleep(0.001)  # let time pass
            lab.cloud.service.index.put_bucket(owner.bucket, "lab-project", {})
        else:
            lab.world.set_policy(holder, {"version": 3, "bindings": kept})

    def act() -> None:
        asyncio.run_coroutine_threadsafe(revoke(), lab.loop).result(60)

    path = f"/upload{API}/b/{owner.bucket}/o?uploadType=media&name=x"
    status = in_the_middle(lab, actor, path, begun, act)
    assert status == (403 if change == "revoked" else 404)
    assert owner.names() == []


def test_a_session_ends_with_the_permission(
    new: Callable[..., Wire], acting: Acting, lab: RunningCloud
) -> None:
    owner = new(binding("objectCreator"))
    session = acting(owner, TRAINER).begin({"name": "x"})

    async def revoke() -> None:
        holder = lab.world.buckets[owner.bucket]
        kept = [one for one in holder.policy["bindings"] if TRAINER not in one["members"]]
        lab.world.set_policy(holder, {"version": 3, "bindings": kept})

    asyncio.run_coroutine_threadsafe(revoke(), lab.loop).result(60)
    assert acting(owner, TRAINER).send(session, "x").status == 403
    assert owner.names() == []


# Permissions


def test_public_access_prevention_requires_set_iam_policy(
    new: Callable[..., Wire], acting: Acting, lab: RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuner = "projects/lab-project/roles/tuner"
    held = frozenset({"storage.buckets.get", "storage.buckets.update"})
    monkeypatch.setattr(lab.world, "all_roles", {**lab.world.all_roles, **load_roles({tuner: held})})
    owner = new({"role": tuner, "members": [TRAINER]})
    assert acting(owner, TRAINER).change({"labels": {"a": "b"}}).status == 200
    owner.change({"iamConfiguration": {"publicAccessPrevention": "enforced"}})
    actor = acting(owner, TRAINER)
    assert actor.change({"iamConfiguration": {"publicAccessPrevention": "inherited"}}).status == 403
    assert owner.about()["iamConfiguration"]["publicAccessPrevention"] == "enforced"


def test_an_accounts_permissions_and_tokens_end_with_it(lab: RunningCloud, bucket: Wire) -> None:
    """An account created later under the same name is a different one."""
    where = "/v1/projects/lab-project/serviceAccounts"
    google = Wire(f"{lab.gateway}/google/iam.googleapis.com", "", bucket.headers)
    address = "mayfly-1@lab-project.iam.gserviceaccount.com"
    member = f"serviceAccount:{address}"

    def made() -> None:
        assert google.ask("POST", where, '{"accountId": "mayfly-1"}', JSON).status == 200

    made()
    policy = bucket.ask("GET", f"{API}/b/{bucket.bucket}/iam").json
    policy["bindings"].append(
        {"role": "roles/storage.objectAdmin", "members": [member.replace("mayfly", "MayFly")]}
    )
    assert bucket.ask("PUT", f"{API}/b/{bucket.bucket}/iam", json.dumps(policy), JSON).status == 200
    bucket.put("x")
    token = Wire(bucket.url, bucket.bucket, {"Authorization": f"Bearer {lab.token(member)}"})
    assert token.read("x").status == 200
    assert google.ask("DELETE", f"{where}/{address}").status == 200
    assert token.read("x").status == 401
    made()
    assert token.read("x").status == 401
    fresh = Wire(bucket.url, bucket.bucket, {"Authorization": f"Bearer {lab.token(member)}"})
    assert fresh.read("x").status == 403
    grant = {"policy": {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": [TRAINER]}]}}
    assert google.ask("POST", f"{where}/{address}:setIamPolicy", json.dumps(grant), JSON).status == 200
    creator = {"Authorization": f"Bearer {lab.token(TRAINER)}"}
    credentials = Wire(f"{lab.gateway}/google/iamcredentials.googleapis.com", "", creator)
    mint = f"/v1/projects/-/serviceAccounts/{address}:generateAccessToken"
    assert credentials.ask("POST", mint, "{}", JSON).status in (200, 404)
    google.ask("DELETE", f"{where}/{address}")
    made()
    assert credentials.ask("POST", mint.replace("/-/", "/lab-project/"), "{}", JSON).status == 403


def test_a_request_without_a_policy_does_not_clear_it(lab: RunningCloud, bucket: Wire) -> None:
    google = Wire(f"{lab.gateway}/google/cloudresourcemanager.googleapis.com", "", bucket.headers)
    before = lab.world.projects["lab-project"].policy
    for body in ("", "{}", '{"policy": null}', '{"bindings": []}', '{"policy": []}'):
        assert google.ask("POST", "/v1/projects/lab-project:setIamPolicy", body, JSON).status == 400
    assert lab.world.projects["lab-project"].policy == before
    assert YOU in str(before)
