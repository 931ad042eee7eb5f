"""A bucket as the API returns it."""

from __future__ import annotations

from typing import Any

from cloud.storage.documents import etag, time_of
from cloud.storage.request import StorageRequest
from cloud.storage.service import Service
from cloud.storage.store.records import BucketRecord

KINDS = {
    **dict.fromkeys(("US", "EU", "ASIA"), "multi-region"),
    **dict.fromkeys(("NAM4", "EUR4", "ASIA1"), "dual-region"),
}


def bucket_resource(service: Service, found: BucketRecord, call: StorageRequest) -> dict[str, Any]:
    """A bucket as the API returns it."""
    lab_state = service.access.lab_state
    uniform = {"enabled": not lab_state.buckets[found.name].acls}
    document = {"location": "US", "storageClass": "STANDARD", **found.document}
    if document["location"] in KINDS:
        document["rpo"] = "DEFAULT"
    if retention := document.get("retentionPolicy"):
        document["retentionPolicy"] = {"isLocked": False} | retention
    return {
        "kind": "storage#bucket",
        "id": found.name,
        "selfLink": f"{call.base}/storage/v1/b/{found.name}",
        "name": found.name,
        "projectNumber": str(lab_state.number(lab_state.buckets[found.name].project)),
        "metageneration": str(found.metageneration),
        "etag": etag(0, found.metageneration),
        "timeCreated": time_of(found.created),
        "updated": time_of(found.updated),
        "locationType": KINDS.get(document["location"], "region"),
        **document,
        "iamConfiguration": {
            "bucketPolicyOnly": uniform,
            "uniformBucketLevelAccess": uniform,
            "publicAccessPrevention": "enforced" if lab_state.buckets[found.name].private else "inherited",
        },
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
    }
