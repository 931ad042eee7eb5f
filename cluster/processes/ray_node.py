"""One node of the processes cluster: the command and the environment that start it, as values."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from cluster.processes import identity, process_tree, record
from cluster.processes.identity import LOOPBACK
from raydock.topology import Pool, Topology

LAUNCHER = Path(__file__).with_name("loopback.py")
DRIVER = Path(__file__).with_name("driver")  # holds sitecustomize.py
# In this order in Started.ports. The last four are the head's only.
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
# The dashboard's and the autoscaler's metrics, which have no option.
METRICS = ("DASHBOARD_METRIC_PORT", "AUTOSCALER_METRIC_PORT")
# Ray's own minimum is 75 MB.
SMALLEST_STORE = 80 * 2**20


@dataclass(frozen=True, slots=True)
class Share:
    """What one node may take of this machine, in bytes."""

    memory: int
    object_store: int


def shares(topology: Topology, memory: int, shm: int) -> dict[str, Share]:
    """Each pool's share of a machine with that much memory and shared memory.

    The topology's own sizes where all nodes together take at most 80 % of both, else less in proportion.
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
    """docker/node.py, which the containers run: what a node promises to jobs is said there, once."""
    spec = importlib.util.spec_from_file_location("raydock_node", root / "docker" / "node.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def count_of_ports(pool: str) -> int:
    return len(HEAD_PORTS) + len(METRICS) if pool == "head" else len(PORTS)


def gcs(head: record.NodeProcess) -> str:
    """HOST:PORT of the control store."""
    return f"{LOOPBACK}:{head.ports[HEAD_PORTS.index('--port')]}"


def command(
    root: Path, temp: str, pool: Pool, name: str, share: Share, ports: tuple[int, ...], head: str
) -> list[str]:
    """The argument vector of `ray start`. `head` is the control store's address, unused for the head."""
    environ = {"RAYDOCK_CPUS": str(pool.cpus), "RAYDOCK_GPUS": str(pool.gpus), "RAYDOCK_HEAD": head}
    promised: list[str] = node_module(root).ray_arguments(pool.name, environ)
    options = HEAD_PORTS if pool.name == "head" else PORTS
    return [
        *(sys.executable, "-P", str(LAUNCHER), "start", "--block", *promised),
        *(f"{option}={port}" for option, port in zip(options, ports, strict=False)),
        f"--node-ip-address={LOOPBACK}",
        f"--node-name={name}",
        # Nodes that start side by side in one session would choose the same names.
        *(f"{option}={path}" for option, path in zip(SOCKETS, sockets(temp, name), strict=True)),
        f"--include-log-monitor={pool.name == 'head'}",  # one for all: they would read the same folder
        f"--memory={share.memory}",
        f"--object-store-memory={share.object_store}",
        # The system chooses the workers' ports: the raylets of one machine would contend for a range.
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]


# Of the caller's environment. Without bytecode every process would compile all of Ray anew.
UNWANTED = ("RAY_", "RAYDOCK_", "PYTHONDONTWRITEBYTECODE")


def ray_folder(temp: str) -> str:
    return f"{temp}/r"


def sockets(temp: str, name: str) -> tuple[str, str]:
    return f"{temp}/s/{name}.raylet", f"{temp}/s/{name}.plasma"


def head_options(temp: str, port: int) -> list[str]:
    return [f"--temp-dir={ray_folder(temp)}", f"--dashboard-host={LOOPBACK}", f"--dashboard-port={port}"]


def inherited(caller: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would lead Ray elsewhere, and without the caller's credentials."""
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
) -> dict[str, str]:
    """What one node runs with: `inherited`, our mark, and the lab's cloud in the place of Google's.

    Neither the key file, nor the login, nor the project of the person who starts the cluster is in it.
    """
    temp = found.temp
    added = {
        process_tree.MARK: str(state),
        process_tree.NODE: node.name,
        "SPT_NOENV": "1",  # a worker that gives itself a title then leaves the mark readable
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # see loopback.py
        "PYTHONPATH": os.pathsep.join(filter(None, [str(DRIVER), caller.get("PYTHONPATH")])),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), caller.get("PATH", os.defpath)]),
        "TMPDIR": f"{temp}/tmp",
        "JOBLIB_TEMP_FOLDER": f"{temp}/tmp",  # otherwise /dev/shm, where it would outlive a killed job
        **identity.variables(temp, found.doors, caller),
    }
    if pool.name == "head":
        metrics = zip(METRICS, node.ports[len(HEAD_PORTS) :], strict=True)
        return {**inherited(caller), **added, **{name: str(port) for name, port in metrics}}
    return {**inherited(caller), **added, **({"RAYDOCK_SIMULATED_GPU": "1"} if pool.gpus else {})}
