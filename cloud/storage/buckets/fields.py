"""The fields of a bucket that a client may set.

The lab implements versioning, retentionPolicy (unlocked), defaultEventBasedHold and storageClass. It stores and
returns labels, location, lifecycle, CORS, website and logging. For any other field, it returns an error that includes
the field's name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloud.json_body import dictionary
from cloud.storage.documents import CLASSES, merged, time_of
from cloud.storage.request import unsupported

OUTPUT = frozenset(
    {
        "kind",
        "id",
        "selfLink",
        "name",
        "projectNumber",
        "metageneration",
        "timeCreated",
        "updated",
        "etag",
        "locationType",
        "owner",
        "generation",
        "satisfiesPZS",
        "satisfiesPZI",
        "hardDeleteTime",
        "softDeleteTime",
    }
)
CENTURY = 3_155_760_000  # seconds; the longest retention period
LABEL = re.compile(r"[a-z\d_-]{0,63}")
PREVENTION = ("inherited", "unspecified", "enforced")


def merge_bucket(given: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's fields: those in `kept`, updated with `given`. Raises ApiError (400) like `bucket_fields`."""
    change = bucket_fields(given)
    document = merged(kept, change, MAPS)
    if not _labels(document.get("labels", {})):  # the merged labels may be too many
        raise unsupported("more than 64 labels on a bucket")
    if change.get("retentionPolicy"):
        document["retentionPolicy"]["effectiveTime"] = time_of(time.time())
    return document


def bucket_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """A bucket's client-set fields. For an unsupported field or value, raises ApiError (400) with its name."""
    if unknown := sorted(set(given) - set(CHECKS) - OUTPUT):
        raise unsupported(f"a bucket's {', '.join(unknown)}")
    for name, value in given.items():
        if value is not None and name in CHECKS and not CHECKS[name](value):
            raise unsupported(f"this value for a bucket's {name}")
    fields = {name: value for name, value in given.items() if name in CHECKS and name not in FIXED}
    if isinstance(fields.get("location"), str):
        fields["location"] = fields["location"].upper()
    if isinstance(fields.get("retentionPolicy"), dict):
        fields["retentionPolicy"] = {"retentionPeriod": str(fields["retentionPolicy"]["retentionPeriod"])}
    return fields


def _uniform(value: Any) -> bool:
    """Whether uniform access stays enabled, since it can't be disabled."""
    flags = [
        dictionary(value.get(name)).get("enabled", True)
        for name in ("uniformBucketLevelAccess", "bucketPolicyOnly")
    ]
    return flags == [True, True] and value.get("publicAccessPrevention", "inherited") in PREVENTION


def _labels(value: Any) -> bool:
    pairs = value.items()
    return len(value) <= 64 and all(
        LABEL.fullmatch(k) and (v is None or (isinstance(v, str) and LABEL.fullmatch(v))) for k, v in pairs
    )


def _retention(value: Any) -> bool:
    period = str(value.get("retentionPeriod", ""))
    return (
        bool(re.fullmatch("[1-9][0-9]{0,9}", period)) and int(period) <= CENTURY and not value.get("isLocked")
    )


def _rules(value: Any) -> bool:
    rules = value.get("rule", [])
    return isinstance(rules, list) and all(
        isinstance(rule, dict)
        and isinstance(rule.get("action"), dict)
        and isinstance(rule.get("condition"), dict)
        for rule in rules
    )


def _of(check: Callable[[dict[str, Any]], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and check(value)


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "autoclass": _of(lambda value: value.get("enabled") in (None, False)),
    "billing": _of(lambda value: value.get("requesterPays") in (None, False)),
    "cors": lambda value: isinstance(value, list),
    "defaultEventBasedHold": lambda value: isinstance(value, bool),
    "hierarchicalNamespace": _of(lambda value: value.get("enabled") in (None, False)),
    "iamConfiguration": _of(_uniform),
    "labels": _of(_labels),
    "lifecycle": _of(_rules),
    "location": lambda value: isinstance(value, str) and bool(re.fullmatch("[A-Za-z0-9-]{2,40}", value)),
    "logging": _of(lambda value: True),
    "retentionPolicy": _of(_retention),
    "rpo": lambda value: value == "DEFAULT",
    "softDeletePolicy": _of(lambda value: str(value.get("retentionDurationSeconds", "0")) == "0"),
    "storageClass": lambda value: value in CLASSES,
    "versioning": _of(lambda value: isinstance(value.get("enabled", False), bool)),
    "website": _of(lambda value: True),
}
MAPS = frozenset({"labels"})
# These are the same for every bucket, so they are not stored.
FIXED = frozenset(
    {"autoclass", "billing", "hierarchicalNamespace", "iamConfiguration", "rpo", "softDeletePolicy"}
)
