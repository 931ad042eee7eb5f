"""Starts a Ray node, in a container or as a process on this machine.

    python node.py head|cpu-worker|gpu-worker [more arguments for `ray start`]
    python node.py run COMMAND ...    runs any other command with the same CA certificates
    python node.py describe           only writes the description below, for a node that KubeRay starts

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

Once it is up, each node writes a description of itself to its session's log folder, and the dashboard serves it:
    GET /api/v0/logs/file?node_id=...&filename=raydock-node.json&lines=-1
"""

import ipaddress
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from importlib import metadata
from itertools import islice
from pathlib import Path
from types import MappingProxyType

ROLES = ("head", "cpu-worker", "gpu-worker")
DESCRIPTION = "raydock-node.json"
CA_BUNDLE = Path("/run/secrets/ca_bundle")
PEERS = 254  # the number of addresses per network that bypass the proxy
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")  # in the image, the user ray can write to it
# The variables that select CA certificates for pip, for Python's ssl and uv, for requests, and for gRPC.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")

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


def describe() -> dict[str, object]:
    """The versions of Python, Ray and every package, the packages' requirements, and all importable modules."""
    found = {normalized(dist.metadata["Name"]): dist for dist in metadata.distributions()}
    packages = {name: dist.version for name, dist in found.items()}
    return {
        "python": platform.python_version(),
        "ray": packages.get("ray"),
        "packages": dict(sorted(packages.items())),
        "requires": {
            name: needs for name, dist in sorted(found.items()) if (needs := requires(dist, packages))
        },
        "modules": sorted({name for dist in metadata.distributions() for name in modules_of(dist)}),
    }


def normalized(name: str) -> str:
    """A package's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requires(dist: metadata.Distribution, packages: Mapping[str, str]) -> list[str]:
    """The requirements of a distribution on packages that are installed, without those of its extras."""
    named = ((re.match(r"[A-Za-z0-9._-]+", text), text) for text in dist.requires or ())
    return [
        text for name, text in named if name and normalized(name[0]) in packages and "extra ==" not in text
    ]


def modules_of(dist: metadata.Distribution) -> set[str]:
    """A distribution's modules. Modules in a namespace are listed by full name: google.cloud.storage, not google."""
    listed = [path.parts for path in dist.files or () if path.suffix in (".py", ".so")]
    if not listed:
        return set((dist.read_text("top_level.txt") or "").split())
    packages = {parts[:-1] for parts in listed if parts[-1] == "__init__.py"}
    found = set()
    for *above, file in listed:
        depth = next((n for n in range(1, len(above) + 1) if tuple(above[:n]) in packages), 0)
        parts = above[:depth] if depth else [*above, file.partition(".")[0]]
        if all(part.isidentifier() for part in parts):
            found.add(".".join(parts))
    return found


def session(environ: Mapping[str, str]) -> Path:
    """Ray's symlink to the current session's folder: ray/ in ray._common.utils.get_user_temp_dir."""
    root = environ.get("RAY_TMPDIR") or environ.get("TMPDIR") or tempfile.gettempdir()
    return Path(root, "ray", "session_latest")


def write_description(link: Path, started: float, deadline: float) -> None:
    """Wait until the symlink no longer points to an earlier session, then write the description.

    Raises TimeoutError after the deadline.
    """
    text = json.dumps(describe(), indent=1)
    while not (link.is_symlink() and link.lstat().st_mtime >= started and (link / "logs").is_dir()):
        if time.time() > deadline:
            raise TimeoutError(f"{link} was not created within {deadline - started:.0f} s")
        time.sleep(0.1)
    part = link / "logs" / f"{DESCRIPTION}.{os.getpid()}"
    part.write_text(text)
    part.replace(link / "logs" / DESCRIPTION)


def describe_in_background(environ: Mapping[str, str], started: float) -> None:
    """Write the description of a node that starts after that time, in a process that is forked twice.

    It becomes a child of init, so it does not stay behind as a zombie of `ray start`.
    """
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork() == 0:
        try:
            write_description(session(environ), started, deadline=time.time() + 120)
        except (OSError, TimeoutError) as error:
            print(f"node.py: {DESCRIPTION} was not written: {error}", file=sys.stderr)
    os._exit(0)


def container_start(proc: Path = Path("/proc")) -> float:
    """When the container's first process started, in seconds since 1970, rounded down."""
    ticks = int((proc / "1/stat").read_text().rpartition(")")[2].split()[19])
    lines = (proc / "stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot + ticks // os.sysconf("SC_CLK_TCK")


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


def trust(added: Sequence[bytes], environ: Mapping[str, str], bundle: Path = SYSTEM_BUNDLE) -> dict[str, str]:
    """Add CA certificates to the system's bundle, which C++ libraries read.

    Returns the environment variables that make Python libraries use the bundle too.
    """
    certificates = [one.strip() for one in added if one.strip()]
    if not certificates:
        return {}
    known = bundle.read_bytes() if bundle.exists() else b""
    missing = b"".join(b"\n" + one + b"\n" for one in certificates if one not in known)
    with bundle.open("ab") as file:
        file.write(missing)
    return {name: str(bundle) for name in CA_VARIABLES if name not in environ}


def certificates(environ: Mapping[str, str]) -> list[bytes]:
    """The CA certificates to trust in addition to the system's: the company's and the lab's Google Cloud's."""
    url = environ.get("RAYDOCK_TRUST", "")
    return [*company_certificates(), *([fetch(url, 60)] if url else [])]


def company_certificates(bundle: Path = CA_BUNDLE) -> list[bytes]:
    """The company's CA certificates, if any. Raises SystemExit if the file can't be read."""
    try:
        # An empty file, which is the default, is not opened, because only its owner may be able to read it.
        return [bundle.read_bytes()] if bundle.is_file() and bundle.stat().st_size else []
    except OSError as error:
        raise SystemExit(
            f"node.py: can't read {bundle}: {error.strerror}. This is the file that RAYDOCK_CA_BUNDLE points to. "
            "Make it readable for all users: chmod a+r FILE"
        ) from None


def fetch(url: str, seconds: float) -> bytes:
    """GET a URL without a proxy and return the body. Retries until it succeeds; after `seconds`, raises SystemExit."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while True:
        try:
            with opener.open(url, timeout=5) as reply:
                return bytes(reply.read())
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"node.py: no response from {url} within {seconds:g} s: {error}") from None
        time.sleep(0.2)


def own_networks(routes: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """The networks that this container is attached to."""
    found = []
    for line in routes.read_text().splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (int(fields[n], 16).to_bytes(4, "little") for n in (1, 2, 7))
        if gateway == bytes(4) and destination != bytes(4):
            found.append(ipaddress.IPv4Network((destination, str(ipaddress.IPv4Address(mask)))))
    return found


def without_proxy(environ: Mapping[str, str], networks: Sequence[ipaddress.IPv4Network]) -> dict[str, str]:
    """NO_PROXY, extended with the nodes' addresses. Each is listed, because urllib and httpx do not support networks.

    Docker assigns addresses from the start of a network, so the first ones are enough.
    """
    if not environ.get("NO_PROXY"):
        return {}
    addresses = [str(one) for network in networks for one in islice(network.hosts(), PEERS)]
    value = ",".join([environ["NO_PROXY"], socket.gethostname(), *addresses])
    return {"NO_PROXY": value, "no_proxy": value}


def main(argv: Sequence[str]) -> None:
    """Replace this process with `ray start` or COMMAND. Raises SystemExit with a message on failure."""
    import gpus  # in this file's folder, which is not on the path of other programs that load this file
    import naming

    if not argv or argv[0] not in (*ROLES, "run", "describe") or argv == ["run"]:
        raise SystemExit(
            f"usage: node.py {'|'.join(ROLES)} [more arguments for ray start], or run COMMAND ..., or describe"
        )
    role, more = argv[0], argv[1:]
    environ = dict(os.environ)
    if role == "describe":
        describe_in_background(environ, container_start())
        return
    if notice := environ.get("RAYDOCK_NOTICE"):
        print(f"node.py: {notice}", file=sys.stderr)
    environ |= trust(certificates(environ), environ)
    environ |= without_proxy(environ, own_networks())
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
    describe_in_background(environ, time.time())
    # Does not use the `ray` command, which is not on the PATH unless its environment is activated.
    command = [sys.executable, "-P", str(START), "start", "--block", *arguments, *FIXED_PORTS, *more]
    os.execve(sys.executable, command, {**METRICS_PORTS, **RAY_SETTINGS, **environ})


if __name__ == "__main__":
    main(sys.argv[1:])
