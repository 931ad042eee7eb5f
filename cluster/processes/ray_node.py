"""Builds the command and environment that start a node in the processes runtime."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from cluster.processes import gpus, identity, loopback, process_tree, record
from cluster.processes.identity import LOOPBACK
from raydock.topology import Pool, Topology

LAUNCHER = Path(__file__).with_name("loopback.py")
DRIVER = Path(__file__).with_name("driver")  # contains sitecustomize.py
# The options, in the same order as NodeProcess.ports.
PORTS = (
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--metrics-export-port",
    "--runtime-env-agent-port",
    "--node-manager-port",
    "--object-manager-port",
)
HEAD_PORTS = (*PORTS, "--port", "--ray-client-server-port")
SOCKETS = ("--raylet-socket-name", "--plasma-store-socket-name")
# The ports for the dashboard's and the autoscaler's metrics. `ray start` has no option for them, only these variables.
METRICS = ("DASHBOARD_METRIC_PORT", "AUTOSCALER_METRIC_PORT")
SMALLEST_STORE = 80 * 2**20  # bytes; Ray's own minimum is 75 MB


@dataclass(frozen=True, slots=True)
class Share:
    """The memory that one node may use, in bytes."""

    memory: int
    object_store: int


def shares(topology: Topology, memory: int, shm: int) -> dict[str, Share]:
    """Each pool's share per node, on a machine with `memory` and `shm` bytes.

    These are the topology's sizes, scaled down if all nodes together would use more than 80% of either.
    """
    pools = topology.pools
    fit = min(1.0, 0.8 * memory / max(1, sum(pool.nodes * pool.memory for pool in pools)))
    fit_shm = min(fit, 0.8 * shm / max(1, sum(pool.nodes * pool.shm for pool in pools)))
    stores = {pool.name: max(SMALLEST_STORE, int(pool.shm * fit_shm)) for pool in pools}
    return {
        pool.name: Share(max(SMALLEST_STORE, int(pool.memory * fit) - stores[pool.name]), stores[pool.name])
        for pool in pools
    }


def node_module(root: Path) -> ModuleType:
    """Import docker/node.py, the only module that defines which resources a node offers to jobs."""
    return cast(ModuleType, loopback.module(root / "docker" / "node.py"))


def count_of_ports(pool: str) -> int:
    """The number of ports that a node in the pool needs."""
    return len(HEAD_PORTS) + len(METRICS) if pool == "head" else len(PORTS)


def gcs(head: record.NodeProcess) -> str:
    """The HOST:PORT of Ray's control store (GCS)."""
    return f"{LOOPBACK}:{head.ports[HEAD_PORTS.index('--port')]}"


def command(
    root: Path, temp: str, pool: Pool, name: str, share: Share, ports: tuple[int, ...], head: str,
    real_gpus: Sequence[Any] = (),
) -> list[str]:  # fmt: skip
    """The argument vector for `ray start`. `head` is the control store's address, which the head does not use.

    `real_gpus` are the worker's, if it has any (gpus.py).
    """
    environ = {
        **gpus.variables(pool, real_gpus, {}),
        "RAYDOCK_CPUS": str(pool.cpus),
        "RAYDOCK_GPUS": str(pool.gpus),
        "RAYDOCK_HEAD": head,
        process_tree.NODE: name,
    }
    labels = gpus.module(root).labels(real_gpus)
    resources: list[str] = node_module(root).ray_arguments(pool.name, environ, labels)
    options = HEAD_PORTS if pool.name == "head" else PORTS
    return [
        *(sys.executable, "-P", str(LAUNCHER), "start", "--block", *resources),
        *(f"{option}={port}" for option, port in zip(options, ports, strict=False)),
        f"--node-ip-address={LOOPBACK}",
        # Otherwise, nodes that start concurrently in one session would choose the same names.
        *(f"{option}={path}" for option, path in zip(SOCKETS, sockets(temp, name), strict=True)),
        f"--include-log-monitor={pool.name == 'head'}",  # one is enough: all nodes share a log folder
        f"--memory={share.memory}",
        f"--object-store-memory={share.object_store}",
        # The kernel chooses the workers' ports, because raylets on one machine would compete for the default range.
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]


# Variables that are not inherited from the caller. Without bytecode, every process would recompile all of Ray.
UNWANTED = ("RAY_", "RAYDOCK_", "PYTHONDONTWRITEBYTECODE")


def ray_folder(temp: str) -> str:
    """Ray's --temp-dir."""
    return f"{temp}/r"


def sockets(temp: str, name: str) -> tuple[str, str]:
    """The paths of the node's raylet and object store sockets, in the same order as SOCKETS."""
    return f"{temp}/s/{name}.raylet", f"{temp}/s/{name}.plasma"


def head_options(temp: str, port: int) -> list[str]:
    """Additional options for the head. `port` is the dashboard's."""
    return [f"--temp-dir={ray_folder(temp)}", f"--dashboard-host={LOOPBACK}", f"--dashboard-port={port}"]


def inherited(caller: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without Ray's variables and the caller's credentials."""
    return {
        name: value
        for name, value in caller.items()
        if not name.startswith(UNWANTED) and not identity.is_personal(name)
    }


def environment(
    state: Path,
    found: record.ProcessesRecord,
    pool: Pool,
    node: record.NodeProcess,
    caller: Mapping[str, str] = os.environ,
    real_gpus: Sequence[Any] = (),
) -> dict[str, str]:
    """A node's environment: `inherited`, the marker, and variables that point to the lab's cloud instead of Google's.

    It does not contain the key file, the login or the project of the user who starts the cluster.
    """
    temp = found.temp
    added = {
        process_tree.MARK: str(state),
        process_tree.NODE: node.name,
        "SPT_NOENV": "1",  # keeps the marker readable after a worker sets its process title
        **node_module(loopback.DOCKER.parent).RAY_SETTINGS,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # see loopback.py
        "PYTHONPATH": os.pathsep.join(filter(None, [str(DRIVER), caller.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), caller.get("PATH", os.defpath)]),
        "TMPDIR": f"{temp}/tmp",
        "JOBLIB_TEMP_FOLDER": f"{temp}/tmp",  # the default is /dev/shm, where files would outlive a killed job
        **identity.variables(temp, found.ports, caller),
    }
    if pool.name == "head":
        metrics = zip(METRICS, node.ports[len(HEAD_PORTS) :], strict=True)
        return {**inherited(caller), **added, **{name: str(port) for name, port in metrics}}
    kept = {name: value for name, value in inherited(caller).items() if name != gpus.VISIBLE or not pool.gpus}
    return {**kept, **added, **gpus.variables(pool, real_gpus, caller)}
