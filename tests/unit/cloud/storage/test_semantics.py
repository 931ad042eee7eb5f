"""Cloud Storage's semantics, one row per statement in Google's documentation.

A row is an operation of the client library on a new bucket: the page, the operation and the expected outcome.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable
from typing import Any

import google_crc32c
import pytest

from tests.unit.cloud.storage.wire import API, JSON, Answer, Wire

Row = tuple[str, Callable[[Wire], Any], Any]
DOCS = "https://cloud.google.com/storage/docs/"


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()  # type: ignore[no-untyped-call]


def last(*answers: Answer) -> int:
    return answers[-1].status


def generation(answer: Answer) -> int:
    return int(answer["generation"])


def versioned(bucket: Wire) -> Wire:
    assert bucket.change({"versioning": {"enabled": True}}).status == 200
    return bucket


def twice(bucket: Wire, name: str = "x") -> tuple[int, int]:
    """Two generations of an object in a versioned bucket."""
    versioned(bucket)
    return generation(bucket.put(name, "1")), generation(bucket.put(name, "2"))


def filled(bucket: Wire, *names: str) -> Wire:
    for name in names:
        assert bucket.put(name, name).status == 200
    return bucket


def pages(bucket: Wire, **query: Any) -> list[str]:
    """All names and prefixes, page after page."""
    found, token = [], ""
    while True:
        page = bucket.listed(**query, **({"pageToken": token} if token else {})).json
        found += [one["name"] for one in page.get("items", ())] + page.get("prefixes", [])
        token = page.get("nextPageToken", "")
        if not token:
            return found


TREE = ("a", "b/", "b/1", "b/2", "b/c/3", "b/c/4", "d", "é")
GZIPPED = gzip.compress(b"plain text", mtime=0)


def stored_gzipped(b: Wire, **more: str) -> Wire:
    b.multipart({"name": "z", "contentEncoding": "gzip", **more}, GZIPPED)
    return b


INSERT: list[Row] = [
    (
        "media: content and type",
        lambda b: (b.put("x", "12")["size"], b.get("x")["contentType"]),
        ("2", "text/plain"),
    ),
    (
        "media without a name",
        lambda b: b.ask("POST", f"/upload{API}/b/{b.bucket}/o?uploadType=media", "x").status,
        400,
    ),
    ("an empty object", lambda b: (b.put("x", "")["size"], b.read("x").body), ("0", b"")),
    (
        "another uploadType",
        lambda b: b.ask("POST", f"/upload{API}/b/{b.bucket}/o?uploadType=x&name=x").status,
        400,
    ),
    ("no uploadType", lambda b: b.ask("POST", f"/upload{API}/b/{b.bucket}/o?name=x", "x").status, 400),
    ("metageneration begins at 1", lambda b: b.put("x")["metageneration"], "1"),
    ("an overwrite is a new generation", lambda b: generation(b.put("x")) < generation(b.put("x")), True),
    (
        "an overwrite begins with new metadata",
        lambda b: (b.multipart({"name": "x", "metadata": {"a": "b"}}), b.put("x"))[1]["metadata"],
        None,
    ),
    ("ifGenerationMatch=0, nothing there", lambda b: b.put("x", ifGenerationMatch=0).status, 200),
    (
        "ifGenerationMatch=0 on a live object",
        lambda b: last(b.put("x"), b.put("x", ifGenerationMatch=0)),
        412,
    ),
    (
        "ifGenerationMatch, the right one",
        lambda b: b.put("x", ifGenerationMatch=b.put("x")["generation"]).status,
        200,
    ),
    ("ifGenerationMatch, a wrong one", lambda b: last(b.put("x"), b.put("x", ifGenerationMatch=1)), 412),
    ("ifGenerationMatch on nothing", lambda b: b.put("x", ifGenerationMatch=1).status, 412),
    ("ifGenerationNotMatch=0 on nothing", lambda b: b.put("x", ifGenerationNotMatch=0).status, 412),
    (
        "ifGenerationNotMatch, the live one",
        lambda b: b.put("x", ifGenerationNotMatch=b.put("x")["generation"]).status,
        412,
    ),
    (
        "ifMetagenerationMatch, a wrong one",
        lambda b: last(b.put("x"), b.put("x", ifMetagenerationMatch=2)),
        412,
    ),
    (
        "ifMetagenerationNotMatch, the live one",
        lambda b: last(b.put("x"), b.put("x", ifMetagenerationNotMatch=1)),
        412,
    ),
    (
        "a failed precondition changes nothing",
        lambda b: (b.put("x", "1"), b.put("x", "2", ifGenerationMatch=0), b.read("x").body)[-1],
        b"1",
    ),
    (
        "multipart: ifGenerationMatch=0 on a live object",
        lambda b: last(b.put("x"), b.multipart({"name": "x"}, ifGenerationMatch=0)),
        412,
    ),
    (
        "resumable: ifGenerationMatch=0 on a live object",
        lambda b: last(b.put("x"), b.resumable({"name": "x"}, ifGenerationMatch=0)),
        412,
    ),
    (
        "multipart: metadata",
        lambda b: b.multipart({"name": "x", "metadata": {"a": "b"}})["metadata"],
        {"a": "b"},
    ),
    ("multipart: the part's type", lambda b: b.multipart({"name": "x"})["contentType"], "text/plain"),
    (
        "multipart: the metadata's type wins",
        lambda b: b.multipart({"name": "x", "contentType": "a/b"})["contentType"],
        "a/b",
    ),
    ("multipart: the right MD5", lambda b: b.multipart({"name": "x", "md5Hash": md5(b"data")}).status, 200),
    (
        "multipart: a wrong MD5",
        lambda b: (b.multipart({"name": "x", "md5Hash": md5(b"other")}).status, b.get("x").status),
        (400, 404),
    ),
    (
        "multipart: the right CRC32C",
        lambda b: b.multipart({"name": "x", "crc32c": crc32c(b"data")}).status,
        200,
    ),
    (
        "multipart: a wrong CRC32C",
        lambda b: b.multipart({"name": "x", "crc32c": crc32c(b"other")}).status,
        400,
    ),
    (
        "media: a wrong X-Goog-Hash",
        lambda b: (
            b.ask(
                "POST",
                f"/upload{API}/b/{b.bucket}/o?uploadType=media&name=x",
                "data",
                {"X-Goog-Hash": f"md5={md5(b'x')}"},
            ).status
        ),
        400,
    ),
    (
        "the checksums are told",
        lambda b: (b.put("x")["md5Hash"], b.get("x")["crc32c"]),
        (md5(b"data"), crc32c(b"data")),
    ),
    (
        "storageClass",
        lambda b: b.multipart({"name": "x", "storageClass": "COLDLINE"})["storageClass"],
        "COLDLINE",
    ),
    (
        "storageClass from the bucket",
        lambda b: (b.change({"storageClass": "NEARLINE"}), b.put("x"))[1]["storageClass"],
        "NEARLINE",
    ),
    ("an unknown storageClass", lambda b: b.multipart({"name": "x", "storageClass": "FAST"}).status, 400),
    (
        "customTime",
        lambda b: b.multipart({"name": "x", "customTime": "2026-01-02T03:04:05Z"})["customTime"],
        "2026-01-02T03:04:05Z",
    ),
    (
        "cacheControl and its like",
        lambda b: b.multipart({"name": "x", "cacheControl": "no-store", "contentLanguage": "de"})[
            "cacheControl"
        ],
        "no-store",
    ),
    ("acl is refused by name", lambda b: "acl" in b.multipart({"name": "x", "acl": []}).message, True),
    ("kmsKeyName is refused by name", lambda b: "kmsKeyName" in b.put("x", kmsKeyName="k").message, True),
    (
        "predefinedAcl is refused by name",
        lambda b: "predefinedAcl" in b.put("x", predefinedAcl="private").message,
        True,
    ),
    (
        "contexts are refused by name",
        lambda b: "contexts" in b.multipart({"name": "x", "contexts": {}}).message,
        True,
    ),
    (
        "8 KiB of metadata and more",
        lambda b: b.multipart({"name": "x", "metadata": {"a": "x" * 8192}}).status,
        400,
    ),
    (
        "metadata that is no map of texts",
        lambda b: b.multipart({"name": "x", "metadata": {"a": 1}}).status,
        400,
    ),
    ("a bucket that is not there", lambda b: Wire(b.url, "no-such-bucket", b.headers).put("x").status, 404),
]
RESUMABLE: list[Row] = [
    ("in one piece", lambda b: b.resumable({"name": "x"}, "12345")["size"], "5"),
    ("in chunks", lambda b: chunks(b), (308, "bytes=0-262143", 200, "262146")),
    ("what has arrived", lambda b: status(b), (308, None, "bytes=0-262143")),
    ("a chunk sent twice counts once", lambda b: repeated(b), ("262146", md5(b"a" * 262144 + b"bb"))),
    (
        "a gap is refused",
        lambda b: (s := b.begin({"name": "x"}), b.send(s, "x" * 10, "10-19/20").status)[1],
        400,
    ),
    (
        "an unknown length until the last chunk",
        lambda b: (
            s := b.begin({"name": "x"}),
            b.send(s, "x" * 262144, "0-262143/*").status,
            b.send(s, "yy", "262144-262145/262146").status,
        )[1:],
        (308, 200),
    ),
    (
        "the end of one of unknown length",
        lambda b: (
            s := b.begin({"name": "x"}),
            b.send(s, "x" * 262144, "0-262143/*"),
            b.send(s, "", "*/262144").status,
        )[2],
        200,
    ),
    ("an empty object", lambda b: (s := b.begin({"name": "x"}), b.send(s, "", "*/0")["size"])[1], "0"),
    (
        "a body shorter than its range",
        lambda b: (s := b.begin({"name": "x"}), b.send(s, "x", "0-9/10").status)[1],
        400,
    ),
    (
        "a body longer than its range",
        lambda b: (
            s := b.begin({"name": "x"}),
            b.send(s, "x" * 20, "0-9/10").status,
            b.send(s, "y" * 10, "0-9/10").status,
            b.read("x").body,
        )[1:],
        (400, 200, b"y" * 10),
    ),
    ("a malformed range", lambda b: (s := b.begin({"name": "x"}), b.send(s, "x", "0-0/x").status)[1], 400),
    (
        "cancelled",
        lambda b: (s := b.begin({"name": "x"}), b.ask("DELETE", s).status, b.send(s, "x").status)[1:],
        (499, 404),
    ),
    (
        "its answer can be had again",
        lambda b: (
            s := b.begin({"name": "x"}),
            b.send(s, "x")["generation"],
            b.send(s, "", "*/1")["generation"],
        )[1:],
        Ellipsis,
    ),
    (
        "preconditions hold at its end",
        lambda b: (
            s := b.begin({"name": "x"}, ifGenerationMatch=0),
            b.put("x", "1"),
            b.send(s, "2").status,
            b.read("x").body,
        )[2:],
        (412, b"1"),
    ),
    ("a wrong MD5 at its end", lambda b: b.resumable({"name": "x", "md5Hash": md5(b"other")}).status, 400),
    (
        "another precondition on the way",
        lambda b: (s := b.begin({"name": "x"}), b.send(s + "&ifGenerationMatch=0", "x").status)[1],
        400,
    ),
    (
        "another name on the way",
        lambda b: (s := b.begin({"name": "x"}), b.send(s + "&name=y", "x").status)[1],
        404,
    ),
    (
        "an id that was never given",
        lambda b: b.ask("PUT", f"/upload{API}/b/{b.bucket}/o?uploadType=resumable&upload_id=x", "x").status,
        404,
    ),
    ("the name in the query", lambda b: b.send(b.begin({}, name="x"), "x")["name"], "x"),
    (
        "X-Upload-Content-Type",
        lambda b: b.send(
            b.ask(
                "POST",
                f"/upload{API}/b/{b.bucket}/o?uploadType=resumable&name=x",
                "{}",
                {"X-Upload-Content-Type": "a/b"},
            )
            .headers["Location"]
            .removeprefix(b.url),
            "x",
        )["contentType"],
        "a/b",
    ),
]


def chunks(b: Wire) -> tuple[int, str, int, str]:
    session = b.begin({"name": "x"})
    first = b.send(session, "a" * 262144, "0-262143/262146")
    second = b.send(session, "bb", "262144-262145/262146")
    return first.status, first.headers["Range"], second.status, second["size"]


def status(b: Wire) -> tuple[int, str | None, str | None]:
    session = b.begin({"name": "x"})
    before = b.send(session, "", "*/*")
    b.send(session, "a" * 262144, "0-262143/262146")
    after = b.send(session, "", "*/262146")
    return after.status, before.headers.get("Range"), after.headers.get("Range")


def repeated(b: Wire) -> tuple[str, str]:
    session = b.begin({"name": "x"})
    for _ in range(2):
        b.send(session, "a" * 262144, "0-262143/262146")
    done = b.send(session, "a" * 262144 + "bb", "0-262145/262146")
    return done["size"], done["md5Hash"]


GET: list[Row] = [
    ("metadata", lambda b: (b.put("x"), b.get("x")["name"])[1], "x"),
    ("nothing there", lambda b: b.get("x").status, 404),
    ("content of nothing", lambda b: b.read("x").status, 404),
    ("content", lambda b: (b.put("x", "abc"), b.read("x").body)[1], b"abc"),
    ("a generation", lambda b: (g := twice(b), b.read("x", generation=g[0]).body)[1], b"1"),
    ("a generation that is not there", lambda b: (b.put("x"), b.get("x", generation=1).status)[1], 404),
    ("a generation that is no number", lambda b: (b.put("x"), b.get("x", generation="a").status)[1], 400),
    (
        "ifGenerationMatch, a wrong one",
        lambda b: (b.put("x"), b.get("x", ifGenerationMatch=1).status)[1],
        412,
    ),
    (
        "ifGenerationNotMatch, the live one",
        lambda b: (g := b.put("x")["generation"], b.get("x", ifGenerationNotMatch=g).status)[1],
        304,
    ),
    (
        "ifMetagenerationNotMatch, the live one",
        lambda b: (b.put("x"), b.read("x", ifMetagenerationNotMatch=1).status)[1],
        304,
    ),
    (
        "a range",
        lambda b: (
            b.put("x", "012345"),
            (r := b.read("x", {"Range": "bytes=2-3"})).status,
            r.body,
            r.headers["Content-Range"],
        )[1:],
        (206, b"23", "bytes 2-3/6"),
    ),
    (
        "a range to the end",
        lambda b: (b.put("x", "012345"), b.read("x", {"Range": "bytes=4-"}).body)[1],
        b"45",
    ),
    (
        "a range from the end",
        lambda b: (b.put("x", "012345"), b.read("x", {"Range": "bytes=-2"}).body)[1],
        b"45",
    ),
    (
        "a range over the end",
        lambda b: (b.put("x", "012345"), b.read("x", {"Range": "bytes=4-99"}).body)[1],
        b"45",
    ),
    (
        "a range after the end",
        lambda b: (b.put("x", "012345"), b.read("x", {"Range": "bytes=6-"}).status)[1],
        416,
    ),
    (
        "a range of an empty object",
        lambda b: (b.put("x", ""), b.read("x", {"Range": "bytes=0-"}).status)[1],
        416,
    ),
    (
        "a malformed range is ignored",
        lambda b: (b.put("x", "01"), b.read("x", {"Range": "lines=1"}).status)[1],
        200,
    ),
    (
        "X-Goog-Hash",
        lambda b: (b.put("x"), b.read("x").headers["X-Goog-Hash"])[1],
        f"crc32c={crc32c(b'data')},md5={md5(b'data')}",
    ),
    (
        "X-Goog-Generation",
        lambda b: (g := b.put("x")["generation"], b.read("x").headers["X-Goog-Generation"] == g)[1],
        True,
    ),
    ("HEAD", lambda b: (b.put("x"), b.ask("HEAD", b.at("x")).status)[1], 200),
    ("fields", lambda b: (b.put("x"), b.get("x", fields="name,size").json)[1], {"name": "x", "size": "4"}),
    ("malformed fields", lambda b: (b.put("x"), b.get("x", fields="name(").status)[1], 400),
    ("gzip is undone for who does not take it", lambda b: stored_gzipped(b).read("z").body, b"plain text"),
    (
        "gzip is kept for who takes it",
        lambda b: stored_gzipped(b).read("z", {"Accept-Encoding": "gzip"}).body,
        GZIPPED,
    ),
    (
        "no-transform keeps it",
        lambda b: stored_gzipped(b, cacheControl="no-transform").read("z").body,
        GZIPPED,
    ),
    ("the size is the stored one", lambda b: stored_gzipped(b).get("z")["size"], str(len(GZIPPED))),
    (
        "what only says that it is gzip",
        lambda b: (b.multipart({"name": "z", "contentEncoding": "gzip"}, "plain"), b.read("z").body)[1],
        b"plain",
    ),
    (
        "an unknown parameter is refused by name",
        lambda b: (b.put("x"), "softDeleted" in b.get("x", softDeleted="true").message)[1],
        True,
    ),
    (
        "userProject is refused by name",
        lambda b: (b.put("x"), "userProject" in b.get("x", userProject="p").message)[1],
        True,
    ),
    ("projection=full", lambda b: (b.put("x"), b.get("x", projection="full").status)[1], 200),
    ("an unknown projection", lambda b: (b.put("x"), b.get("x", projection="half").status)[1], 400),
    ("alt=xml", lambda b: (b.put("x"), b.get("x", alt="xml").status)[1], 400),
]
DELETE: list[Row] = [
    ("it is gone", lambda b: (b.put("x"), b.delete("x").status, b.get("x").status)[1:], (204, 404)),
    ("nothing there", lambda b: b.delete("x").status, 404),
    (
        "ifGenerationMatch, a wrong one",
        lambda b: (b.put("x"), b.delete("x", ifGenerationMatch=1).status, b.get("x").status)[1:],
        (412, 200),
    ),
    (
        "ifGenerationMatch, the right one",
        lambda b: b.delete("x", ifGenerationMatch=b.put("x")["generation"]).status,
        204,
    ),
    (
        "ifMetagenerationMatch, a wrong one",
        lambda b: (b.put("x"), b.delete("x", ifMetagenerationMatch=2).status)[1],
        412,
    ),
    (
        "versioned: the live one becomes noncurrent",
        lambda b: (twice(b), b.delete("x").status, b.get("x").status, len(b.names(versions="true")))[1:],
        (204, 404, 2),
    ),
    (
        "versioned: a generation goes for good",
        lambda b: (g := twice(b), b.delete("x", generation=g[0]).status, len(b.names(versions="true")))[1:],
        (204, 1),
    ),
    (
        "versioned: the live generation goes for good",
        lambda b: (
            g := twice(b),
            b.delete("x", generation=g[1]).status,
            b.get("x").status,
            len(b.names(versions="true")),
        )[1:],
        (204, 404, 1),
    ),
    (
        "a temporary hold",
        lambda b: (b.put("x"), b.patch("x", {"temporaryHold": True}), b.delete("x").status)[2],
        403,
    ),
    (
        "an event-based hold",
        lambda b: (b.put("x"), b.patch("x", {"eventBasedHold": True}), b.delete("x").status)[2],
        403,
    ),
    (
        "a hold that was released",
        lambda b: (
            b.put("x"),
            b.patch("x", {"temporaryHold": True}),
            b.patch("x", {"temporaryHold": False}),
            b.delete("x").status,
        )[3],
        204,
    ),
    (
        "a hold and an overwrite",
        lambda b: (b.put("x"), b.patch("x", {"temporaryHold": True}), b.put("x").status)[2],
        403,
    ),
    (
        "a hold and a copy onto it",
        lambda b: (b.put("x"), b.put("y"), b.patch("x", {"temporaryHold": True}), b.copy("y", "x").status)[3],
        403,
    ),
    (
        "a hold and a move",
        lambda b: (b.put("x"), b.patch("x", {"temporaryHold": True}), b.move("x", "y").status)[2],
        403,
    ),
    (
        "a retention policy",
        lambda b: (
            b.put("x"),
            b.change({"retentionPolicy": {"retentionPeriod": "3600"}}),
            b.delete("x").status,
        )[2],
        403,
    ),
    (
        "a retention policy and an overwrite",
        lambda b: (b.put("x"), b.change({"retentionPolicy": {"retentionPeriod": "3600"}}), b.put("x").status)[
            2
        ],
        403,
    ),
    (
        "a retention policy that was removed",
        lambda b: (
            b.put("x"),
            b.change({"retentionPolicy": {"retentionPeriod": "3600"}}),
            b.change({"retentionPolicy": None}),
            b.delete("x").status,
        )[3],
        204,
    ),
]
HEADERS: list[Row] = [
    (
        "If-None-Match, the live one",
        lambda b: (e := b.put("x")["etag"], b.read("x", {"If-None-Match": f'"{e}"'}).status)[1],
        304,
    ),
    ("If-None-Match, another", lambda b: (b.put("x"), b.read("x", {"If-None-Match": "y"}).status)[1], 200),
    ("If-Match, another", lambda b: (b.put("x"), b.read("x", {"If-Match": "y"}).status)[1], 412),
    (
        "If-Match on a delete",
        lambda b: (
            b.put("x"),
            b.ask("DELETE", b.at("x"), headers={"If-Match": "y"}).status,
            b.get("x").status,
        )[1:],
        (412, 200),
    ),
    ("If-Match: *, nothing there", lambda b: b.ask("GET", b.at("x"), headers={"If-Match": "*"}).status, 404),
    (
        "If-Range of another generation",
        lambda b: (b.put("x", "0123"), b.read("x", {"Range": "bytes=2-", "If-Range": "y"}).body)[1],
        b"0123",
    ),
    (
        "If-Range of this generation",
        lambda b: (e := b.put("x", "0123")["etag"], b.read("x", {"Range": "bytes=2-", "If-Range": e}).body)[
            1
        ],
        b"23",
    ),
    (
        "a customer's key is refused by name",
        lambda b: (
            b.put("x"),
            "x-goog-encryption-key"
            in b.ask("GET", b.at("x"), headers={"X-Goog-Encryption-Key": "k"}).message,
        )[1],
        True,
    ),
    (
        "ranges with more digits than a size has",
        lambda b: (
            b.put("x", "0123"),
            b.read("x", {"Range": f"bytes=1-{'9' * 30}"}).body,
            b.read("x", {"Range": f"bytes=-{'9' * 30}"}).body,
        )[1:],
        (b"123", b"0123"),
    ),
    (
        "gzip with padding",
        lambda b: (
            b.multipart({"name": "z", "contentEncoding": "gzip"}, GZIPPED + b"\0" * 10),
            b.read("z").body,
        )[1],
        b"plain text",
    ),
    (
        "gzip in several members",
        lambda b: (b.multipart({"name": "z", "contentEncoding": "gzip"}, GZIPPED * 3), b.read("z").body)[1],
        b"plain text" * 3,
    ),
    (
        "gzip that is corrupt",
        lambda b: (
            b.multipart({"name": "z", "contentEncoding": "gzip"}, GZIPPED[:4] + b"\xff" * 20),
            b.read("z").status,
        )[1],
        400,
    ),
]
PATCH: list[Row] = [
    ("a field", lambda b: (b.put("x"), b.patch("x", {"contentType": "a/b"})["contentType"])[1], "a/b"),
    (
        "metageneration counts up",
        lambda b: (
            b.put("x"),
            b.patch("x", {"contentType": "a/b"})["metageneration"],
            b.patch("x", {})["metageneration"],
        )[1:],
        ("2", "3"),
    ),
    (
        "the generation stays",
        lambda b: (g := b.put("x")["generation"], b.patch("x", {})["generation"] == g)[1],
        True,
    ),
    (
        "the rest stays",
        lambda b: (
            b.multipart({"name": "x", "cacheControl": "no-store"}),
            b.patch("x", {"contentType": "a/b"})["cacheControl"],
        )[1],
        "no-store",
    ),
    (
        "null clears a field",
        lambda b: (
            b.multipart({"name": "x", "cacheControl": "no-store"}),
            b.patch("x", {"cacheControl": None})["cacheControl"],
        )[1],
        None,
    ),
    (
        "metadata is merged",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "1"}}),
            b.patch("x", {"metadata": {"b": "2"}})["metadata"],
        )[1],
        {"a": "1", "b": "2"},
    ),
    (
        "null clears a name of the metadata",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "1", "b": "2"}}),
            b.patch("x", {"metadata": {"a": None}})["metadata"],
        )[1],
        {"b": "2"},
    ),
    (
        "null clears the metadata",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "1"}}),
            b.patch("x", {"metadata": None})["metadata"],
        )[1],
        None,
    ),
    (
        "more than 8 KiB bit by bit",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "x" * 5000}}),
            b.patch("x", {"metadata": {"b": "x" * 5000}}).status,
        )[1],
        400,
    ),
    (
        "what the server sets is ignored",
        lambda b: (b.put("x"), b.patch("x", {"size": "9", "name": "y"})["size"])[1],
        "4",
    ),
    (
        "an unknown field is refused by name",
        lambda b: (b.put("x"), "colour" in b.patch("x", {"colour": "green"}).message)[1],
        True,
    ),
    (
        "retention is refused by name",
        lambda b: (b.put("x"), "retention" in b.patch("x", {"retention": {"mode": "Locked"}}).message)[1],
        True,
    ),
    ("storageClass", lambda b: (b.put("x"), b.patch("x", {"storageClass": "COLDLINE"}).status)[1], 400),
    (
        "ifMetagenerationMatch, a wrong one",
        lambda b: (
            b.put("x"),
            b.patch("x", {"contentType": "a/b"}, ifMetagenerationMatch=9).status,
            b.get("x")["contentType"],
        )[1:],
        (412, "text/plain"),
    ),
    (
        "a noncurrent generation",
        lambda b: (
            g := twice(b),
            b.patch("x", {"contentType": "a/b"}, generation=g[0])["generation"] == str(g[0]),
        )[1],
        True,
    ),
    (
        "PUT replaces",
        lambda b: (
            b.multipart({"name": "x", "cacheControl": "no-store"}),
            b.ask("PUT", b.at("x"), '{"contentType": "a/b"}', JSON)["cacheControl"],
        )[1],
        None,
    ),
    ("nothing there", lambda b: b.patch("x", {}).status, 404),
    ("a body that is no object", lambda b: (b.put("x"), b.patch("x", [1]).status)[1], 400),
    ("a body that is no JSON", lambda b: (b.put("x"), b.ask("PATCH", b.at("x"), "{", JSON).status)[1], 400),
    (
        "a key that is given twice",
        lambda b: (
            b.put("x"),
            b.ask("PATCH", b.at("x"), '{"contentType":"a/b","contentType":"c/d"}', JSON).status,
        )[1],
        400,
    ),
    ("a wrong type", lambda b: (b.put("x"), b.patch("x", {"contentType": 1}).status)[1], 400),
    (
        "a line break in a header's field",
        lambda b: (b.put("x"), b.patch("x", {"contentType": "a\r\nX: y"}).status)[1],
        400,
    ),
]
LIST: list[Row] = [
    (
        "in the order of their UTF-8",
        lambda b: filled(b, "b", "a", "Z", "é", "z").names(),
        ["Z", "a", "b", "z", "é"],
    ),
    ("an empty bucket", lambda b: b.listed().json, {"kind": "storage#objects"}),
    ("prefix", lambda b: filled(b, *TREE).names(prefix="b/c"), ["b/c/3", "b/c/4"]),
    (
        "delimiter",
        lambda b: (
            filled(b, *TREE),
            (p := b.listed(delimiter="/").json)["prefixes"],
            [i["name"] for i in p["items"]],
        )[1:],
        (["b/"], ["a", "d", "é"]),
    ),
    (
        "prefix and delimiter",
        lambda b: (
            filled(b, *TREE),
            (p := b.listed(delimiter="/", prefix="b/").json)["prefixes"],
            [i["name"] for i in p["items"]],
        )[1:],
        (["b/c/"], ["b/", "b/1", "b/2"]),
    ),
    (
        "includeTrailingDelimiter",
        lambda b: filled(b, *TREE).names(delimiter="/", includeTrailingDelimiter="true"),
        ["a", "b/", "d", "é"],
    ),
    (
        "a delimiter of several characters",
        lambda b: filled(b, "a--b", "a--c", "d").listed(delimiter="--")["prefixes"],
        ["a--"],
    ),
    ("startOffset", lambda b: filled(b, *TREE).names(startOffset="b/c/4"), ["b/c/4", "d", "é"]),
    ("endOffset", lambda b: filled(b, *TREE).names(endOffset="b/1"), ["a", "b/"]),
    ("both offsets", lambda b: filled(b, *TREE).names(startOffset="b/", endOffset="b/2"), ["b/", "b/1"]),
    ("pages", lambda b: pages(filled(b, *TREE), maxResults=3), list(TREE)),
    ("pages of one", lambda b: pages(filled(b, *TREE), maxResults=1), list(TREE)),
    (
        "pages with a delimiter",
        lambda b: sorted(pages(filled(b, *TREE), maxResults=1, delimiter="/")),
        ["a", "b/", "d", "é"],
    ),
    (
        "maxResults counts prefixes too",
        lambda b: len(filled(b, "a/1", "b/1", "c/1").listed(delimiter="/", maxResults=2)["prefixes"]),
        2,
    ),
    ("maxResults below 0", lambda b: b.listed(maxResults=-1).status, 400),
    ("maxResults that is no number", lambda b: b.listed(maxResults="x").status, 400),
    ("maxResults beyond an int64", lambda b: b.listed(maxResults=2**63).status, 400),
    ("a token that was never given", lambda b: b.listed(pageToken="x").status, 400),
    ("versions", lambda b: (twice(b), len(b.names(versions="true")), len(b.names()))[1:], (2, 1)),
    ("versions in pages", lambda b: (twice(b), pages(b, versions="true", maxResults=1))[1], ["x", "x"]),
    (
        "versions: the older one first",
        lambda b: (
            g := twice(b),
            [int(i["generation"]) for i in b.listed(versions="true")["items"]] == list(g),
        )[1],
        True,
    ),
    (
        "a noncurrent one has timeDeleted",
        lambda b: (twice(b), ["timeDeleted" in i for i in b.listed(versions="true")["items"]])[1],
        [True, False],
    ),
    ("versions that is no boolean", lambda b: b.listed(versions="maybe").status, 400),
    ("matchGlob: *", lambda b: filled(b, *TREE).names(matchGlob="b/*"), ["b/", "b/1", "b/2"]),
    (
        "matchGlob: **",
        lambda b: filled(b, *TREE).names(matchGlob="b/**"),
        ["b/", "b/1", "b/2", "b/c/3", "b/c/4"],
    ),
    (
        "matchGlob: **/ stands for no folder too",
        lambda b: filled(b, "x", "a/x", "a/b/x", "ax").names(matchGlob="**/x"),
        ["a/b/x", "a/x", "x"],
    ),
    (
        "matchGlob: **/ inside",
        lambda b: filled(b, "a/x", "a/b/x", "ab/x").names(matchGlob="a/**/x"),
        ["a/b/x", "a/x"],
    ),
    (
        "matchGlob: ? and a set",
        lambda b: filled(b, *TREE).names(matchGlob="b/?[/][34]") + b.names(matchGlob="b/[1-9]"),
        ["b/1", "b/2"],
    ),
    ("matchGlob: a negated set", lambda b: filled(b, *TREE).names(matchGlob="b/[!1]"), ["b/2"]),
    (
        "matchGlob: alternatives",
        lambda b: filled(b, *TREE).names(matchGlob="{a,b/c/{3,4}}"),
        ["a", "b/c/3", "b/c/4"],
    ),
    (
        "matchGlob: malformed",
        lambda b: [b.listed(matchGlob=one).status for one in ("[", "{a", "\\")],
        [400] * 3,
    ),
    ("matchGlob: too many alternatives", lambda b: b.listed(matchGlob="{a,b}" * 20).status, 400),
    ("softDeleted is refused by name", lambda b: "softDeleted" in b.listed(softDeleted="true").message, True),
    (
        "includeFoldersAsPrefixes is refused by name",
        lambda b: "includeFoldersAsPrefixes" in b.listed(includeFoldersAsPrefixes="true").message,
        True,
    ),
    ("filter is refused by name", lambda b: "filter" in b.listed(filter="x").message, True),
    (
        "a parameter given twice",
        lambda b: b.ask("GET", f"{API}/b/{b.bucket}/o?prefix=a&prefix=b").status,
        400,
    ),
    ("fields", lambda b: filled(b, "a").listed(fields="items(name)").json, {"items": [{"name": "a"}]}),
]
LIST += [
    (
        "versions and includeTrailingDelimiter: every generation of the folder",
        lambda b: (
            twice(b, "d/"),
            b.put("d/x"),
            b.put("e"),
            b.names(versions="true", delimiter="/", includeTrailingDelimiter="true"),
            b.listed(versions="true", delimiter="/", includeTrailingDelimiter="true")["prefixes"],
        )[3:],
        (["d/", "d/", "e"], ["d/"]),
    ),
    (
        "fields: a part and the whole",
        lambda b: len(filled(b, "a").listed(fields="items/name,items")["items"][0]) > 5,
        True,
    ),
    (
        "malformed fields change nothing",
        lambda b: (
            b.put("x", fields="name(").status,
            b.put("y").status,
            b.move("y", "z", fields=")").status,
            b.change({"labels": {"a": "b"}}, fields="(").status,
            b.names(),
            b.about()["labels"],
        ),
        (400, 200, 400, 400, ["y"], None),
    ),
    (
        "tokens that are none",
        lambda b: {
            b.listed(pageToken=base64.urlsafe_b64encode(one.encode()).decode()).status
            for one in ('["a",1e999]', '["a",Infinity]', "[" * 3000, '["a"]', "{}", '["a",-1]', "[1,1]")
        },
        {400},
    ),
    ("a glob of nested braces", lambda b: b.listed(matchGlob="{" * 400 + "a" + "}" * 400).status, 400),
]
COMPOSE: list[Row] = [
    (
        "two objects",
        lambda b: (filled(b, "a", "b"), b.compose("c", ["a", "b"])["size"], b.read("c").body)[1:],
        ("2", b"ab"),
    ),
    (
        "no MD5, a CRC32C, a count",
        lambda b: (
            filled(b, "a", "b"),
            (c := b.compose("c", ["a", "b"]))["md5Hash"],
            c["crc32c"],
            c["componentCount"],
        )[1:],
        (None, crc32c(b"ab"), 2),
    ),
    (
        "components add up",
        lambda b: (
            filled(b, "a", "b"),
            b.compose("c", ["a", "b"]),
            b.compose("d", ["c", "c"])["componentCount"],
        )[2],
        4,
    ),
    (
        "onto one of its sources",
        lambda b: (filled(b, "a", "b"), b.compose("a", ["a", "b"]), b.read("a").body)[2],
        b"ab",
    ),
    (
        "a source that is not there",
        lambda b: (filled(b, "a"), b.compose("c", ["a", "nothing"]).status, b.get("c").status)[1:],
        (404, 404),
    ),
    (
        "a wrong generation",
        lambda b: (filled(b, "a"), b.compose("c", [{"name": "a", "generation": "1"}]).status)[1],
        404,
    ),
    (
        "a generation",
        lambda b: (g := twice(b), b.compose("c", [{"name": "x", "generation": g[0]}, "x"]), b.read("c").body)[
            2
        ],
        b"12",
    ),
    (
        "a source's precondition",
        lambda b: (
            filled(b, "a"),
            b.compose("c", [{"name": "a", "objectPreconditions": {"ifGenerationMatch": "1"}}]).status,
        )[1],
        412,
    ),
    (
        "ifGenerationMatch=0 on a live object",
        lambda b: (filled(b, "a", "c"), b.compose("c", ["a"], ifGenerationMatch=0).status)[1],
        412,
    ),
    (
        "the destination's type",
        lambda b: (filled(b, "a"), b.compose("c", ["a"], {"contentType": "a/b"})["contentType"])[1],
        "a/b",
    ),
    (
        "no type of its own",
        lambda b: (filled(b, "a"), b.compose("c", ["a"])["contentType"])[1],
        None,
    ),
    ("nothing to compose", lambda b: b.compose("c", []).status, 400),
    ("33 sources", lambda b: (filled(b, "a"), b.compose("c", ["a"] * 33).status)[1], 400),
    ("a source without a name", lambda b: b.compose("c", [{}]).status, 400),
    (
        "a source that is no object",
        lambda b: b.ask("POST", b.at("c", "/compose"), '{"sourceObjects": ["a"]}', JSON).status,
        400,
    ),
]
COPY: list[Row] = [
    (
        "content and metadata",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "b"}}),
            b.copy("x", "y")["metadata"],
            b.read("y").body,
        )[1:],
        ({"a": "b"}, b"data"),
    ),
    ("a new generation", lambda b: (g := generation(b.put("x")), generation(b.copy("x", "y")) > g)[1], True),
    (
        "a body replaces the metadata",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "b"}}),
            b.copy("x", "y", {"contentType": "a/b"})["metadata"],
        )[1],
        None,
    ),
    ("rewrite is done at once", lambda b: (b.put("x"), b.copy("x", "y", verb="rewriteTo")["done"])[1], True),
    (
        "rewrite says how much",
        lambda b: (b.put("x"), b.copy("x", "y", verb="rewriteTo")["totalBytesRewritten"])[1],
        "4",
    ),
    (
        "a rewriteToken that was never given",
        lambda b: (b.put("x"), b.copy("x", "y", verb="rewriteTo", rewriteToken="t").status)[1],
        400,
    ),
    (
        "rewrite onto itself changes the class",
        lambda b: (
            b.put("x"),
            b.copy("x", "x", {"storageClass": "COLDLINE"}, "rewriteTo"),
            b.get("x")["storageClass"],
            b.read("x").body,
        )[2:],
        ("COLDLINE", b"data"),
    ),
    ("nothing there", lambda b: b.copy("x", "y").status, 404),
    (
        "to a bucket that is not there",
        lambda b: (b.put("x"), b.copy("x", "y", to_bucket="no-such-bucket").status)[1],
        404,
    ),
    (
        "ifGenerationMatch=0 on a live object",
        lambda b: (filled(b, "x", "y"), b.copy("x", "y", ifGenerationMatch=0).status, b.read("y").body)[1:],
        (412, b"y"),
    ),
    (
        "ifSourceGenerationMatch, a wrong one",
        lambda b: (b.put("x"), b.copy("x", "y", ifSourceGenerationMatch=1).status, b.get("y").status)[1:],
        (412, 404),
    ),
    (
        "ifSourceMetagenerationNotMatch, the live one",
        lambda b: (b.put("x"), b.copy("x", "y", ifSourceMetagenerationNotMatch=1).status)[1],
        412,
    ),
    (
        "sourceGeneration",
        lambda b: (g := twice(b), b.copy("x", "y", sourceGeneration=g[0]), b.read("y").body)[2],
        b"1",
    ),
    (
        "holds are not copied",
        lambda b: (b.put("x"), b.patch("x", {"temporaryHold": True}), b.copy("x", "y"), b.delete("y").status)[
            3
        ],
        204,
    ),
    (
        "the source may go",
        lambda b: (b.put("x"), b.copy("x", "y"), b.delete("x"), b.read("y").body)[3],
        b"data",
    ),
    (
        "destinationKmsKeyName is refused by name",
        lambda b: (
            b.put("x"),
            "destinationKmsKeyName" in b.copy("x", "y", verb="rewriteTo", destinationKmsKeyName="k").message,
        )[1],
        True,
    ),
]
COPY += [
    (
        "an object that is called like the verb",
        lambda b: (b.put("copyTo"), b.copy("copyTo", "y", verb="rewriteTo")["done"])[1],
        True,
    ),
]
MOVE: list[Row] = [
    (
        "content, and a new generation",
        lambda b: (
            g := generation(b.put("x")),
            generation(b.move("x", "y")) > g,
            b.get("x").status,
            b.read("y").body,
        )[1:],
        (True, 404, b"data"),
    ),
    (
        "metadata comes along, metageneration is 1",
        lambda b: (
            b.multipart({"name": "x", "metadata": {"a": "b"}}),
            b.patch("x", {}),
            (m := b.move("x", "y"))["metadata"],
            m["metageneration"],
        )[2:],
        ({"a": "b"}, "1"),
    ),
    (
        "onto another object",
        lambda b: (filled(b, "x", "y"), b.move("x", "y").status, b.read("y").body)[1:],
        (200, b"x"),
    ),
    ("onto itself", lambda b: (b.put("x"), b.move("x", "x").status, b.read("x").body)[1:], (400, b"data")),
    (
        "to a name that is too long",
        lambda b: (b.put("x"), b.move("x", "y" * 1025).status, b.read("x").body)[1:],
        (400, b"data"),
    ),
    (
        "to a name of 1,024 bytes",
        lambda b: (b.put("x"), b.move("x", "y" * 1024).status, b.read("y" * 1024).body)[1:],
        (200, b"data"),
    ),
    ("nothing there", lambda b: b.move("x", "y").status, 404),
    (
        "ifGenerationMatch=0 on a live object",
        lambda b: (filled(b, "x", "y"), b.move("x", "y", ifGenerationMatch=0).status, b.get("x").status)[1:],
        (412, 200),
    ),
    (
        "ifSourceGenerationMatch, a wrong one",
        lambda b: (b.put("x"), b.move("x", "y", ifSourceGenerationMatch=1).status, b.get("x").status)[1:],
        (412, 200),
    ),
    (
        "versioned: the source becomes noncurrent",
        lambda b: (versioned(b).put("x"), b.move("x", "y"), b.names(versions="true"))[2],
        ["x", "y"],
    ),
]
BUCKETS: list[Row] = [
    ("labels", lambda b: (b.change({"labels": {"a": "b"}}), b.about()["labels"])[1], {"a": "b"}),
    (
        "null clears a label",
        lambda b: (b.change({"labels": {"a": "1", "b": "2"}}), b.change({"labels": {"a": None}})["labels"])[
            1
        ],
        {"b": "2"},
    ),
    ("a malformed label", lambda b: b.change({"labels": {"A B": "x"}}).status, 400),
    (
        "metageneration counts up",
        lambda b: (b.about()["metageneration"], b.change({"labels": {"a": "b"}})["metageneration"]),
        ("1", "2"),
    ),
    (
        "ifMetagenerationMatch, a wrong one",
        lambda b: b.change({"labels": {"a": "b"}}, ifMetagenerationMatch=9).status,
        412,
    ),
    ("ifMetagenerationNotMatch, the live one", lambda b: b.about(ifMetagenerationNotMatch=1).status, 304),
    ("storageClass", lambda b: b.change({"storageClass": "NEARLINE"})["storageClass"], "NEARLINE"),
    ("location is told", lambda b: b.about()["location"], "US"),
    ("location cannot be changed", lambda b: b.change({"location": "EU"}).status, 400),
    ("versioning", lambda b: versioned(b).about()["versioning"], {"enabled": True}),
    (
        "lifecycle is kept",
        lambda b: (
            b.change({"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}}),
            len(b.about()["lifecycle"]["rule"]),
        )[1],
        1,
    ),
    ("a lifecycle that is none", lambda b: b.change({"lifecycle": {"rule": [1]}}).status, 400),
    (
        "cors is kept",
        lambda b: (b.change({"cors": [{"origin": ["*"]}]}), b.about()["cors"])[1],
        [{"origin": ["*"]}],
    ),
    (
        "website is kept",
        lambda b: (b.change({"website": {"mainPageSuffix": "i"}}), b.about()["website"])[1],
        {"mainPageSuffix": "i"},
    ),
    (
        "retentionPolicy",
        lambda b: b.change({"retentionPolicy": {"retentionPeriod": 60}})["retentionPolicy"][
            "retentionPeriod"
        ],
        "60",
    ),
    (
        "retentionPolicy of no length",
        lambda b: b.change({"retentionPolicy": {"retentionPeriod": 0}}).status,
        400,
    ),
    (
        "defaultEventBasedHold",
        lambda b: (b.change({"defaultEventBasedHold": True}), b.put("x")["eventBasedHold"])[1],
        True,
    ),
    (
        "uniform access cannot be switched off",
        lambda b: b.change({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}).status,
        400,
    ),
    (
        "public access prevention",
        lambda b: b.change({"iamConfiguration": {"publicAccessPrevention": "enforced"}})["iamConfiguration"][
            "publicAccessPrevention"
        ],
        "enforced",
    ),
    (
        "requester pays is refused by name",
        lambda b: "billing" in b.change({"billing": {"requesterPays": True}}).message,
        True,
    ),
    (
        "a hierarchical namespace is refused by name",
        lambda b: "hierarchicalNamespace" in b.change({"hierarchicalNamespace": {"enabled": True}}).message,
        True,
    ),
    (
        "soft delete is refused by name",
        lambda b: (
            "softDeletePolicy"
            in b.change({"softDeletePolicy": {"retentionDurationSeconds": "604800"}}).message
        ),
        True,
    ),
    (
        "autoclass is refused by name",
        lambda b: "autoclass" in b.change({"autoclass": {"enabled": True}}).message,
        True,
    ),
    (
        "encryption is refused by name",
        lambda b: "encryption" in b.change({"encryption": {"defaultKmsKeyName": "k"}}).message,
        True,
    ),
    ("PUT replaces", lambda b: (b.change({"labels": {"a": "b"}}), b.change({}, "PUT")["labels"])[1], None),
    (
        "an object makes it undeletable",
        lambda b: (b.put("x"), b.ask("DELETE", f"{API}/b/{b.bucket}").status)[1],
        409,
    ),
    (
        "so does a noncurrent one",
        lambda b: (twice(b), b.delete("x"), b.ask("DELETE", f"{API}/b/{b.bucket}").status)[2],
        409,
    ),
    (
        "empty, it goes",
        lambda b: (b.ask("DELETE", f"{API}/b/{b.bucket}").status, b.about().status),
        (204, 404),
    ),
    (
        "acl",
        lambda b: [b.ask("GET", f"{API}/b/{b.bucket}/{kind}").status for kind in ("acl", "defaultObjectAcl")],
        [400, 400],
    ),
    (
        "notifications are refused by name",
        lambda b: b.ask("GET", f"{API}/b/{b.bucket}/notificationConfigs").status,
        501,
    ),
    (
        "HMAC keys are refused by name",
        lambda b: b.ask("GET", f"{API}/projects/lab-project/hmacKeys").status,
        501,
    ),
    ("folders are refused by name", lambda b: b.ask("GET", f"{API}/b/{b.bucket}/folders").status, 501),
    ("the XML API", lambda b: b.ask("GET", f"/{b.bucket}/x").status, 404),
    (
        "insert: twice",
        lambda b: b.ask("POST", f"{API}/b?project=lab-project", f'{{"name": "{b.bucket}"}}', JSON).status,
        409,
    ),
    (
        "insert: a name that is none",
        lambda b: [
            b.ask("POST", f"{API}/b?project=lab-project", f'{{"name": {one}}}', JSON).status
            for one in ('"A"', '"a/b"', "1", "null", '".."')
        ],
        [400] * 5,
    ),
    (
        "insert: without a project",
        lambda b: b.ask("POST", f"{API}/b", '{"name": "unit-none"}', JSON).status,
        400,
    ),
    (
        "list: prefix and pages",
        lambda b: (
            b.ask("GET", f"{API}/b", project="lab-project", prefix=b.bucket, maxResults=1)["items"][0]["name"]
            == b.bucket
        ),
        True,
    ),
    (
        "layout",
        lambda b: b.ask("GET", f"{API}/b/{b.bucket}/storageLayout")["hierarchicalNamespace"],
        {"enabled": False},
    ),
    (
        "a public policy under prevention",
        lambda b: (
            b.change({"iamConfiguration": {"publicAccessPrevention": "enforced"}}),
            b.ask(
                "PUT",
                f"{API}/b/{b.bucket}/iam",
                '{"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}',
                JSON,
            ).status,
        )[1],
        412,
    ),
]
BUCKETS += [
    (
        "64 labels in two changes",
        lambda b: (
            b.change({"labels": {f"a{n}": "" for n in range(40)}}).status,
            b.change({"labels": {f"b{n}": "" for n in range(40)}}).status,
        ),
        (200, 400),
    ),
    (
        "a retention of more than a century",
        lambda b: b.change({"retentionPolicy": {"retentionPeriod": "3155760001"}}).status,
        400,
    ),
    (
        "the retention's beginning stays",
        lambda b: (
            e := b.change({"retentionPolicy": {"retentionPeriod": "60"}})["retentionPolicy"]["effectiveTime"],
            b.change({"labels": {"a": "b"}})["retentionPolicy"]["effectiveTime"] == e,
        )[1],
        True,
    ),
    (
        "cors that is too deep",
        lambda b: (
            b.ask("PATCH", f"{API}/b/{b.bucket}", '{"cors":' + "[" * 900 + "]" * 900 + "}", JSON).status
        ),
        400,
    ),
    (
        "a number that is none",
        lambda b: b.ask("PATCH", f"{API}/b/{b.bucket}", '{"cors":[1e999]}', JSON).status,
        400,
    ),
    (
        "a released hold begins the retention anew",
        lambda b: (
            b.put("x"),
            b.patch("x", {"eventBasedHold": True}),
            b.change({"retentionPolicy": {"retentionPeriod": "3600"}}),
            t := b.get("x")["retentionExpirationTime"],
            b.patch("x", {"eventBasedHold": False})["retentionExpirationTime"] > t,
        )[4],
        True,
    ),
    (
        "customTime goes forward only",
        lambda b: (
            b.multipart({"name": "x", "customTime": "2026-01-02T00:00:00Z"}),
            [
                b.patch("x", {"customTime": one}).status
                for one in ("2026-01-01T00:00:00Z", None, "9999-99-99T99:99:99Z", "2026-01-03T00:00:00Z")
            ],
        )[1],
        [400, 400, 400, 200],
    ),
]
TABLE = {
    "json_api/v1/objects/insert": INSERT,
    "performing-resumable-uploads": RESUMABLE,
    "json_api/v1/objects/get": GET,
    "json_api/v1/parameters#headers": HEADERS,
    "json_api/v1/objects/delete": DELETE,
    "json_api/v1/objects/patch": PATCH,
    "json_api/v1/objects/list": LIST,
    "json_api/v1/objects/compose": COMPOSE,
    "json_api/v1/objects/rewrite": COPY,
    "json_api/v1/objects/move": MOVE,
    "json_api/v1/buckets": BUCKETS,
}
ROWS = [
    pytest.param(attempt, outcome, id=f"{page.rpartition('/')[2]}: {what}")
    for page, rows in TABLE.items()
    for what, attempt, outcome in rows
]


@pytest.mark.parametrize(("attempt", "outcome"), ROWS)
def test_storage_does_what_google_documents(
    bucket: Wire, attempt: Callable[[Wire], Any], outcome: Any
) -> None:
    found = attempt(bucket)
    if outcome is Ellipsis:  # two answers that are the same
        assert found[0] == found[1]
    else:
        assert found == outcome


def test_the_table_has_enough_rows() -> None:
    assert len(ROWS) >= 150
