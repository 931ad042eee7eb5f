"""The command `docker compose` for one cluster: its files, its environment, and its output in a log."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cluster.docker import compose_output, mounts
from cluster.docker.engine import DockerEngine, find_compose
from cluster.runtimes import Context
from cluster.state import applied, key, logs

UP_SECONDS = 180  # until the health checks must have succeeded
# Compose's own deadline is shorter; this one catches a Compose that hangs.
COMMAND_SECONDS = UP_SECONDS + 60.0
FIXES = {
    "build": "Fix the problem, then try again: python -m cluster images",
    "up": "Try again: make cluster-up; to restart the nodes: python -m cluster up --restart",
    "down": "Try again: make cluster-down",
}


@dataclass(frozen=True, slots=True)
class Compose:
    """Runs Compose commands for the cluster of a checkout."""

    context: Context
    engine: DockerEngine

    def run(
        self,
        verb: str,
        *arguments: str,
        base: str = "",
        seconds: float = COMMAND_SECONDS,
        renewed: bool = False,
    ) -> None:
        """Run a `docker compose` command with its output in a log. Raises CommandFailed.

        `base` is the base image of a build, `seconds` the deadline; for `renewed` see `environment`.
        """
        # `down` also stops services whose profile is no longer enabled.
        profiles = ["--profile", "*"] if verb == "down" else []
        command = [*find_compose(), *self.files(), *profiles, verb, *arguments]
        log = logs.named(self.context.state, f"compose-{verb}")
        code = log.run(command, seconds, self.show_progress(verb), self.environment(base, renewed))
        if code:
            raise log.failure(f"`docker compose {verb}`", code, FIXES[verb])

    def show_progress(self, verb: str) -> Callable[[str], None]:
        """What shows the progress in each line of Compose's output."""
        states = compose_output.Containers()

        def show(line: str) -> None:
            if detail := compose_output.build_step(line) if verb == "build" else states.after(line):
                self.context.steps.update(detail)

        return show

    def files(self) -> list[str]:
        """The flags that name the Compose files: compose.gpu.yaml too if the engine has the NVIDIA runtime."""
        root = self.context.root
        overlay = ["-f", str(root / "compose.gpu.yaml")] if self.engine.nvidia() else []
        return ["--project-directory", str(root), "-f", str(root / "compose.yaml"), *overlay]

    def environment(self, base: str, renewed: bool = False) -> dict[str, str]:
        """The environment for Compose, the same for every command: Compose recreates a container if it changes.

        Changed node settings are therefore held back until the nodes are restarted (`renewed`), so that running jobs
        survive.
        """
        chosen = {"BASE_IMAGE": base} if base else {}
        secret = key.digest(key.read(self.context.state))
        kept = {} if renewed else applied.load(self.context.state)
        chosen |= {name: kept[name] for name in applied.changes(self.context).nodes if name in kept}
        sizes = {**self.context.chosen, **chosen}
        return {**os.environ, **sizes, **mounts.files(self.context), "RAYDOCK_KEY_SHA256": secret}
