"""The paths on the command line: gs:// URIs and files on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TypeAlias

from iam.errors import MalformedResource
from iam.policy.resource import parse_gs

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):[/\\]")
WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class CloudPath:
    """A bucket (`name` is ""), an object, a folder or a pattern of objects."""

    bucket: str
    name: str = ""

    def __str__(self) -> str:
        return f"gs://{self.bucket}" + (f"/{self.name}" if self.name else "")

    @property
    def is_pattern(self) -> bool:
        """Whether the name contains wildcards."""
        return bool(WILDCARDS & set(self.name))

    @property
    def is_folder(self) -> bool:
        """Whether it can only be a folder: a bucket, or a name that ends with a slash."""
        return not self.name or self.name.endswith("/")

    @property
    def folder(self) -> str:
        """The prefix of its contents."""
        return self.name if self.is_folder else f"{self.name}/"

    def below(self, relative: str) -> CloudPath:
        """The path of an object in this folder."""
        return CloudPath(self.bucket, self.folder + relative)


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file, a folder or a pattern of files on this machine."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_pattern(self) -> bool:
        """Whether the path contains wildcards."""
        return bool(WILDCARDS & set(self.text))

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, or can only be one because it ends with a slash."""
        return os.path.isdir(self.text) or self.text.endswith(("/", os.sep))


Path: TypeAlias = CloudPath | LocalPath


def parse_path(text: str) -> Path:
    """Parse a gs:// URI or the path of a file. Raises MalformedResource."""
    if text.startswith("gs://"):
        return parse_uri(text)
    if re.match(r"gs:[/\\]", text, re.IGNORECASE):
        plain = re.sub(r"[/\\]+", "/", text[3:]).lstrip("/")
        raise MalformedResource(f'Invalid Cloud Storage URI "{text}".', f"did you mean gs://{plain}?")
    if not text or "\0" in text:
        raise MalformedResource("A path is empty or contains a NUL character.", "pass a file or a gs:// URI")
    if text == "-":
        raise MalformedResource(
            "Standard input and output can't be copied.",
            "write to a file first, or print an object: python -m iam cat gs://…",
        )
    if text.startswith("file://"):
        return LocalPath(text.removeprefix("file://") or "/")
    scheme = SCHEME.match(text)
    if scheme and len(scheme[1]) > 1 and not os.path.exists(text):
        raise MalformedResource(
            f'"{text}" is neither a file on this machine nor a gs:// URI.',
            "download it to this machine first",
        )
    return LocalPath(text)


def parse_uri(text: str) -> CloudPath:
    """Parse a gs:// URI, which may have wildcards in the object's name. Raises MalformedResource."""
    bucket = text.removeprefix("gs://").partition("/")[0]
    if text.startswith("gs://") and WILDCARDS & set(bucket):
        raise MalformedResource(
            f'Invalid Cloud Storage URI "{text}": a bucket name can\'t contain wildcards.', "python -m iam ls"
        )
    return CloudPath(*parse_gs(text))


def bucket_of(text: str) -> str:
    """The bucket's name, from NAME or gs://NAME. Raises MalformedResource."""
    bare = text.removeprefix("gs://")
    bucket, tail = parse_gs(f"gs://{bare}")
    if tail:
        raise MalformedResource(f'"{text}" is a folder or an object, not a bucket.', f"use {bucket}")
    return bucket
