"""Where jobs can be sent. To add a target, add a module here and a line to `REGISTRY`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import cast

from raydock.rayapi.connection import Target

REGISTRY = {
    "local": "submit.targets.local",
    "vertex": "submit.targets.vertex",
    "kuberay": "submit.targets.kuberay",
    "address": "submit.targets.address",
}


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """The options that select a target. `wait` is in seconds, for a cluster that is being provisioned.

    `methods` are the HTTP methods that the command sends to the dashboard.
    """

    address: str | None = None
    cluster: str = ""
    project: str = ""
    region: str = ""
    context: str = ""
    namespace: str = ""
    lab: bool = False
    wait: float = 1800.0
    methods: tuple[str, ...] = ("GET", "POST", "PUT")


def open_target(name: str, address: str | None, asked: TargetOptions = TargetOptions()) -> Target:
    """The target with this name, or the dashboard at `address`."""
    module = importlib.import_module(REGISTRY["address" if address else name])
    return cast(Target, module.create(replace(asked, address=address)))
