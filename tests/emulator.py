"""The lab's storage for other projects' test suites: `python -m tests.emulator --port PORT`, until it is ended.

Whoever asks is the owner of the projects lab-project and test-project-id, and sends no token. pyarrow's suite starts
it under the name `storage-testbench`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from cloud import server, state_file
from cloud.identity.tokens import Tokens
from cloud.lab_state import PolicyHolder
from cloud.server import Cloud
from iam.lab.settings import FILE


async def serve(port: int) -> None:
    world = state_file.load(FILE, None)
    world.job = world.user
    world.numbers["test-project-id"] = 42
    owner = {"version": 1, "bindings": [{"role": "roles/owner", "members": [world.user]}]}
    world.projects["test-project-id"] = PolicyHolder("test-project-id", owner)
    server.refuse_browser = lambda request, port: None  # the suites call it localhost
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(world, Tokens(b"x" * 32, 3600), Path(folder), "lab-project")
        await cloud.open_emulator(port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    asyncio.run(serve(options.parse_args().port))
