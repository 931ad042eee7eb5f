"""Starts one process of the cluster: a node, or a service beside the nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from cluster import ports
from cluster.kinds import Context
from cluster.processes import process_tree, ray_node
from cluster.processes.record import NodeProcess, ProcessesRecord
from raydock import machine
from raydock.topology import Pool

MARK_SECONDS = 10.0


def spawn(context: Context, found: ProcessesRecord, pool: Pool, name: str) -> NodeProcess:
    """Starts `ray start --block`."""
    own = tuple(ports.pick(ray_node.count_of_ports(pool.name), found.taken()))
    node = NodeProcess(name, pool.name, since=int(time.time() * 1000), ports=own)
    for socket in ray_node.sockets(found.temp, name):  # an earlier node of that name may have left them
        Path(socket).unlink(missing_ok=True)
    environ = ray_node.environment(context.state, found, pool, node)
    return replace(node, pid=launch(context, found, command(context, found, pool, name, own), environ))


def launch(context: Context, found: ProcessesRecord, vector: list[str], environ: dict[str, str]) -> int:
    """Starts a process in a session of its own; it outlives us, and nobody waits for it. Returns its id."""
    name = environ[process_tree.NODE]
    with open(log(found, name), "wb") as output:
        process = subprocess.Popen(
            vector,
            env=environ,
            cwd=f"{found.temp}/home",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    await_mark(process, process_tree.Owned(str(context.state), name))
    process.returncode = 0  # keeps Popen from warning that it still runs
    return process.pid


def await_mark(process: subprocess.Popen[bytes], ours: process_tree.Owned) -> None:
    """Until the mark can be read: for a moment after its start a process has no environment to be seen."""
    deadline = time.monotonic() + MARK_SECONDS
    while not ours.has(process.pid) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def command(
    context: Context, found: ProcessesRecord, pool: Pool, name: str, own: tuple[int, ...]
) -> list[str]:
    share = ray_node.shares(context.topology, machine_memory(), shared_memory(found.temp))[pool.name]
    if pool.name == "head":
        vector = ray_node.command(context.root, found.temp, pool, name, share, own, "")
        return vector + ray_node.head_options(found.temp, found.doors.dashboard)
    return ray_node.command(context.root, found.temp, pool, name, share, own, ray_node.gcs(found.head))


def log(found: ProcessesRecord, name: str) -> Path:
    return Path(found.temp, f"{name}.log")


def machine_memory() -> int:
    return machine.here().memory


def shared_memory(temp: str) -> int:
    """Bytes free where Ray keeps its object stores: /dev/shm, on a Mac the temporary folder."""
    return shutil.disk_usage("/dev/shm" if os.path.isdir("/dev/shm") else temp).free
