"""Reads a project's buckets: their policies, their access settings, and the names and sizes of objects."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from iam.policy_reader import bucket_access
from iam.project_import import parts
from iam.project_import.api import ProjectApi
from iam.project_import.snapshot import BucketSnapshot
from raydock.answers import mapping, text
from raydock.errors import NotFound
from raydock.gcp.clouds import STORAGE

FIELDS = "name,projectNumber,iamConfiguration,billing"
Document = Mapping[str, Any]


async def list_buckets(api: ProjectApi) -> dict[str, Document] | None:
    """The project's buckets, by name. None if the list is hidden."""
    path = f"/storage/v1/b?project={quote(api.project)}&maxResults=1000&fields=nextPageToken,items({FIELDS})"
    what = f"the list of buckets of project {api.project}"
    found = await api.pages(parts.BUCKETS, what, STORAGE, path, "items")
    return None if found is None else {text(one.get("name")): one for one in found}


async def read_buckets(
    api: ProjectApi, names: Sequence[str], listed: Mapping[str, Document], objects: int
) -> dict[str, BucketSnapshot]:
    """Read the buckets. Raises NotFound for one that does not exist, unless it was deleted since it was listed."""
    found = await asyncio.gather(*(existing(api, name, listed.get(name), objects) for name in names))
    return {name: one for name, one in zip(names, found, strict=True) if one}


async def existing(
    api: ProjectApi, name: str, listed: Document | None, objects: int
) -> BucketSnapshot | None:
    """Read one bucket. None if it was listed and does not exist any more."""
    try:
        return await read_bucket(api, name, listed, objects)
    except NotFound:
        if listed:
            return None
        fix = f"list the project's buckets: python -m iam bucket list --target google --project {api.project}"
        raise NotFound(f"gs://{name} does not exist.", fix) from None


async def read_bucket(api: ProjectApi, name: str, listed: Document | None, objects: int) -> BucketSnapshot:
    """Read one bucket. If it can't be looked up, the list of buckets still contains its settings."""
    uri, path = f"gs://{name}", f"/storage/v1/b/{quote(name)}"
    what = f"the policy of {uri}"
    policy = api.policy(
        parts.BUCKET_POLICY, what, "GET", STORAGE, f"{path}/iam?optionsRequestedPolicyVersion=3"
    )
    looked_up = api.get(parts.METADATA, f"the settings of {uri}", STORAGE, f"{path}?fields={FIELDS}")
    read, about, names = await asyncio.gather(policy, looked_up, first_objects(api, name, objects))
    document = about or listed
    return BucketSnapshot(
        read,
        bucket_access(document) if document else None,
        listed_only=about is None,
        requester_pays=mapping((document or {}).get("billing")).get("requesterPays") is True,
        objects=names,
    )


async def first_objects(api: ProjectApi, bucket: str, most: int) -> tuple[tuple[str, int], ...] | None:
    """The names and sizes of the first objects. None if the list is hidden."""
    if not most:
        return ()
    fields = "nextPageToken,items(name,size)"
    path = f"/storage/v1/b/{quote(bucket)}/o?maxResults={min(most, 1000)}&fields={fields}"
    found = await api.pages(parts.OBJECTS, f"the objects of gs://{bucket}", STORAGE, path, "items", most)
    return (
        None if found is None else tuple((text(one.get("name")), int(one.get("size") or 0)) for one in found)
    )
