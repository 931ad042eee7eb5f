"""Runs and decisions for these tests."""

from __future__ import annotations

from dataclasses import replace

from iam.policy import resource as resources
from iam.used.attribution import Attributed
from iam.used.decisions import Decided
from iam.used.jobs import Declared, JobRun

ME = "serviceAccount:trainer@lab-project.iam.gserviceaccount.com"
RUN = JobRun("x-1", "SUCCEEDED", 100.0, 200.0, "x.py", declared=Declared())


def call(verb: str, uri: str, *, granted: bool = True, size: int = 0, count: int = 1) -> Decided:
    """One decision; `uri` is that of an object or, for a list, its prefix. "buckets.get" is about the bucket."""
    bucket, name = uri.removeprefix("gs://").split("/", 1) if "/" in uri[5:] else (uri[5:], "")
    permission = f"storage.{verb}" if verb.startswith("buckets.") else f"storage.objects.{verb}"
    listed = name if verb == "list" else None
    whole = verb == "list" or verb.startswith("buckets.")
    resource = resources.bucket(bucket) if whole else resources.obj(bucket, name)
    return Decided(ME, permission, resource.name, granted, "", 150, 151, count, size, listed)


def ran(*decisions: Decided, **more: object) -> Attributed:
    """A run that made these calls."""
    return Attributed(replace(RUN, **more), decisions)  # type: ignore[arg-type]
