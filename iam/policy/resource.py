"""Resources, with the attributes that conditions can read.

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
URI_FORMS = "Write gs://BUCKET/OBJECT, gs://BUCKET/FOLDER/ or gs://BUCKET."


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: `name`, `type` and `service` are resource.name, resource.type and resource.service in CEL.

    open_ended: the name is only a prefix; the resource is some object under it
    """

    name: str
    type: str
    service: str
    open_ended: bool = False

    @property
    def bucket(self) -> str:
        """The name of the bucket, for a bucket or an object; "" otherwise."""
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
    """Some object whose name starts with `prefix`. Conditions on its name may be UNKNOWN."""
    return Resource(f"projects/_/buckets/{bucket}/objects/{prefix}", OBJECT, STORAGE, open_ended=True)


def project(project_id: str) -> Resource:
    """A project."""
    return Resource(f"projects/{project_id}", PROJECT, "cloudresourcemanager.googleapis.com")


def service_account(email: str, project: str) -> Resource:
    """A service account as a resource (for actAs, getAccessToken)."""
    return Resource(f"projects/{project}/serviceAccounts/{email}", ACCOUNT, "iam.googleapis.com")


def parse_gs(uri: str) -> tuple[str, str]:
    """Split a gs:// URI into bucket and object; the object of a bucket is "". Raises MalformedResource."""
    if not uri.startswith("gs://"):
        text = f'Invalid Cloud Storage URI "{uri}": it does not start with gs://.'
        raise MalformedResource(text, URI_FORMS)
    name, _, tail = uri[len("gs://") :].partition("/")
    wrong = _wrong_bucket(name) or wrong_object(tail)
    if wrong:
        raise MalformedResource(f'Invalid Cloud Storage URI "{uri}": {wrong}.', URI_FORMS)
    return name, tail


def _wrong_bucket(name: str) -> str:
    """Why a bucket name is invalid, or "": https://cloud.google.com/storage/docs/buckets#naming

    Google's rules against "goog" and "google" apply to new buckets; its own public buckets have such names.
    """
    if not name:
        return "the bucket name is missing"
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        return f'the bucket name "{name}" may contain only lowercase letters, digits, "-", "_" and "."'
    if not (name[0].isalnum() and name[-1].isalnum()):
        return f'the bucket name "{name}" must start and end with a letter or a digit'
    if not 3 <= len(name) <= (222 if "." in name else 63) or any(len(part) > 63 for part in name.split(".")):
        allowed = "must have 3 to 63 (222 with dots, 63 between two dots)"
        return f'the bucket name "{name}" has {len(name)} characters and {allowed}'
    if ".." in name or ".-" in name or "-." in name:
        return f'the bucket name "{name}" has a dot next to another dot or a hyphen'
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", name):
        return f'the bucket name "{name}" looks like an IP address'
    return ""


def wrong_new_bucket(name: str) -> str:
    """Why a bucket can't be created with this name, or ""."""
    if wrong := _wrong_bucket(name):
        return wrong
    if name.startswith("goog") or re.search("g[o0]{2}g[l1]e", name):
        return f'the bucket name "{name}" starts with "goog", or contains "google" or a similar word'
    return ""


def wrong_object(name: str) -> str:
    """Why an object name is invalid, or "": https://cloud.google.com/storage/docs/objects#naming"""
    if len(name.encode(errors="surrogatepass")) > 1024:
        return "the object name is longer than 1024 bytes"
    if "\r" in name or "\n" in name:
        return "the object name contains a line break"
    if name in (".", ".."):
        return f'an object can\'t be named "{name}"'
    if name.startswith(".well-known/acme-challenge/"):
        return "an object name can't start with .well-known/acme-challenge/"
    return ""
