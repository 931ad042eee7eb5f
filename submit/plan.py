"""The plan: a frozen value that describes one job. The checks and the submission use it, and `--dry-run` prints it."""

from __future__ import annotations

import ast
import secrets
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from raydock.jobscript.conditions import Conditions
from raydock.jobscript.header import Header, Resources
from raydock.jobscript.reach import Imported, Line, imported, walk
from raydock.jobscript.text import parsed
from raydock.rayapi.connection import ExpectedVersions

from .package import Contents

VERSION = 1


@dataclass(frozen=True)
class JobPlan:
    """One job: what is packaged, what runs, what is installed for it, and where it is sent."""

    name: str  # the script's, in the package
    header: Header
    contents: Contents
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    reserve: Resources = Resources()  # reserved for the entrypoint
    installs: tuple[str, ...] = ()  # requirements that the cluster lacks, in pip's syntax
    sources: Mapping[str, bytes] = field(default_factory=dict)  # the script and what it imports, by name
    folder: Path = Path()  # the script's, on this machine
    target: str = ""
    address: str = ""  # the dashboard's URL
    submission_id: str = ""
    working_dir: str = ""  # the package's URI
    runs_as: str = ""  # the principal; "" if unknown
    expects: ExpectedVersions = ExpectedVersions()
    about: Mapping[str, str] = field(default_factory=dict)  # more metadata, for `python -m iam used`

    @property
    def entrypoint(self) -> str:
        """The command that the head runs in the unpacked package."""
        script = f"./{self.name}" if self.name.startswith("-") else self.name
        return shlex.join(["python", script, *self.arguments])

    @cached_property
    def modules(self) -> Mapping[str, ast.Module]:
        """The sources as syntax trees, by name; those that are not Python are left out."""
        return parsed(self.sources)

    @cached_property
    def conditions(self) -> Conditions:
        """What the source and the arguments reveal about names and options."""
        return Conditions.of(self.modules.values(), self.arguments)

    @cached_property
    def nodes(self) -> tuple[Line, ...]:
        """All syntax tree nodes, each with its module and how certain it is to run."""
        return tuple(walk(self.modules, self.name, self.conditions))

    @cached_property
    def imports(self) -> tuple[tuple[str, Imported], ...]:
        """The absolute imports, each with its module."""
        return tuple(imported(self.nodes))

    def request(self) -> dict[str, Any]:
        """The body of `POST /api/jobs/`, exactly as it is sent."""
        body: dict[str, Any] = {
            "submission_id": self.submission_id,
            "entrypoint": self.entrypoint,
            "runtime_env": self.runtime_env(),
            "metadata": {"submitter": "raydock", "job_submission_id": self.submission_id, **self.about},
        }
        reserved = {
            "entrypoint_num_cpus": self.reserve.cpus,
            "entrypoint_num_gpus": self.reserve.gpus,
            "entrypoint_memory": self.reserve.memory,
            "entrypoint_resources": dict(self.reserve.resources),
        }
        return body | {key: value for key, value in reserved.items() if value}

    def runtime_env(self) -> dict[str, Any]:
        """The job's runtime environment, in Ray's format."""
        env: dict[str, Any] = {"working_dir": self.working_dir}
        if self.installs:
            env["pip"] = list(self.installs)
        if self.env:
            env["env_vars"] = dict(self.env)
        return env

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data, for `--dry-run`."""
        return {
            "version": VERSION,
            "target": self.target,
            "address": self.address,
            "package": {
                "uri": self.working_dir,
                "files": {entry.name: entry.size for entry in self.contents.entries},
            },
            "reads": list(self.header.reads),
            "writes": list(self.header.writes),
            "runs_as": self.runs_as,
            "request": self.request(),
        }


def new_submission_id(script: str) -> str:
    """A client-generated id, so that a repeated request never starts a second run: NAME-MMDD-HHMMSS-RANDOM, in UTC."""
    name = "".join(char if char.isascii() and char.isalnum() else "_" for char in PurePath(script).stem)
    return f"{name[:40]}-{time.strftime('%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
