"""The controller's loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.controlplane.errors import NodesFailed
from cloud.kubernetes.api import Api, NotAnswering, Rejected
from cloud.kubernetes.attempts import Attempts
from cloud.kubernetes.housekeeping import Housekeeping
from cloud.kubernetes.operator.clusters import ClusterOperator, Ports
from cloud.kubernetes.operator.jobs import JobOperator
from cloud.kubernetes.operator.wanted import PORTS
from cloud.kubernetes.pods.kubelet import Kubelet
from cloud.kubernetes.pods.runner import PodRunner

log = logging.getLogger("raydock.kubernetes")

POLL = 1.0  # seconds between steps


@dataclass(slots=True)
class Controller:
    """Makes what runs match the objects of the API server. It keeps no state of its own.

    `ports` are a head pod's, by name.
    """

    api: Api
    runner: PodRunner
    clock: Callable[[], float] = time.time
    poll: float = POLL
    ports: Ports = lambda head: PORTS
    attempts: Attempts = field(default_factory=Attempts, init=False)
    trouble: str = field(default="", init=False)  # what ended the last step, to log it once

    async def run(self) -> None:
        """Reconcile forever."""
        while True:
            await self.step()
            await asyncio.sleep(self.poll)

    async def step(self) -> None:
        """Reconcile once, and log why that is impossible."""
        try:
            await self.reconcile()
        except (Rejected, NotAnswering, NodesFailed) as fault:
            if str(fault) != self.trouble:
                log.warning("%s; trying again", fault)
            self.trouble = str(fault)
        else:
            self.trouble = ""

    async def reconcile(self) -> None:
        """Take everything one step further."""
        await Housekeeping(self.api).reconcile()
        await JobOperator(self.api, self.clock, self.attempts).reconcile()
        await ClusterOperator(self.api, self.clock, self.ports, self.attempts).reconcile()
        await Kubelet(self.api, self.runner, self.clock, self.attempts).reconcile()
