"""The front of Cloud Storage: each call of the JSON API is authorised, then passed to the stand-in.

Which permission a call needs: https://cloud.google.com/storage/docs/access-control/iam-json. A call that is
not in this table is refused, never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from aiohttp import web

from cloud import batch, uploads
from cloud.access import Access
from cloud.answers import Refusal, denied, no_bucket, storage_error
from cloud.backend import Backend
from cloud.policies import BucketPolicies
from iam import resource as resources
from iam.errors import MalformedResource
from iam.principal import ANONYMOUS, email

BUCKET = r"/b/(?P<bucket>[^/]+)"
OBJECT = r"/o/(?P<object>[^/]+)"
TARGET = r"/b/(?P<to_bucket>[^/]+)/o/(?P<to_object>[^/]+)"
API = "/storage/v1"
NO_STORAGE = (
    "This lab runs without storage: there is no storage stand-in for this machine. Use Linux or Docker."
)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: who makes it, on what. `raw` is the path as it came; names in it are as they stand there."""

    request: web.Request
    principal: str
    raw: str
    base: str  # the address under which the client knows storage
    names: Mapping[str, str]

    @property
    def bucket(self) -> str:
        return unquote(self.names["bucket"])

    @property
    def query(self) -> str:
        return self.request.raw_path.partition("?")[2]

    @property
    def path(self) -> str:
        return self.raw + (f"?{self.query}" if self.query else "")

    @property
    def media(self) -> bool:
        return self.request.query.get("alt") == "media" or self.raw.startswith("/download/")


Handler = Callable[["Storage", Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Storage:
    """The front. `own_url` is where it reaches itself, for the parts of a batch."""

    access: Access
    backend: Backend
    own_url: str = ""

    async def handle(self, request: web.Request, base: str, raw: str = "") -> web.StreamResponse:
        """Any request to storage.googleapis.com; `raw` is its path where that is not the request's own."""
        raw = raw or request.raw_path.partition("?")[0]
        media = request.query.get("alt") == "media" or raw.startswith("/download/")
        try:
            principal = self.access.caller(request)
            handler, names = route(request.method, raw)
            self.require_backend()
            return await handler(self, Call(request, principal, raw, base, names))
        except Refusal as refusal:
            return storage_error(refusal, media)

    def require_backend(self) -> None:
        """Refusal (501) where the lab runs without a stand-in: processes, on a machine that has none."""
        if not self.backend.url:
            raise Refusal(501, "notImplemented", NO_STORAGE)

    # Buckets

    async def list_buckets(self, call: Call) -> web.StreamResponse:
        project = self.project(call)
        self.access.require_project(call.principal, "storage.buckets.list", project)
        _, found = await self.backend.json("GET", call.path)
        items = [
            self.described(item)
            for item in (found or {}).get("items", ())
            if self.owner(item["name"]) == project
        ]
        return web.json_response({"kind": "storage#buckets", "items": items})

    async def insert_bucket(self, call: Call) -> web.StreamResponse:
        project = self.project(call)
        self.access.require_project(call.principal, "storage.buckets.create", project)
        body = await json_body(call.request)
        name = str(body.get("name") or "")
        try:
            resources.parse_gs(f"gs://{name}")
        except MalformedResource as fault:
            raise Refusal(400, "invalid", f"Invalid bucket name: '{name}': {fault.message}") from None
        if name in self.access.world.buckets:
            mine = self.owner(name) == project
            text = "Your previous request to create the named bucket succeeded and you already own it."
            raise Refusal(409, "conflict", text if mine else "The requested bucket name is not available.")
        status, made = await self.backend.json("POST", f"{API}/b?project={project}", body)
        if status >= 300:
            raise Refusal(status, "invalid", str(made))
        self.access.world.add_bucket(name, project)
        self.access.world.save()
        return web.json_response(self.described(made))

    async def get_bucket(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        self.access.require_bucket(call.principal, "storage.buckets.get", call.bucket)
        return await self.about_bucket(call)

    async def patch_bucket(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        for permission in ("storage.buckets.get", "storage.buckets.update"):
            self.access.require_bucket(call.principal, permission, call.bucket)
        return await self.about_bucket(call, await json_body(call.request))

    async def delete_bucket(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        self.access.require_bucket(call.principal, "storage.buckets.delete", call.bucket)
        status, told = await self.backend.json("DELETE", f"{API}/b/{call.bucket}")
        if status >= 300:
            why = "The bucket you tried to delete is not empty." if status in (409, 412) else str(told)
            raise Refusal(409 if status == 412 else status, "conflict", why)
        del self.access.world.buckets[call.bucket]
        self.access.world.save()
        return web.Response(status=204)

    async def layout(self, call: Call) -> web.StreamResponse:
        """Flat, as every bucket of the lab is."""
        self.bucket_there(call.bucket)
        self.access.require_bucket(call.principal, "storage.objects.list", call.bucket)
        layout = {
            "kind": "storage#storageLayout",
            "bucket": call.bucket,
            "hierarchicalNamespace": {"enabled": False},
        }
        return web.json_response(layout)

    async def bucket_policy(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        policies = BucketPolicies(self.access)
        if call.request.method == "GET":
            return policies.get(call.principal, call.bucket)
        return policies.set(call.principal, call.bucket, await json_body(call.request))

    async def bucket_permissions(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        asked = call.request.query.getall("permissions", [])
        return BucketPolicies(self.access).test(call.principal, call.bucket, asked)

    async def no_acls(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        text = "Cannot get legacy ACL for a bucket that has uniform bucket-level access."
        raise Refusal(
            400,
            "invalid",
            f"{text} Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access",
        )

    # Objects

    async def list_objects(self, call: Call) -> web.StreamResponse:
        self.bucket_there(call.bucket)
        prefix = call.request.query.get("prefix", "")
        resource = resources.bucket(call.bucket)
        self.access.require(call.principal, "storage.objects.list", resource, prefix)
        return await self.backend.forward(call.request, call.path, call.base)

    async def get_object(self, call: Call) -> web.StreamResponse:
        self.require_object(call, "storage.objects.get")
        response = await self.backend.forward(call.request, call.path, call.base, media=call.media)
        if response.status == 404:
            raise no_object(call)
        return response

    async def patch_object(self, call: Call) -> web.StreamResponse:
        for permission in ("storage.objects.get", "storage.objects.update"):
            self.require_object(call, permission)
        response = await self.backend.forward(call.request, call.path, call.base)
        if response.status == 404:
            raise no_object(call)
        return response

    async def delete_object(self, call: Call) -> web.StreamResponse:
        self.require_object(call, "storage.objects.delete")
        response = await self.backend.forward(call.request, call.path, call.base)
        if response.status == 404:
            raise no_object(call)
        return web.Response(status=204) if response.status == 200 else response

    async def upload(self, call: Call) -> web.StreamResponse:
        """The start of an upload, or all of a small one; gcsfs sends the next pieces by POST too."""
        self.bucket_there(call.bucket)
        if call.request.query.get("upload_id"):
            return await self.upload_on(call)
        upload = await uploads.read_upload(call.request)
        only_new = await self.require_write(call, call.bucket, upload.name)
        path = with_query(call.path, ifGenerationMatch="0") if only_new else call.path
        response = await self.backend.forward(call.request, path, call.base, upload.body)
        if only_new and response.status == 412 and "ifGenerationMatch" not in call.request.query:
            raise denied(address(call.principal), "storage.objects.delete")
        return response

    async def upload_on(self, call: Call) -> web.StreamResponse:
        """The next piece: the session's id, which nobody can guess, stands for the permission to begin it."""
        if not call.request.query.get("upload_id"):
            raise Refusal(400, "required", "Required parameter: upload_id")
        return await self.backend.forward(call.request, call.path, call.base)

    async def compose(self, call: Call) -> web.StreamResponse:
        body = await json_body(call.request)
        for source in body.get("sourceObjects") or ():
            resource = resources.obj(call.bucket, str(source.get("name")))
            self.bucket_there(call.bucket)
            self.access.require(call.principal, "storage.objects.get", resource)
        await self.require_write(call, call.bucket, unquote(call.names["object"]))
        return await self.backend.forward(call.request, call.path, call.base, encoded(body))

    async def rewrite(self, call: Call) -> web.StreamResponse:
        self.require_object(call, "storage.objects.get")
        to_bucket, to_object = unquote(call.names["to_bucket"]), unquote(call.names["to_object"])
        self.bucket_there(to_bucket)
        await self.require_write(call, to_bucket, to_object)
        response = await self.backend.forward(call.request, call.path, call.base)
        if response.status == 404:
            raise no_object(call)
        return response

    async def move(self, call: Call) -> web.StreamResponse:
        """A rewrite and a removal: the stand-in has no move."""
        self.require_object(call, "storage.objects.move")
        to_object = call.names["to_object"]
        await self.require_write(call, call.bucket, unquote(to_object))
        source = f"{API}/b/{call.names['bucket']}/o/{call.names['object']}"
        path = f"{source}/rewriteTo/b/{call.names['bucket']}/o/{to_object}"
        status, moved = await self.backend.json("POST", path, {})
        if status == 404:
            raise no_object(call)
        await self.backend.json("DELETE", source)
        return web.json_response(moved["resource"])

    async def batch(self, call: Call) -> web.StreamResponse:
        return await batch.answer(call.request, call.base, self.own_url, self.backend.open())

    # What the calls share

    def bucket_there(self, bucket: str) -> None:
        if bucket not in self.access.world.buckets:
            raise no_bucket()

    def require_object(self, call: Call, permission: str) -> None:
        self.bucket_there(call.bucket)
        resource = resources.obj(call.bucket, unquote(call.names["object"]))
        self.access.require(call.principal, permission, resource)

    async def require_write(self, call: Call, bucket: str, name: str) -> bool:
        """Writing needs create, and delete too where it overwrites. True: it may only make a new object."""
        resource = resources.obj(bucket, name)
        self.access.require(call.principal, "storage.objects.create", resource)
        if call.request.query.get("ifGenerationMatch") == "0":
            return True
        if self.access.may(call.principal, "storage.objects.delete", resource):
            return False
        if await self.backend.exists(bucket, quoted(name)):
            raise denied(address(call.principal), "storage.objects.delete")
        return True

    def project(self, call: Call) -> str:
        """The project of the query. Refusal (400) without one, Google's 404 for one that is not there."""
        asked = call.request.query.get("project", "")
        if not asked:
            raise Refusal(400, "required", "Required parameter: project")
        project = self.access.world.project_named(asked)
        if not project:
            raise Refusal(404, "notFound", f"The requested project was not found: {asked}.")
        return project

    def owner(self, bucket: str) -> str:
        holder = self.access.world.buckets.get(bucket)
        return holder.project if holder else ""

    async def about_bucket(self, call: Call, body: Any = None) -> web.Response:
        method = "GET" if body is None else "PATCH"
        status, found = await self.backend.json(method, f"{API}/b/{call.bucket}", body)
        if status >= 300:
            raise no_bucket() if status == 404 else Refusal(status, "invalid", str(found))
        return web.json_response(self.described(found))

    def described(self, bucket: dict[str, Any]) -> dict[str, Any]:
        """What the stand-in says of a bucket, with what only the lab knows."""
        number = self.access.world.number(self.owner(bucket["name"]))
        uniform = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "inherited"}
        return {**bucket, "projectNumber": str(number), "iamConfiguration": uniform}


ROUTES: tuple[tuple[str, re.Pattern[str], Handler], ...] = tuple(
    (methods, re.compile(pattern), handler)
    for methods, pattern, handler in (
        ("GET", rf"{API}/b", Storage.list_buckets),
        ("POST", rf"{API}/b", Storage.insert_bucket),
        ("GET", rf"{API}{BUCKET}", Storage.get_bucket),
        ("PATCH PUT", rf"{API}{BUCKET}", Storage.patch_bucket),
        ("DELETE", rf"{API}{BUCKET}", Storage.delete_bucket),
        ("GET", rf"{API}{BUCKET}/storageLayout", Storage.layout),
        ("GET PUT", rf"{API}{BUCKET}/iam", Storage.bucket_policy),
        ("GET", rf"{API}{BUCKET}/iam/testPermissions", Storage.bucket_permissions),
        ("GET", rf"{API}{BUCKET}/(?:acl|defaultObjectAcl)(?:/.*)?", Storage.no_acls),
        ("GET", rf"{API}{BUCKET}/o", Storage.list_objects),
        ("GET HEAD", rf"(?:/download)?{API}{BUCKET}{OBJECT}", Storage.get_object),
        ("PATCH PUT", rf"{API}{BUCKET}{OBJECT}", Storage.patch_object),
        ("DELETE", rf"{API}{BUCKET}{OBJECT}", Storage.delete_object),
        ("POST", rf"{API}{BUCKET}{OBJECT}/compose", Storage.compose),
        ("POST", rf"{API}{BUCKET}{OBJECT}/(?:rewriteTo|copyTo){TARGET}", Storage.rewrite),
        ("POST", rf"{API}{BUCKET}{OBJECT}/moveTo/o/(?P<to_object>[^/]+)", Storage.move),
        ("POST", rf"(?:/resumable)?/upload{API}{BUCKET}/o", Storage.upload),
        ("PUT DELETE", rf"(?:/resumable)?/upload{API}{BUCKET}/o", Storage.upload_on),
        ("POST", r"/batch(?:/storage/v1)?", Storage.batch),
    )
)


def route(method: str, raw: str) -> tuple[Handler, Mapping[str, str]]:
    """The handler for a call. Refusal: 404 for a path that is not known, 405 for a wrong method."""
    known = False
    for methods, pattern, handler in ROUTES:
        if found := pattern.fullmatch(raw):
            known = True
            if method in methods.split():
                return handler, {name: value for name, value in found.groupdict().items() if value}
    if known:
        raise Refusal(405, "methodNotAllowed", f"{method} is not allowed on {raw}.")
    raise Refusal(404, "notFound", f"The lab's storage has no {raw}: it speaks the JSON API.")


def with_query(path: str, **added: str) -> str:
    """The path with these in its query, in the place of others of that name."""
    raw, _, query = path.partition("?")
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in added]
    return f"{raw}?{urlencode([*pairs, *added.items()])}"


async def json_body(request: web.Request) -> dict[str, Any]:
    """Refusal (400) for a body that is no JSON object."""
    try:
        body = await request.json() if request.can_read_body else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "parseError", "The request's body is no JSON object.")
    return body


def encoded(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()


def quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def address(principal: str) -> str:
    return "" if principal == ANONYMOUS else email(principal)


def no_object(call: Call) -> Refusal:
    return Refusal(404, "notFound", f"No such object: {call.bucket}/{unquote(call.names['object'])}")
