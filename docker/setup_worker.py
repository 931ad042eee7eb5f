"""Starts a worker process in its runtime env, as Ray's own setup_worker.py does, but without importing Ray.

Ray runs that script for every process with a runtime env, which is every process of a submitted job. It imports Ray,
applies the runtime env, and becomes the worker, which imports Ray again. An import takes 0.3 to 0.4 s on two cores, so
without the first one, a process starts in about half the time. Whatever this script doesn't handle, such as workers in
other languages, is left to Ray's.

If there is no runtime env, the raylet omits this script, which it recognizes by its file name (worker_pool.cc).
"""

import importlib.util
import json
import os
import re
import runpy
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

# What Ray's RuntimeEnvContext contains (ray/_private/runtime_env/context.py). Only Java workers use java_jars.
MEMBERS = {"command_prefix", "env_vars", "py_executable", "override_worker_entrypoint", "java_jars"}
UNSET = re.compile(r"\$\{[A-Z0-9_]+\}")


def main() -> None:
    """Become the worker that the arguments describe."""
    parser = ArgumentParser()
    parser.add_argument("--serialized-runtime-env-context")
    parser.add_argument("--language")
    known, arguments = parser.parse_known_args()
    context = json.loads(known.serialized_runtime_env_context or "{}")
    if known.language != "PYTHON" or sys.platform != "linux" or not MEMBERS.issuperset(context):
        runpy.run_path(str(rays_own()), run_name="__main__")
        return
    update(os.environ, context.get("env_vars") or {})
    os.execvp("bash", ["bash", "-c", command(context, arguments)])


def command(context: dict[str, Any], arguments: Sequence[str]) -> str:
    """The shell command that starts a Python worker in this runtime env."""
    script = context.get("override_worker_entrypoint")
    words = [script, *arguments[1:]] if script else arguments
    prefix = context.get("command_prefix") or []
    python = context.get("py_executable") or sys.executable
    return " ".join([*prefix, "exec", python, *map(shlex.quote, words)])


def update(environ: MutableMapping[str, str], changes: dict[str, str]) -> None:
    """Set variables. `$NAME` and `${NAME}` refer to other variables, and an unset `${NAME}` is empty."""
    for name, value in changes.items():
        environ[name] = UNSET.sub("", os.path.expandvars(value))


def rays_own() -> Path:
    """Ray's script, found without importing Ray."""
    ray = importlib.util.find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    return Path(ray.origin).parent / "_private" / "workers" / "setup_worker.py"


if __name__ == "__main__":
    main()
