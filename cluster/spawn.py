"""Starts one node of the processes cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from cluster import owned, ports, raynode
from cluster.kinds import Context
from cluster.record import Record, Started
from cluster.topology import Pool

MARK_SECONDS = 10.0


def spawn(context: Context, found: Record, pool: Pool, name: str) -> Started:
    """Starts `ray start --block` in a session of its own; it outlives us, and nobody waits for it."""
    own = tuple(ports.pick(raynode.count_of_ports(pool.name), found.taken()))
    environ = raynode.environment(context.state, found.temp, name, pool, own)
    since = int(time.time() * 1000)
    for socket in raynode.sockets(found.temp, name):  # an earlier node of that name may have left them
        Path(socket).unlink(missing_ok=True)
    with open(log(found, name), "wb") as output:
        process = subprocess.Popen(
            command(context, found, pool, name, own),
            env=environ,
            cwd=f"{found.temp}/home",
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    await_mark(process, owned.Owned(str(context.state), name))
    process.returncode = 0  # keeps Popen from warning that it still runs
    return Started(name, pool.name, process.pid, since, own)


def await_mark(process: subprocess.Popen[bytes], ours: owned.Owned) -> None:
    """Until the mark can be read: for a moment after its start a process has no environment to be seen."""
    deadline = time.monotonic() + MARK_SECONDS
    while not ours.has(process.pid) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def command(context: Context, found: Record, pool: Pool, name: str, own: tuple[int, ...]) -> list[str]:
    share = raynode.shares(context.topology, machine_memory(), shared_memory(found.temp))[pool.name]
    if pool.name == "head":
        vector = raynode.command(context.root, found.temp, pool, name, share, own, "")
        return vector + raynode.head_options(found.temp, found.port)
    return raynode.command(context.root, found.temp, pool, name, share, own, raynode.gcs(found.head))


def refusals(text: str) -> str:
    """What `ray start` said it could not do. It goes on all the same, without a dashboard for example."""
    return " ".join(line.partition(" -- ")[2] for line in text.splitlines() if "\tERROR " in line)


def log(found: Record, name: str) -> Path:
    return Path(found.temp, f"{name}.log")


def machine_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def shared_memory(temp: str) -> int:
    """Bytes free where Ray keeps its object stores: /dev/shm, on a Mac the temporary folder."""
    return shutil.disk_usage("/dev/shm" if os.path.isdir("/dev/shm") else temp).free
