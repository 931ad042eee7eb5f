"""The plan: a frozen value of everything that will be sent, and where. `--dry-run` prints exactly it."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from raydock.jobscript.header import Resources

VERSION = 1


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job, ready to be sent. Sizes are in bytes before compression."""

    target: str
    address: str
    submission_id: str
    entrypoint: str
    working_dir: str
    files: Mapping[str, int]
    install: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    reserve: Resources = Resources()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    runs_as: str = ""

    def request(self) -> dict[str, Any]:
        """The body of `POST /api/jobs/`: this value, and no other, is sent."""
        body: dict[str, Any] = {
            "submission_id": self.submission_id,
            "entrypoint": self.entrypoint,
            "runtime_env": self.runtime_env(),
            "metadata": {"submitter": "raydock", "job_submission_id": self.submission_id},
        }
        reserved = {
            "entrypoint_num_cpus": self.reserve.cpus,
            "entrypoint_num_gpus": self.reserve.gpus,
            "entrypoint_memory": self.reserve.memory,
            "entrypoint_resources": dict(self.reserve.resources),
        }
        return body | {key: value for key, value in reserved.items() if value}

    def runtime_env(self) -> dict[str, Any]:
        """What travels with the job, in Ray's form."""
        env: dict[str, Any] = {"working_dir": self.working_dir}
        if self.install:
            env["pip"] = list(self.install)
        if self.env:
            env["env_vars"] = dict(self.env)
        return env

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data, for `--dry-run`."""
        return {
            "version": VERSION,
            "target": self.target,
            "address": self.address,
            "package": {"uri": self.working_dir, "files": dict(self.files)},
            "reads": list(self.reads),
            "writes": list(self.writes),
            "runs_as": self.runs_as,
            "request": self.request(),
        }


def entrypoint(script: str, arguments: Sequence[str]) -> str:
    """The command that the head runs in the unpacked package."""
    return shlex.join(["python", script if not script.startswith("-") else f"./{script}", *arguments])


def new_submission_id(script: str) -> str:
    """An id of our own, so that asking twice is never two runs: NAME-MMDD-HHMMSS-RANDOM, in UTC."""
    name = "".join(char if char.isascii() and char.isalnum() else "_" for char in PurePath(script).stem)
    return f"{name[:40]}-{time.strftime('%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
