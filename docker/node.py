"""Starts a Ray node, in a container or as a process on this machine.

    python node.py head|cpu-worker|gpu-worker [more arguments for `ray start`]
    python node.py run COMMAND ...    runs any other command with the same CA certificates
    python node.py describe           only writes the description (description.py), for a node that KubeRay starts

It replaces itself with `ray start --block`, so Ray handles the signals and sets the exit status. It uses only the
standard library.

Environment variables, which compose.yaml sets:
    RAYDOCK_CPUS     CPUs that a worker offers to jobs, default 1; the head always offers 0, as on Vertex AI
    RAYDOCK_GPUS     GPUs that a gpu-worker offers, default 1
    RAYDOCK_GPU      simulated (default) or real
    RAYDOCK_HEAD     the head's control store as host:port, default head:6379
    RAYDOCK_NODE     the node's name, by default derived from the name of a container that Compose started
    RAYDOCK_WAIT     seconds that a worker waits for the head, default 120
    RAYDOCK_NOTICE   a sentence to write to the node's log
    RAYDOCK_TRUST    URL of the CA certificate for the lab's Google Cloud; empty if there is no such cloud
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

ROLES = ("head", "cpu-worker", "gpu-worker")

# By default, Ray picks free ports from the ephemeral range, which includes the fixed ports for its own metrics (44217
# and 44227). Occasionally, two of its servers pick the same port, and every job fails.
FIXED_PORTS = (
    "--node-manager-port=6380",
    "--object-manager-port=6381",
    "--runtime-env-agent-port=6382",
    "--dashboard-agent-grpc-port=6383",
    "--metrics-export-port=6384",
)
METRICS_PORTS = {"DASHBOARD_METRIC_PORT": "6385", "AUTOSCALER_METRIC_PORT": "6386"}

# What Ray does when nothing runs. By default, each node's log monitor lists the log folder ten times a second, and its
# two agents look for their raylet every 0.4 s. The first setting makes that every 0.5 s, so a new process's output
# appears up to 0.4 s later. The second one concerns agents only; a dead node is found in another way.
# By default, each agent collects its node's CPU and memory use every 5 s, the dashboard records metrics of its own as
# often, and each raylet looks at its disk ten times a second. With the next three settings, these numbers are up to 10
# and 15 s old, and a full disk is noticed within a second.
# Ray's processes report their metrics every 10 s, the raylet and the control store write debug_state*.txt as often, and
# each raylet looks for idle workers to end five times a second. With the next three settings, metrics are up to 30 s
# old, these files up to 60 s, and an idle worker lives up to a second longer.
# The last setting is about failed environments: for this many seconds, 600 by default, Ray fails each job that needs
# the same packages without trying again, even if the network or a setting has been fixed.
RAY_SETTINGS = {
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "RAY_DASHBOARD_AGENT_CHECK_PARENT_INTERVAL_S": "2",
    "REPORTER_UPDATE_INTERVAL_MS": "10000",
    "METRICS_RECORD_INTERVAL_S": "15",
    "RAY_local_fs_monitor_interval_ms": "1000",
    "RAY_metrics_report_interval_ms": "30000",
    "RAY_debug_dump_period_milliseconds": "60000",
    "RAY_kill_idle_workers_interval_ms": "1000",
    "BAD_RUNTIME_ENV_CACHE_TTL_SECONDS": "5",
}

START = Path(__file__).with_name("start.py")
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def ray_arguments(
    role: str, environ: Mapping[str, str], gpu_labels: Mapping[str, str] = NO_LABELS
) -> list[str]:
    """The arguments to `ray start` for a node with this role. `gpu_labels` describe a GPU worker's real GPUs.

    From the label `host`, `cluster status` learns which container runs this node. After a crash, the container starts a
    new node while Ray still considers the old one alive.
    """
    labels = {"pool": role}
    name = [f"--node-name={environ['RAYDOCK_NODE']}"] if environ.get("RAYDOCK_NODE") else []
    if host := environ.get("HOSTNAME"):  # set by the Docker engine
        labels["host"] = host
    if role == "head":
        # The dashboard can listen on every address, because the nodes' network is closed and the gateway is in
        # front of it. Ray Client (port 10001) can be reached only from inside that network.
        return [
            "--head",
            "--port=6379",
            "--num-cpus=0",
            "--num-gpus=0",
            "--dashboard-host=0.0.0.0",
            "--ray-client-server-port=10001",
            f"--labels={label_list(labels)}",
            *name,
        ]
    resources: dict[str, int] = {}
    gpus = 0
    if role == "gpu-worker":
        gpus = int(environ.get("RAYDOCK_GPUS", "1"))
        labels["gpu"] = environ.get("RAYDOCK_GPU", "simulated")
        if labels["gpu"] == "simulated":
            # A separate resource, so that `ray status` and the dashboard show it alongside "GPU".
            resources["simulated_gpu"] = gpus
        labels |= gpu_labels
    return [
        f"--address={environ.get('RAYDOCK_HEAD', 'head:6379')}",
        f"--num-cpus={environ.get('RAYDOCK_CPUS', '1')}",
        f"--num-gpus={gpus}",
        f"--resources={json.dumps(resources)}",
        f"--labels={label_list(labels)}",
        *name,
    ]


def label_list(labels: Mapping[str, str]) -> str:
    """Format labels for `ray start --labels`."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def end_leftovers() -> None:
    """Start the process that kills jobs' leftover processes. It exits with `ray start`, which this process becomes."""
    script = Path(__file__).with_name("leftovers.py")
    command = [sys.executable, "-IS", str(script), str(os.getpid())]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def wait_for(address: str, seconds: float) -> None:
    """Wait until the head's control store accepts connections. Raises SystemExit if it takes longer than `seconds`."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"node.py: can't reach the head at {address} after {seconds:g} s: {error}"
                ) from None
        time.sleep(0.2)


def require_gpu() -> None:
    """Raise SystemExit if the container has no NVIDIA device (dxg on WSL)."""
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():
        raise SystemExit(
            "node.py: RAYDOCK_GPU=real, but this container has no NVIDIA device. On a host with the NVIDIA "
            "Container Toolkit, start with -f compose.yaml -f compose.gpu.yaml, or compose.cdi.yaml for CDI devices. "
            "On other hosts, unset RAYDOCK_GPU."
        )


def main(argv: Sequence[str]) -> None:
    """Replace this process with `ray start` or COMMAND. Raises SystemExit with a message on failure."""
    import description  # in this file's folder, which is not on the path of other programs that load this file
    import gpus
    import naming
    import network

    if not argv or argv[0] not in (*ROLES, "run", "describe") or argv == ["run"]:
        raise SystemExit(
            f"usage: node.py {'|'.join(ROLES)} [more arguments for ray start], or run COMMAND ..., or describe"
        )
    role, more = argv[0], argv[1:]
    environ = dict(os.environ)
    if role == "describe":
        description.describe_in_background(environ, description.container_start())
        return
    if notice := environ.get("RAYDOCK_NOTICE"):
        print(f"node.py: {notice}", file=sys.stderr)
    environ |= network.trust(network.certificates(environ), environ)
    environ |= network.without_proxy(environ, network.own_networks())
    if role == "run":
        os.execvpe(more[0], list(more), environ)
    gpu_labels: Mapping[str, str] = NO_LABELS
    if role == "gpu-worker":
        if environ.get("RAYDOCK_GPU", "simulated") == "real":
            require_gpu()
            gpu_labels = gpus.labels(gpus.find(environ).gpus)
        else:
            environ["RAYDOCK_SIMULATED_GPU"] = "1"  # jobs report it in their result
    if name := environ.get("RAYDOCK_NODE") or naming.node_name():
        environ["RAYDOCK_NODE"] = name
    arguments = ray_arguments(role, environ, gpu_labels)
    if role == "head":
        end_leftovers()
    else:
        wait_for(environ.get("RAYDOCK_HEAD", "head:6379"), float(environ.get("RAYDOCK_WAIT", "120")))
    description.describe_in_background(environ, time.time())
    # Does not use the `ray` command, which is not on the PATH unless its environment is activated.
    command = [sys.executable, "-P", str(START), "start", "--block", *arguments, *FIXED_PORTS, *more]
    os.execve(sys.executable, command, {**METRICS_PORTS, **RAY_SETTINGS, **environ})


if __name__ == "__main__":
    main(sys.argv[1:])
