"""The front of Cloud Storage: each call of the JSON API is authorised, then passed to the stand-in.

Which permission a call needs: https://cloud.google.com/storage/docs/access-control/iam-json. A call that is
not in this table is refused, never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from cloud import buckets, objects
from cloud.answers import Refusal, storage_error
from cloud.calls import API, Call, Front, is_media

BUCKET = r"/b/(?P<bucket>[^/]+)"
OBJECT = r"/o/(?P<object>[^/]+)"
TARGET = r"/b/(?P<to_bucket>[^/]+)/o/(?P<to_object>[^/]+)"
NO_STORAGE = (
    "This lab runs without storage: there is no storage stand-in for this machine. Use Linux or Docker."
)
Handler = Callable[[Front, Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Storage(Front):
    """Answers any request to storage.googleapis.com."""

    async def handle(self, request: web.Request, base: str, raw: str = "") -> web.StreamResponse:
        """Any request to storage.googleapis.com; `raw` is its path where that is not the request's own."""
        raw = raw or request.raw_path.partition("?")[0]
        try:
            principal = self.access.caller(request)
            handler, names = route(request.method, raw)
            self.require_backend()
            return await handler(self, Call(request, principal, raw, base, names))
        except Refusal as refusal:
            return storage_error(refusal, is_media(request, raw))

    def require_backend(self) -> None:
        """Refusal (501) where the lab runs without a stand-in: processes, on a machine that has none."""
        if not self.backend.url:
            raise Refusal(501, "notImplemented", NO_STORAGE)


ROUTES: tuple[tuple[str, re.Pattern[str], Handler], ...] = tuple(
    (methods, re.compile(pattern), handler)
    for methods, pattern, handler in (
        ("GET", rf"{API}/b", buckets.list_buckets),
        ("POST", rf"{API}/b", buckets.insert_bucket),
        ("GET", rf"{API}{BUCKET}", buckets.get_bucket),
        ("PATCH PUT", rf"{API}{BUCKET}", buckets.patch_bucket),
        ("DELETE", rf"{API}{BUCKET}", buckets.delete_bucket),
        ("GET", rf"{API}{BUCKET}/storageLayout", buckets.layout),
        ("GET PUT", rf"{API}{BUCKET}/iam", buckets.bucket_policy),
        ("GET", rf"{API}{BUCKET}/iam/testPermissions", buckets.bucket_permissions),
        ("GET", rf"{API}{BUCKET}/(?:acl|defaultObjectAcl)(?:/.*)?", buckets.no_acls),
        ("GET", rf"{API}{BUCKET}/o", objects.list_objects),
        ("GET HEAD", rf"(?:/download)?{API}{BUCKET}{OBJECT}", objects.get_object),
        ("PATCH PUT", rf"{API}{BUCKET}{OBJECT}", objects.patch_object),
        ("DELETE", rf"{API}{BUCKET}{OBJECT}", objects.delete_object),
        ("POST", rf"{API}{BUCKET}{OBJECT}/compose", objects.compose),
        ("POST", rf"{API}{BUCKET}{OBJECT}/(?:rewriteTo|copyTo){TARGET}", objects.rewrite),
        ("POST", rf"{API}{BUCKET}{OBJECT}/moveTo/o/(?P<to_object>[^/]+)", objects.move),
        ("POST", rf"(?:/resumable)?/upload{API}{BUCKET}/o", objects.upload),
        ("PUT DELETE", rf"(?:/resumable)?/upload{API}{BUCKET}/o", objects.upload_on),
        ("POST", r"/batch(?:/storage/v1)?", objects.batch),
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
