"""Resources, with the attributes that conditions see of them.

https://cloud.google.com/iam/docs/conditions-resource-attributes
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iam.errors import MalformedResource

STORAGE = "storage.googleapis.com"
BUCKET = f"{STORAGE}/Bucket"
OBJECT = f"{STORAGE}/Object"
PROJECT = "cloudresourcemanager.googleapis.com/Project"
ACCOUNT = "iam.googleapis.com/ServiceAccount"
BUCKET_NAME = re.compile(r"projects/_/buckets/(?P<bucket>[^/]+)(?:/objects/(?P<object>.*))?", re.DOTALL)
MEND = "Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET."


@dataclass(frozen=True, slots=True)
class Resource:
    """`name`, `type` and `service` are what CEL calls resource.name, resource.type and resource.service.

    `open_ended` says that the name is only the beginning of what it stands for: some object under a prefix.
    """

    name: str
    type: str
    service: str
    open_ended: bool = False

    @property
    def bucket(self) -> str:
        """The bucket's name, of a bucket or an object; empty otherwise."""
        found = BUCKET_NAME.fullmatch(self.name)
        return found["bucket"] if found else ""

    def __str__(self) -> str:
        found = BUCKET_NAME.fullmatch(self.name)
        if found is None:
            return self.name.replace("projects/", "project ", 1) if self.type == PROJECT else self.name
        tail = "" if found["object"] is None else f"/{found['object']}"
        return f"gs://{found['bucket']}{tail}" + ("*" if self.open_ended else "")


def bucket(name: str) -> Resource:
    """A bucket."""
    return Resource(f"projects/_/buckets/{name}", BUCKET, STORAGE)


def obj(bucket: str, object_name: str) -> Resource:
    """One object."""
    return Resource(f"projects/_/buckets/{bucket}/objects/{object_name}", OBJECT, STORAGE)


def objects_under(bucket: str, prefix: str) -> Resource:
    """Some object whose name begins with `prefix`; which one is not known, so conditions may not be either."""
    return Resource(f"projects/_/buckets/{bucket}/objects/{prefix}", OBJECT, STORAGE, open_ended=True)


def project(project_id: str) -> Resource:
    """A project."""
    return Resource(f"projects/{project_id}", PROJECT, "cloudresourcemanager.googleapis.com")


def service_account(email: str, project: str) -> Resource:
    """A service account as something that permissions are held on (actAs, getAccessToken)."""
    return Resource(f"projects/{project}/serviceAccounts/{email}", ACCOUNT, "iam.googleapis.com")


def parse_gs(uri: str) -> tuple[str, str]:
    """Bucket and object of a gs:// URI; the object is empty for a bucket. Raises MalformedResource."""
    if not uri.startswith("gs://"):
        raise MalformedResource(f'"{uri}" is no Cloud Storage URI: it does not begin with gs://.', MEND)
    name, _, tail = uri[len("gs://") :].partition("/")
    wrong = _wrong_bucket(name) or wrong_object(tail)
    if wrong:
        raise MalformedResource(f'"{uri}" is no Cloud Storage URI: {wrong}.', MEND)
    return name, tail


def _wrong_bucket(name: str) -> str:
    """https://cloud.google.com/storage/docs/buckets#naming

    Its rules against "goog" and "google" are about making buckets; Google's own public buckets have such names.
    """
    if not name:
        return "it names no bucket"
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        return f'the bucket "{name}" may only have lower-case letters, digits, "-", "_" and "."'
    if not (name[0].isalnum() and name[-1].isalnum()):
        return f'the bucket "{name}" must begin and end with a letter or a digit'
    if not 3 <= len(name) <= (222 if "." in name else 63) or any(len(part) > 63 for part in name.split(".")):
        allowed = "3 to 63 are allowed (222 with dots, 63 between two)"
        return f'the bucket "{name}" has {len(name)} characters, where {allowed}'
    if ".." in name or ".-" in name or "-." in name:
        return f'the bucket "{name}" has a dot beside a dot or a dash'
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name):
        return f'the bucket "{name}" looks like an IP address'
    return ""


def wrong_object(name: str) -> str:
    """Why no object can have this name, "" where one can: https://cloud.google.com/storage/docs/objects#naming"""
    if len(name.encode(errors="surrogatepass")) > 1024:
        return "the object's name is longer than 1024 bytes"
    if "\r" in name or "\n" in name:
        return "the object's name has a line break"
    if name in (".", ".."):
        return f'no object can be named "{name}"'
    if name.startswith(".well-known/acme-challenge/"):
        return "no object's name can begin with .well-known/acme-challenge/"
    return ""
