"""Starts one of the cluster's processes: a node or a service."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster import ports
from cluster.processes import gpus, process_tree, ray_node
from cluster.processes.record import NodeProcess, ProcessesRecord
from cluster.runtimes import Context
from cluster.state import logs
from cluster.state.logs import LogFile
from raydock import machine
from raydock.topology import Pool

MARKER_SECONDS = 10.0


def launch_node(context: Context, found: ProcessesRecord, pool: Pool, name: str) -> NodeProcess:
    """Start one node: `ray start --block`."""
    own = tuple(ports.pick(ray_node.count_of_ports(pool.name), found.taken()))
    node = NodeProcess(name, pool.name, since=int(time.time() * 1000), ports=own)
    for socket in ray_node.sockets(
        found.temp, name
    ):  # an earlier node with this name may have left them behind
        Path(socket).unlink(missing_ok=True)
    real_gpus = gpus_of(context, pool, name)
    environ = ray_node.environment(context.state, found, pool, node, real_gpus=real_gpus)
    vector = node_command(context, found, pool, node, real_gpus)
    return replace(node, pid=launch_process(context, found, vector, environ))


def gpus_of(context: Context, pool: Pool, name: str) -> Sequence[Any]:
    """The node's real GPUs. On a machine with NVIDIA's driver, says which they are or why there are none."""
    if not pool.gpus:
        return ()
    usable = gpus.module(context.root).find(os.environ)
    if line := gpus.sentence(usable, pool, name):
        context.say(line)
    return gpus.of_worker(usable.gpus, pool, name)


def launch_process(
    context: Context, found: ProcessesRecord, vector: list[str], environ: dict[str, str]
) -> int:
    """Start a process in a new session, so that it outlives this command. Returns its process id."""
    name = environ[process_tree.NODE]
    with log(context, name).open() as output:
        process = subprocess.Popen(
            vector,
            env=environ,
            cwd=f"{found.temp}/home",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for_marker(process, process_tree.Owned(str(context.state), name))
    process.returncode = 0  # keeps Popen from warning that the process is still running
    return process.pid


def wait_for_marker(process: subprocess.Popen[bytes], owned: process_tree.Owned) -> None:
    """Wait until the marker is visible, because a process's environment can't be read right after it starts."""
    deadline = time.monotonic() + MARKER_SECONDS
    while not owned.has(process.pid) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def node_command(
    context: Context, found: ProcessesRecord, pool: Pool, node: NodeProcess, real_gpus: Sequence[Any]
) -> list[str]:
    """The command that starts a node."""
    name, own = node.name, node.ports
    share = ray_node.shares(context.topology, machine_memory(), shared_memory(found.temp))[pool.name]
    if pool.name == "head":
        vector = ray_node.command(context.root, found.temp, pool, name, share, own, "")
        return vector + ray_node.head_options(found.temp, found.ports.dashboard)
    head = ray_node.gcs(found.head)
    return ray_node.command(context.root, found.temp, pool, name, share, own, head, real_gpus)


def log(context: Context, name: str) -> LogFile:
    """The log file for a node or service."""
    return logs.named(context.state, name)


def machine_memory() -> int:
    """This machine's memory in bytes."""
    return machine.here().memory


def shared_memory(temp: str) -> int:
    """The free bytes on the disk that holds Ray's object stores: /dev/shm, or the temporary folder on a Mac."""
    return shutil.disk_usage("/dev/shm" if os.path.isdir("/dev/shm") else temp).free
