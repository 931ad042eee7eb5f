"""docker/setup_worker.py does the same as Ray's own script."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from ray._private.runtime_env.context import RuntimeEnvContext
from ray._private.workers import setup_worker as rays
from ray.core.generated.common_pb2 import Language

from cluster.processes.loopback import DOCKER, module

OURS = module(DOCKER / "setup_worker.py")
ARGUMENTS = [
    "/ray/default_worker.py",
    "--node-ip-address=10.0.0.2",
    "--name=it's a node",
    "--language-server",
    "$HOME",
]
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"env_vars": {"A": "1", "PATH": "/opt/bin:${PATH}", "GONE": "x${NOT_SET}y$NOT_SET", "B": "$A-$HOME"}},
    {
        "command_prefix": ["source", "/tmp/env/bin/activate", "1>&2", "&&"],
        "py_executable": "/tmp/env/bin/python",
    },
    {"py_executable": "python -m cProfile", "override_worker_entrypoint": "/other/default_worker.py"},
    RuntimeEnvContext(env_vars={"A": "{}"}).__dict__,
]


class Replaced(Exception):
    """This process would have been replaced."""


def execvp(file: str, args: list[str]) -> None:
    raise Replaced(file, args, dict(os.environ))


def replaced(start: Callable[[], None]) -> tuple[Any, ...]:
    """The program, its arguments and its environment."""
    with patch.dict(os.environ, HOME="/home/ray"), pytest.raises(Replaced) as found:
        start()
    return found.value.args


def command_line(context: Mapping[str, Any], language: str = "PYTHON") -> list[str]:
    return [*ARGUMENTS, f"--language={language}", f"--serialized-runtime-env-context={json.dumps(context)}"]


def rays_own(words: Sequence[str]) -> None:
    known, arguments = rays.parser.parse_known_args(words)
    context = RuntimeEnvContext.deserialize(known.serialized_runtime_env_context)
    context.exec_worker(arguments, Language.Value(known.language))


@pytest.mark.skipif(sys.platform != "linux", reason="Ray's own script is used here")
@pytest.mark.parametrize("context", CONTEXTS)
def test_the_worker_has_the_command_and_environment_that_ray_would_give_it(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any]
) -> None:
    words = command_line(context)
    monkeypatch.setattr(os, "execvp", execvp)
    monkeypatch.setattr(sys, "argv", ["setup_worker.py", *words])
    assert replaced(OURS.main) == replaced(lambda: rays_own(words))


@pytest.mark.parametrize(("context", "language"), [({}, "JAVA"), ({}, "CPP"), ({"new_in_ray": 1}, "PYTHON")])
def test_what_it_does_not_know_is_left_to_ray(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], language: str
) -> None:
    ran = []
    monkeypatch.setattr(OURS.runpy, "run_path", lambda path, run_name: ran.append((path, run_name)))
    monkeypatch.setattr(sys, "argv", ["setup_worker.py", *command_line(context, language)])
    OURS.main()
    assert ran == [(rays.__file__, "__main__")]
