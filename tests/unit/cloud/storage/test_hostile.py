"""Cloud Storage against callers with few permissions: only what is authorized happens, in any form of request."""

from __future__ import annotations

import asyncio
import json
import socket
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iam.policy.resource import wrong_object
from tests.labcloud import AGENT, TRAINER, YOU, RunningCloud
from tests.unit.cloud.storage.wire import API, JSON, Wire

Acting = Callable[[Wire, str], Wire]
SECRET = b"the secret of private/s"


def binding(role: str, expression: str = "", member: str = TRAINER) -> dict[str, Any]:
    condition = {"condition": {"title": "t", "expression": expression}} if expression else {}
    return {"role": f"roles/storage.{role}", "members": [member], **condition}


@pytest.fixture
def creator(new: Callable[..., Wire], acting: Acting) -> tuple[Wire, Wire]:
    """A bucket as its owner and as a principal that may create and read."""
    owner = new(binding("objectCreator"), binding("objectViewer"))
    owner.put("secret", "original")
    owner.put("mine", "evil")
    return owner, acting(owner, TRAINER)


@pytest.fixture
def fenced(new: Callable[..., Wire], acting: Acting, lab: RunningCloud) -> tuple[Wire, Wire]:
    """A bucket as its owner and as a principal that may do anything below public/ and nothing elsewhere."""
    owner = new()
    inside = f'resource.name.startsWith("projects/_/buckets/{owner.bucket}/objects/public/")'
    listing = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("public/")'
    holder = lab.world.buckets[owner.bucket]
    more = [binding("objectAdmin", inside), binding("objectViewer", listing)]

    async def fence() -> None:
        lab.world.set_policy(holder, {"version": 3, "bindings": [*holder.policy["bindings"], *more]})

    asyncio.run_coroutine_threadsafe(fence(), lab.loop).result(60)
    owner.put("private/s", SECRET)
    owner.put("public/p", "public")
    return owner, acting(owner, TRAINER)


OVERWRITES: dict[str, Callable[[Wire], Any]] = {
    "media": lambda b: b.put("secret", "evil"),
    "media, ifGenerationMatch=0": lambda b: b.put("secret", "evil", ifGenerationMatch=0),
    "multipart": lambda b: b.multipart({"name": "secret"}, "evil"),
    "multipart, ifGenerationMatch=0": lambda b: b.multipart({"name": "secret"}, "evil", ifGenerationMatch=0),
    "resumable": lambda b: b.resumable({"name": "secret"}, "evil"),
    "resumable, ifGenerationMatch=0": lambda b: b.resumable({"name": "secret"}, "evil", ifGenerationMatch=0),
    "the right generation": lambda b: b.put(
        "secret", "evil", ifGenerationMatch=b.get("secret")["generation"]
    ),
    "compose": lambda b: b.compose("secret", ["mine"]),
    "compose, ifGenerationMatch=0": lambda b: b.compose("secret", ["mine"], ifGenerationMatch=0),
    "compose onto itself": lambda b: b.compose("secret", ["secret", "mine"]),
    "copyTo": lambda b: b.copy("mine", "secret"),
    "copyTo, ifGenerationMatch=0": lambda b: b.copy("mine", "secret", ifGenerationMatch=0),
    "rewriteTo": lambda b: b.copy("mine", "secret", verb="rewriteTo"),
    "rewriteTo, ifGenerationMatch=0": lambda b: b.copy(
        "mine", "secret", verb="rewriteTo", ifGenerationMatch=0
    ),
    "moveTo": lambda b: b.move("mine", "secret"),
    "in a batch": lambda b: b.batch(
        f"POST {b.at('mine', f'/copyTo/b/{b.bucket}/o/secret')} HTTP/1.1\r\n\r\n"
    ),
    "delete": lambda b: b.delete("secret"),
    "patch": lambda b: b.patch("secret", {"metadata": {"evil": "yes"}}),
}


@pytest.mark.parametrize("how", OVERWRITES)
def test_create_permission_alone_never_overwrites(creator: tuple[Wire, Wire], how: str) -> None:
    owner, actor = creator
    before = owner.get("secret").json
    done = OVERWRITES[how](actor)
    assert done.status in (403, 412) or (how == "in a batch" and b"HTTP/1.1 403" in done.body)
    assert owner.get("secret").json == before


def test_nor_an_object_created_during_a_resumable_upload(creator: tuple[Wire, Wire]) -> None:
    owner, actor = creator
    session = actor.begin({"name": "later"})
    owner.put("later", "original")
    assert actor.send(session, "evil").status == 403
    assert owner.read("later").body == b"original"


def raw(query: str) -> Callable[[Wire], Any]:
    return lambda b: b.ask("POST", f"/upload{API}/b/{b.bucket}/o?uploadType=media&{query}", "evil")


def metadata(text: str) -> Callable[[Wire], Any]:
    return lambda b: b.multipart(text, "evil")


def typed(content_type: str, before: bytes = b"", name: str = "private/s") -> Callable[[Wire], Any]:
    body = before + b'--B\r\nContent-Type: application/json\r\n\r\n{"name":"' + name.encode() + b'"}\r\n'
    body += b"--B\r\n\r\nevil\r\n--B--\r\n"
    path = f"/upload{API}/b/{{}}/o?uploadType=multipart"
    return lambda b: b.ask("POST", path.format(b.bucket), body, {"Content-Type": content_type})


WRITES: dict[str, Callable[[Wire], Any]] = {
    "name": raw("name=private%2Fs"),
    "a semicolon": raw("name=public/;&name=private%2Fs"),
    "a semicolon as separator": raw("name=public/x;name=private%2Fs"),
    "a broken escape": raw("name=public/%zz&name=private%2Fs"),
    "twice": raw("name=public%2Fx&name=private%2Fs"),
    "in other letters": raw("name=public%2Fx&Name=private%2Fs"),
    "an encoded parameter's name": raw("name=public%2Fx&n%61me=private%2Fs"),
    "dots": raw("name=public%2F..%2Fprivate%2Fs"),
    "no UTF-8": raw("name=public%2F%ff&name=private%2Fs"),
    "upload_id": raw("name=private%2Fs&upload_id=1"),
    "an empty upload_id": raw("name=private%2Fs&upload_id="),
    "JSON: name and Name": metadata('{"name":"public/q","Name":"private/s"}'),
    "JSON: name twice": metadata('{"name":"public/q","name":"private/s"}'),
    "JSON: an escaped key": metadata('{"name":"public/q","n\\u0061me":"private/s"}'),
    "JSON: bucket": metadata('{"name":"public/q","bucket":"lab-models"}'),
    "JSON: a list": metadata('{"name":["private/s"]}'),
    "query and JSON": lambda b: b.multipart({"name": "private/s"}, "evil", name="public/q"),
    "a boundary in the preamble": typed(
        "multipart/related; boundary=B",
        b'x--B\r\nContent-Type: application/json\r\n\r\n{"name":"public/q"}\r\n',
    ),
    "two boundaries": typed("multipart/related; boundary=Z; boundary=B"),
    "another parameter like it": typed("multipart/related; xboundary=Z; boundary=B"),
    "a boundary over several parts": typed("multipart/related; boundary*0=B"),
    "three parts": typed(
        "multipart/related; boundary=B", b'--B\r\n\r\n{"name":"public/q"}\r\n--B\r\n\r\nx\r\n'
    ),
    "resumable: name and Name": lambda b: b.resumable('{"name":"public/q","Name":"private/s"}', "evil"),
    "resumable: another path": lambda b: b.send(
        b.begin({"name": "public/q"}).replace("/o?", "/o?name=private%2Fs&"), "evil"
    ),
    "copy": lambda b: b.copy("public/p", "private/s"),
    "rewrite, encoded twice": lambda b: b.ask(
        "POST", b.at("public/p", f"/rewriteTo/b/{b.bucket}/o/public%2F..%2Fprivate%2Fs")
    ),
    "compose": lambda b: b.compose("private/s", ["public/p"]),
    "move": lambda b: b.move("public/p", "private/s"),
    "X-HTTP-Method-Override": lambda b: b.ask(
        "POST", b.at("private/s"), "{}", {"X-HTTP-Method-Override": "DELETE"}
    ),
}


@pytest.mark.parametrize("how", WRITES)
def test_a_condition_applies_to_every_form_of_write(fenced: tuple[Wire, Wire], how: str) -> None:
    owner, actor = fenced
    before = owner.get("private/s").json
    WRITES[how](actor)
    assert owner.get("private/s").json == before
    assert {one for one in owner.names() if not one.startswith("public/")} == {"private/s"}


READS: dict[str, Callable[[Wire], Any]] = {
    "straight": lambda b: b.read("private/s"),
    "dots": lambda b: b.read("public/../private/s"),
    "encoded twice": lambda b: b.ask("GET", b.at("public%2F..%2Fprivate%2Fs") + "?alt=media"),
    "lower-case escapes": lambda b: b.ask("GET", f"{API}/b/{b.bucket}/o/public%2f..%2fprivate%2fs?alt=media"),
    "a backslash": lambda b: b.read("public\\..\\private\\s"),
    "alt twice": lambda b: b.ask("GET", b.at("private/s") + "?alt=json&alt=media"),
    "access_token twice": lambda b: b.ask(
        "GET", b.at("private/s") + "?alt=media&access_token=x&access_token=y"
    ),
    "compose: sourceObjects in other letters": lambda b: b.ask(
        "POST", b.at("public/l", "/compose"), '{"SourceObjects":[{"name":"private/s"}]}', JSON
    ),
    "compose: name and Name": lambda b: b.compose("public/l", [{"name": "public/p", "Name": "private/s"}]),
    "compose: name twice": lambda b: b.ask(
        "POST",
        b.at("public/l", "/compose"),
        '{"sourceObjects":[{"name":"public/p","name":"private/s"}]}',
        JSON,
    ),
    "compose": lambda b: b.compose("public/l", ["public/p", "private/s"]),
    "copy": lambda b: b.copy("private/s", "public/l"),
    "move": lambda b: b.move("private/s", "public/l"),
    "a verb in a name": lambda b: b.ask(
        "POST", f"{API}/b/{b.bucket}/o/public%2Fp%2FcopyTo/copyTo/b/{b.bucket}/o/public%2Fl"
    ),
    "list: no prefix": lambda b: b.listed(),
    "list: prefix twice": lambda b: b.ask("GET", f"{API}/b/{b.bucket}/o?prefix=public/&prefix=private/"),
    "list: a semicolon": lambda b: b.ask("GET", f"{API}/b/{b.bucket}/o?prefix=public/;&prefix=private/"),
    "list: a broken escape": lambda b: b.ask(
        "GET", f"{API}/b/{b.bucket}/o?prefix=public/%zz&prefix=private/"
    ),
    "list: Prefix": lambda b: b.ask("GET", f"{API}/b/{b.bucket}/o?prefix=public/&Prefix=private/"),
    "list: matchGlob": lambda b: b.listed(prefix="public/", matchGlob="**"),
    "list: startOffset": lambda b: b.listed(prefix="public/", startOffset="private", versions="true"),
    "list: another list's token": lambda b: b.listed(prefix="public/", pageToken="WyJwcml2YXRlL3MiLCAwXQ=="),
    "batch": lambda b: b.batch(f"GET {b.at('private/s')} HTTP/1.1\r\n\r\n"),
}


@pytest.mark.parametrize("how", READS)
def test_a_condition_applies_to_every_form_of_read(fenced: tuple[Wire, Wire], how: str) -> None:
    owner, actor = fenced
    body = READS[how](actor).body
    assert SECRET not in body
    assert b'"private/s"' not in body
    leaked = owner.read("public/l")
    assert leaked.status == 404 or SECRET not in leaked.body


BUCKETS = ("../{}", "{}/../{}", "{}%00", "{}.", ".", "..", "%2e%2e", "{}%252F..%252F{}")


@pytest.mark.parametrize(
    "name", ["../{}/secret", "..\\{}\\secret", "x\0../{}/secret", "./../{}/secret", "/../../{}/secret"]
)
def test_an_object_name_never_reaches_another_bucket(
    new: Callable[..., Wire], acting: Acting, name: str
) -> None:
    closed, open_ = new(), new(binding("objectAdmin"))
    closed.put("secret", SECRET)
    actor, name = acting(open_, TRAINER), name.format(closed.bucket)
    assert actor.read(name).status == 404
    assert actor.put(name, "evil").status == 200
    assert actor.read(name).body == b"evil"
    assert (closed.read("secret").body, closed.names()) == (SECRET, ["secret"])
    assert actor.copy(name, "y").status == 200
    assert actor.delete(name).status == 204
    for bucket in BUCKETS:
        path = f"{API}/b/{quote(bucket.format(closed.bucket, closed.bucket), safe='%')}/o/secret?alt=media"
        assert SECRET not in actor.ask("GET", path).body


NAMES = ("run", "run/part-0", "folder/", "folder/x", "x//y", "x/y", "/lead", "lead", "x/./y", "x/../y", "y", " ", "%",
         "a%2Fb", "a+b", "a b", "?", "#", "é", "e\u0301", "\u202e", "😀", "\x01", "\x7f", "\0", "tab\t", "-rf", "~",
         "con", "a" * 1024, "é" * 512, "..a", "a..", "...", "a/..", "a/.")  # fmt: skip


def test_names_that_a_file_system_would_confuse(bucket: Wire) -> None:
    for name in NAMES:
        made = bucket.put(name, f"content of {name}")
        assert (made.status, made["name"]) == (200, name)
    assert bucket.names() == sorted(NAMES, key=str.encode)
    for name in NAMES:
        assert bucket.read(name).body == f"content of {name}".encode()
        assert bucket.names(prefix=name)[0] == name
    for name in NAMES:
        assert bucket.delete(name).status == 204
    assert bucket.names() == []


@pytest.mark.parametrize(
    "name", [".", "..", "a\nb", "a\rb", "é" * 513, "a" * 1025, ".well-known/acme-challenge/x"]
)
def test_names_that_google_refuses(bucket: Wire, name: str) -> None:
    bucket.put("x")
    assert bucket.put(name).status == 400
    assert bucket.multipart({"name": name}).status == 400
    assert bucket.compose(name, ["x"]).status == 400
    assert bucket.copy("x", name).status == 400
    assert bucket.move("x", name).status == 400
    assert bucket.names() == ["x"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("/.%\\"), min_size=1, max_size=20),
        max_size=5,
        unique=True,
    )
)
def test_every_valid_name_identifies_one_object(new: Callable[..., Wire], names: list[str]) -> None:
    bucket = new()
    kept = [name for name in names if not wrong_object(name)]
    for name in names:
        assert bucket.multipart({"name": name}, name).status == (200 if name in kept else 400)
    assert bucket.names() == sorted(kept, key=str.encode)
    assert [bucket.read(name).body.decode() for name in kept] == kept


def test_a_list_scans_a_limited_number_of_objects_per_page(
    bucket: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A glob with few matches in a large bucket would block other requests."""
    monkeypatch.setattr("cloud.storage.listing.SCAN", 3)
    for number in range(10):
        bucket.put(f"{number}")
    found, token = [], ""
    for _ in range(10):
        page = bucket.listed(matchGlob="[049]", **({"pageToken": token} if token else {})).json
        found.append([one["name"] for one in page.get("items", ())])
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert found == [["0"], ["4"], [], ["9"]]


# Batches

TARGETS = (
    "@head:8265/api/version",
    "http://head:8265/api/version",
    "//head:8265/api/version",
    "@metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token",
    "http://127.0.0.1:8080/health",
    "/../../lab/token",
    "/lab/token",
    "/google/iam.googleapis.com/v1/projects/lab-project/serviceAccounts",
    "/batch/storage/v1",
    "",
    "*",
    "storage",
    "http://[::1",
    "\u00e9",
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_batch_never_leaves_storage(bucket: Wire, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """No target causes a name lookup or a connection."""
    asked: list[Any] = []

    async def refuse(*words: Any, **more: Any) -> Any:
        asked.append(words)
        raise OSError

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", refuse)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    answer = bucket.batch(f"GET {target} HTTP/1.1\r\nMetadata-Flavor: Google\r\n\r\n")
    assert answer.status == 400 or b"HTTP/1.1 404" in answer.body or b"HTTP/1.1 400" in answer.body
    assert not asked


def test_each_call_of_a_batch_is_authorized(fenced: tuple[Wire, Wire]) -> None:
    owner, actor = fenced
    calls = [f"DELETE {owner.at(name)} HTTP/1.1\r\n\r\n" for name in ("private/s", "public/p", "nothing")]
    answer = actor.batch(*calls)
    statuses = [line.split()[1] for line in answer.body.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
    assert statuses == [b"403", b"204", b"403"]
    assert owner.names() == ["private/s"]


def test_a_call_of_a_batch_may_have_its_own_token(fenced: tuple[Wire, Wire], lab: RunningCloud) -> None:
    owner, actor = fenced
    token = f"Authorization: Bearer {lab.token(YOU)}\r\n"
    answer = actor.batch(f"DELETE {owner.at('private/s')} HTTP/1.1\r\n{token}\r\n")
    assert b"HTTP/1.1 204" in answer.body


def test_a_malformed_batch_does_nothing(bucket: Wire) -> None:
    bucket.put("x")
    call = f"DELETE {bucket.at('x')} HTTP/1.1\r\n\r\n"
    assert bucket.batch(call, "nonsense").status == 400
    assert bucket.batch(*[call] * 101).status == 400
    assert bucket.batch(call, content_type="application/json").status == 400
    assert bucket.batch(call, content_type="multipart/mixed").status == 400
    assert bucket.batch(call, content_type="multipart/mixed; boundary=other").status == 400
    assert bucket.batch().status == 400
    assert bucket.names() == ["x"]


def test_a_batch_response_boundary_has_no_quotes(bucket: Wire) -> None:
    """gcsfs takes quotes literally, and then reports every deletion as a failure."""
    kind = bucket.batch(f"GET {bucket.at('x')} HTTP/1.1\r\n\r\n").headers["Content-Type"]
    assert set(kind.partition("boundary=")[2]) <= set(string.ascii_letters + string.digits + "_-")


# Sessions


def test_an_upload_session_belongs_to_its_creator(new: Callable[..., Wire], acting: Acting) -> None:
    owner = new(binding("objectAdmin"), binding("objectAdmin", member=AGENT))
    session = acting(owner, TRAINER).begin({"name": "x"})
    for other in (AGENT, YOU, ""):
        assert acting(owner, other).send(session, "evil").status == 404
        assert acting(owner, other).ask("DELETE", session).status == 404
    elsewhere = new(binding("objectAdmin"))
    assert acting(owner, TRAINER).send(session.replace(owner.bucket, elsewhere.bucket), "evil").status == 404
    assert acting(owner, TRAINER).send(session, "mine").status == 200
    assert owner.read("x").body == b"mine"


@pytest.mark.parametrize("kind", ["media", "multipart", "resumable"])
def test_an_upload_id_alone_does_not_authorize_writes(bucket: Wire, acting: Acting, kind: str) -> None:
    for id in ("", "1", "../x", "'"):
        path = f"/upload{API}/b/{bucket.bucket}/o?uploadType={kind}&name=x&upload_id={id}"
        for method in ("POST", "PUT"):
            assert acting(bucket, "").ask(method, path, "evil").status in (400, 401, 404)
    assert bucket.names() == []


# Limits


def sent_until_answered(lab: RunningCloud, path: str, headers: str, most: int) -> tuple[int, bytes]:
    """The number of body bytes sent before the response, and the response's first line."""
    base = urlsplit(lab.gateway)
    with socket.create_connection((base.hostname or "", base.port or 0), 60) as connection:
        head = f"POST /google/storage.googleapis.com{path} HTTP/1.1\r\nHost: {base.netloc}\r\n{headers}"
        connection.sendall(f"{head}Content-Length: {most}\r\n\r\n".encode())
        sent, piece = 0, b"a" * 2**20
        connection.setblocking(False)
        while sent < most:
            try:
                answer = connection.recv(100)
                return sent, answer.partition(b"\r\n")[0]
            except BlockingIOError:
                pass
            try:
                sent += connection.send(piece[: most - sent])
            except BlockingIOError:
                pass
            except OSError:
                break
        connection.settimeout(60)
        return sent, connection.recv(100).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("uploadType=resumable&name=x", 401),
        ("uploadType=media&name=x", 401),
        ("uploadType=multipart&name=x", 401),
    ],
)
def test_an_unauthorized_body_is_not_read(lab: RunningCloud, bucket: Wire, query: str, status: int) -> None:
    path = f"/upload{API}/b/{bucket.bucket}/o?{query}"
    _, line = sent_until_answered(lab, path, "Content-Type: multipart/related; boundary=b\r\n", 64 * 2**20)
    assert line.split()[1] == str(status).encode()


def test_metadata_and_batches_have_a_limit(lab: RunningCloud, bucket: Wire) -> None:
    long = json.dumps({"name": "x", "metadata": {"a": "x" * 2**20}})
    assert bucket.multipart(long).status == 413
    path = f"/upload{API}/b/{bucket.bucket}/o?uploadType=resumable"
    assert bucket.ask("POST", path, long, JSON).status == 413
    assert bucket.patch("x", {"metadata": {"a": "x" * 2**20}}).status in (404, 413)
    call = f"PATCH {bucket.at('x')} HTTP/1.1\r\n\r\n" + "x" * 2**20
    assert bucket.batch(*[call] * 11).status == 413
    assert bucket.names() == []


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "nul",
        "[]",
        '"x"',
        "NaN",
        '{"metadata": NaN}',
        '{"name": "\\ud800"}',
        b"\xff\xfe",
        "1e999999",
        "null",
    ],
)
def test_malformed_bodies_are_refused(bucket: Wire, body: str | bytes) -> None:
    bucket.put("x")
    for method, path in (
        ("PATCH", bucket.at("x")),
        ("POST", bucket.at("y", "/compose")),
        ("POST", f"/upload{API}/b/{bucket.bucket}/o?uploadType=resumable"),
        ("POST", f"{API}/b?project=lab-project"),
        ("PATCH", f"{API}/b/{bucket.bucket}"),
        ("PUT", f"{API}/b/{bucket.bucket}/iam"),
    ):
        assert bucket.ask(method, path, body, JSON).status == 400, path
    assert bucket.get("x")["metageneration"] == "1"
