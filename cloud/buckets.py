"""Calls on buckets."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from cloud.answers import Refusal, no_bucket
from cloud.calls import API, Call, Front, json_body
from cloud.policies import BucketPolicies
from iam import resource as resources
from iam.errors import MalformedResource


async def list_buckets(front: Front, call: Call) -> web.StreamResponse:
    project = project_of(front, call)
    front.access.require_project(call.principal, "storage.buckets.list", project)
    _, found = await front.backend.json("GET", call.path)
    items = [
        described(front, item)
        for item in (found or {}).get("items", ())
        if owner(front, item["name"]) == project
    ]
    return web.json_response({"kind": "storage#buckets", "items": items})


async def insert_bucket(front: Front, call: Call) -> web.StreamResponse:
    project = project_of(front, call)
    front.access.require_project(call.principal, "storage.buckets.create", project)
    body = await json_body(call.request)
    name = str(body.get("name") or "")
    try:
        resources.parse_gs(f"gs://{name}")
    except MalformedResource as fault:
        raise Refusal(400, "invalid", f"Invalid bucket name: '{name}': {fault.message}") from None
    if name in front.access.world.buckets:
        mine = owner(front, name) == project
        text = "Your previous request to create the named bucket succeeded and you already own it."
        raise Refusal(409, "conflict", text if mine else "The requested bucket name is not available.")
    status, made = await front.backend.json("POST", f"{API}/b?project={project}", body)
    if status >= 300:
        raise Refusal(status, "invalid", str(made))
    front.access.world.add_bucket(name, project)
    front.access.world.save()
    return web.json_response(described(front, made))


async def get_bucket(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    front.access.require_bucket(call.principal, "storage.buckets.get", call.bucket)
    return await about_bucket(front, call)


async def patch_bucket(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    for permission in ("storage.buckets.get", "storage.buckets.update"):
        front.access.require_bucket(call.principal, permission, call.bucket)
    return await about_bucket(front, call, await json_body(call.request))


async def delete_bucket(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    front.access.require_bucket(call.principal, "storage.buckets.delete", call.bucket)
    status, told = await front.backend.json("DELETE", f"{API}/b/{call.bucket}")
    if status >= 300:
        why = "The bucket you tried to delete is not empty." if status in (409, 412) else str(told)
        raise Refusal(409 if status == 412 else status, "conflict", why)
    del front.access.world.buckets[call.bucket]
    front.access.world.save()
    return web.Response(status=204)


async def layout(front: Front, call: Call) -> web.StreamResponse:
    """Flat, as every bucket of the lab is."""
    front.bucket_there(call.bucket)
    front.access.require_bucket(call.principal, "storage.objects.list", call.bucket)
    layout = {
        "kind": "storage#storageLayout",
        "bucket": call.bucket,
        "hierarchicalNamespace": {"enabled": False},
    }
    return web.json_response(layout)


async def bucket_policy(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    policies = BucketPolicies(front.access)
    if call.request.method == "GET":
        return policies.get(call.principal, call.bucket)
    return policies.set(call.principal, call.bucket, await json_body(call.request))


async def bucket_permissions(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    asked = call.request.query.getall("permissions", [])
    return BucketPolicies(front.access).test(call.principal, call.bucket, asked)


async def no_acls(front: Front, call: Call) -> web.StreamResponse:
    front.bucket_there(call.bucket)
    text = "Cannot get legacy ACL for a bucket that has uniform bucket-level access."
    raise Refusal(
        400,
        "invalid",
        f"{text} Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access",
    )


def project_of(front: Front, call: Call) -> str:
    """The project of the query. Refusal (400) without one, Google's 404 for one that is not there."""
    asked = call.request.query.get("project", "")
    if not asked:
        raise Refusal(400, "required", "Required parameter: project")
    project = front.access.world.project_named(asked)
    if not project:
        raise Refusal(404, "notFound", f"The requested project was not found: {asked}.")
    return project


def owner(front: Front, bucket: str) -> str:
    holder = front.access.world.buckets.get(bucket)
    return holder.project if holder else ""


async def about_bucket(front: Front, call: Call, body: Any = None) -> web.Response:
    method = "GET" if body is None else "PATCH"
    status, found = await front.backend.json(method, f"{API}/b/{call.bucket}", body)
    if status >= 300:
        raise no_bucket() if status == 404 else Refusal(status, "invalid", str(found))
    return web.json_response(described(front, found))


def described(front: Front, bucket: dict[str, Any]) -> dict[str, Any]:
    """What the stand-in says of a bucket, with what only the lab knows."""
    number = front.access.world.number(owner(front, bucket["name"]))
    uniform = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "inherited"}
    return {**bucket, "projectNumber": str(number), "iamConfiguration": uniform}
