"""Raw requests to Cloud Storage, including ones that no client library would send."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

API = "/storage/v1"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])

    def __getitem__(self, name: str) -> Any:
        return self.json.get(name)


@dataclass(slots=True)
class Wire:
    """One bucket as one principal. A query is passed as keyword arguments, or verbatim in `raw`."""

    url: str
    bucket: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] = {},
        **query: Any,
    ) -> Answer:
        base, body = urlsplit(self.url), body.encode() if isinstance(body, str) else body
        if query:
            path += ("&" if "?" in path else "?") + urlencode(query)
        with closing(http.client.HTTPConnection(base.netloc, timeout=60)) as connection:
            connection.request(method, base.path + path, body, {**self.headers, **headers})
            with closing(connection.getresponse()) as reply:
                return Answer(reply.status, dict(reply.getheaders()), reply.read())

    def at(self, name: str, more: str = "") -> str:
        return f"{API}/b/{self.bucket}/o/{quote(name, safe='')}{more}"

    def put(self, name: str, data: bytes | str = "data", **query: Any) -> Answer:
        path = f"/upload{API}/b/{self.bucket}/o?uploadType=media&name={quote(name, safe='')}"
        return self.ask("POST", path, data, {"Content-Type": "text/plain"}, **query)

    def multipart(self, metadata: Any, data: bytes | str = "data", **query: Any) -> Answer:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        data = data.encode() if isinstance(data, str) else data
        body = b"--b\r\nContent-Type: application/json\r\n\r\n" + text.encode()
        body += b"\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + data + b"\r\n--b--\r\n"
        path = f"/upload{API}/b/{self.bucket}/o?uploadType=multipart"
        return self.ask("POST", path, body, {"Content-Type": "multipart/related; boundary=b"}, **query)

    def begin(self, metadata: Any, **query: Any) -> str:
        """The path of a new resumable upload."""
        path = f"/upload{API}/b/{self.bucket}/o?uploadType=resumable"
        made = self.ask("POST", path, json.dumps(metadata), JSON, **query)
        assert made.status == 200, made.body
        return made.headers["Location"].removeprefix(self.url)

    def resumable(self, metadata: Any, data: bytes | str = "data", **query: Any) -> Answer:
        path = f"/upload{API}/b/{self.bucket}/o?uploadType=resumable"
        made = self.ask("POST", path, json.dumps(metadata), JSON, **query)
        return (
            made if made.status != 200 else self.send(made.headers["Location"].removeprefix(self.url), data)
        )

    def send(self, session: str, data: bytes | str = b"", span: str = "") -> Answer:
        return self.ask("PUT", session, data, {"Content-Range": f"bytes {span}"} if span else {})

    def get(self, name: str, **query: Any) -> Answer:
        return self.ask("GET", self.at(name), **query)

    def read(self, name: str, headers: Mapping[str, str] = {}, **query: Any) -> Answer:
        return self.ask("GET", self.at(name), headers=headers, alt="media", **query)

    def delete(self, name: str, **query: Any) -> Answer:
        return self.ask("DELETE", self.at(name), **query)

    def patch(self, name: str, change: Any, **query: Any) -> Answer:
        return self.ask("PATCH", self.at(name), json.dumps(change), JSON, **query)

    def compose(self, name: str, sources: list[Any], destination: Any = None, **query: Any) -> Answer:
        parts = [{"name": one} if isinstance(one, str) else one for one in sources]
        body = {"sourceObjects": parts, "destination": destination}
        return self.ask("POST", self.at(name, "/compose"), json.dumps(body), JSON, **query)

    def copy(
        self, name: str, to: str, body: Any = None, verb: str = "copyTo", to_bucket: str = "", **query: Any
    ) -> Answer:
        target = f"/{verb}/b/{to_bucket or self.bucket}/o/{quote(to, safe='')}"
        sent = None if body is None else json.dumps(body)
        return self.ask("POST", self.at(name, target), sent, JSON, **query)

    def move(self, name: str, to: str, **query: Any) -> Answer:
        return self.ask("POST", self.at(name, f"/moveTo/o/{quote(to, safe='')}"), **query)

    def listed(self, **query: Any) -> Answer:
        return self.ask("GET", f"{API}/b/{self.bucket}/o", **query)

    def names(self, **query: Any) -> list[str]:
        return [one["name"] for one in self.listed(**query).json.get("items", ())]

    def about(self, **query: Any) -> Answer:
        return self.ask("GET", f"{API}/b/{self.bucket}", **query)

    def change(self, change: Any, method: str = "PATCH", **query: Any) -> Answer:
        return self.ask(method, f"{API}/b/{self.bucket}", json.dumps(change), JSON, **query)

    def batch(self, *calls: str, boundary: str = "b", content_type: str = "") -> Answer:
        body = "".join(
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <{n}>\r\n\r\n{call}\r\n"
            for n, call in enumerate(calls)
        )
        kind = content_type or f"multipart/mixed; boundary={boundary}"
        return self.ask("POST", "/batch/storage/v1", f"{body}--{boundary}--\r\n", {"Content-Type": kind})
