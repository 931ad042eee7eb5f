"""Runs `docker compose` for one cluster, with the right files and environment, and logs its output."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cluster.docker import compose_output, mounts
from cluster.docker.engine import DockerEngine, find_compose
from cluster.runtimes import Context
from cluster.state import applied, key, logs
from raydock.state import write_private

BUILD_SECONDS = 3600.0
UP_SECONDS = 180  # how long the health checks may take to succeed
# Longer than Compose's own deadline, to catch a Compose that hangs.
COMMAND_SECONDS = UP_SECONDS + 60.0
FIXES = {
    "build": "Fix the problem, then try again: python -m cluster images",
    "up": "Try again: make cluster-up; to restart the nodes: python -m cluster up --restart",
    "down": "Try again: make cluster-down",
}


@dataclass(frozen=True, slots=True)
class Compose:
    """Runs Compose commands for a checkout's cluster."""

    context: Context
    engine: DockerEngine

    def run(self, verb: str, *arguments: str, renewed: bool = False) -> None:
        """Run a `docker compose` command and log its output. Raises CommandFailed.

        `renewed` is explained in `environment`.
        """
        # `down` also stops services whose profile is no longer enabled.
        profiles = ["--profile", "*"] if verb == "down" else []
        self.execute([*profiles, verb, *arguments], verb, COMMAND_SECONDS, self.environment("", renewed))

    def build(self, base: str, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Build the images of these services on a base image, and add the labels to them. Raises CommandFailed."""
        services = {name: {"build": {"labels": dict(found)}} for name, found in labels.items()}
        file = self.context.state / "build-labels.json"
        write_private(file, json.dumps({"services": services}))
        try:
            words = ["-f", str(file), "build", *labels]
            self.execute(words, "build", BUILD_SECONDS, self.environment(base))
        finally:
            file.unlink(missing_ok=True)

    def execute(self, words: Sequence[str], verb: str, seconds: float, environ: Mapping[str, str]) -> None:
        """Run Compose with these arguments, and log its output under the verb's name. Raises CommandFailed."""
        log = logs.named(self.context.state, f"compose-{verb}")
        command = [*find_compose(), *self.files(), *words]
        if code := log.run(command, seconds, self.show_progress(verb), environ):
            raise log.failure(f"`docker compose {verb}`", code, FIXES[verb])

    def show_progress(self, verb: str) -> Callable[[str], None]:
        """A function that takes each line of Compose's output and shows the progress it reports."""
        states = compose_output.Containers()

        def show(line: str) -> None:
            if detail := compose_output.build_step(line) if verb == "build" else states.after(line):
                self.context.steps.update(detail)

        return show

    def files(self) -> list[str]:
        """The flags for the Compose files, including the one for GPUs if the engine can give them to containers."""
        root, name = self.context.root, self.engine.gpu_overlay()
        overlay = ["-f", str(root / name)] if name else []
        return ["--project-directory", str(root), "-f", str(root / "compose.yaml"), *overlay]

    def environment(self, base: str, renewed: bool = False) -> dict[str, str]:
        """The environment for Compose.

        It is the same for every command, because Compose recreates a container whose environment changed. To keep
        running jobs alive, changed node settings are therefore held back until the nodes are restarted (`renewed`).
        """
        chosen = {"BASE_IMAGE": base} if base else {}
        secret = key.digest(key.read(self.context.state))
        kept = {} if renewed else applied.load(self.context.state)
        chosen |= {name: kept[name] for name in applied.changes(self.context).nodes if name in kept}
        sizes = {**self.context.chosen, **chosen}
        return {**os.environ, **sizes, **mounts.files(self.context), "RAYDOCK_KEY_SHA256": secret}
