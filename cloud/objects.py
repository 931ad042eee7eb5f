"""Calls on objects."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from cloud import batch as batches
from cloud import uploads
from cloud.access import address
from cloud.answers import Refusal, denied
from cloud.calls import API, Call, Front, encoded, json_body, no_object, with_query
from iam import resource as resources


async def list_objects(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    prefix = call.request.query.get("prefix", "")
    resource = resources.bucket(call.bucket)
    front.access.require(call.principal, "storage.objects.list", resource, prefix)
    return await front.backend.forward(call.request, call.path, call.base)


async def get_object(front: Front, call: Call) -> web.StreamResponse:
    front.require_object(call, "storage.objects.get")
    return await passed_on(front, call, call.media)


async def patch_object(front: Front, call: Call) -> web.StreamResponse:
    for permission in ("storage.objects.get", "storage.objects.update"):
        front.require_object(call, permission)
    return await passed_on(front, call)


async def delete_object(front: Front, call: Call) -> web.StreamResponse:
    front.require_object(call, "storage.objects.delete")
    response = await passed_on(front, call)
    return web.Response(status=204) if response.status == 200 else response


async def passed_on(front: Front, call: Call, media: bool = False) -> web.StreamResponse:
    """The stand-in's answer; Google's 404 where there is no such object."""
    response = await front.backend.forward(call.request, call.path, call.base, media=media)
    if response.status == 404:
        raise no_object(call)
    return response


async def upload(front: Front, call: Call) -> web.StreamResponse:
    """The start of an upload, or all of a small one; gcsfs sends the next pieces by POST too."""
    front.bucket_there(call.bucket)
    if call.request.query.get("upload_id"):
        return await upload_on(front, call)
    upload = await uploads.read_upload(call.request)
    only_new = await front.require_write(call, call.bucket, upload.name)
    path = with_query(call.path, ifGenerationMatch="0") if only_new else call.path
    response = await front.backend.forward(call.request, path, call.base, upload.body)
    if only_new and response.status == 412 and "ifGenerationMatch" not in call.request.query:
        raise denied(address(call.principal), "storage.objects.delete")
    return response


async def upload_on(front: Front, call: Call) -> web.StreamResponse:
    """The next piece: the session's id, which nobody can guess, stands for the permission to begin it."""
    if not call.request.query.get("upload_id"):
        raise Refusal(400, "required", "Required parameter: upload_id")
    return await front.backend.forward(call.request, call.path, call.base)


async def compose(front: Front, call: Call) -> web.StreamResponse:
    body = await json_body(call.request)
    for source in body.get("sourceObjects") or ():
        resource = resources.obj(call.bucket, str(source.get("name")))
        front.bucket_there(call.bucket)
        front.access.require(call.principal, "storage.objects.get", resource)
    await front.require_write(call, call.bucket, unquote(call.names["object"]))
    return await front.backend.forward(call.request, call.path, call.base, encoded(body))


async def rewrite(front: Front, call: Call) -> web.StreamResponse:
    front.require_object(call, "storage.objects.get")
    to_bucket, to_object = unquote(call.names["to_bucket"]), unquote(call.names["to_object"])
    front.bucket_there(to_bucket)
    await front.require_write(call, to_bucket, to_object)
    return await passed_on(front, call)


async def move(front: Front, call: Call) -> web.StreamResponse:
    """A rewrite and a removal: the stand-in has no move."""
    front.require_object(call, "storage.objects.move")
    to_object = call.names["to_object"]
    await front.require_write(call, call.bucket, unquote(to_object))
    source = f"{API}/b/{call.names['bucket']}/o/{call.names['object']}"
    path = f"{source}/rewriteTo/b/{call.names['bucket']}/o/{to_object}"
    status, moved = await front.backend.json("POST", path, {})
    if status == 404:
        raise no_object(call)
    await front.backend.json("DELETE", source)
    return web.json_response(moved["resource"])


async def batch(front: Front, call: Call) -> web.StreamResponse:
    return await batches.answer(call.request, call.base, front.own_url, front.backend.open())
