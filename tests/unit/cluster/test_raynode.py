"""The command and environment of a node in the processes runtime."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import ports
from cluster.errors import PortTaken
from cluster.processes import loopback, process_tree, ray_node, readiness, record
from cluster.processes.cluster import START_SECONDS
from raydock import topology
from raydock.settings import ROOT

GIB = 2**30
TOPOLOGY = topology.load(ROOT, {})
SHARE = ray_node.Share(2 * GIB, GIB)


def command(pool: str, name: str, *own: int) -> list[str]:
    shape = next(found for found in TOPOLOGY.pools if found.name == pool)
    return ray_node.command(ROOT, "/tmp/x", shape, name, SHARE, own, "127.0.0.1:20007")


def test_the_head_offers_no_cpus_and_stays_on_loopback() -> None:
    vector = command("head", "head", *range(20001, 20011)) + ray_node.head_options("/tmp/x", 8265)
    assert vector[:2] == [sys.executable, "-P"]
    assert {"--head", "--num-cpus=0", "--labels=pool=head", "--node-ip-address=127.0.0.1"} <= set(vector)
    # If an option is given twice, the last one counts. docker/node.py's values are for a container.
    assert vector.index("--dashboard-host=127.0.0.1") > vector.index("--dashboard-host=0.0.0.0")
    assert vector.index("--port=20007") > vector.index("--port=6379")
    assert "--dashboard-port=8265" in vector
    assert "--temp-dir=/tmp/x/r" in vector


def test_a_gpu_worker_is_labelled_simulated() -> None:
    vector = command("gpu-worker", "gpu-worker-1", *range(20001, 20007))
    assert "--address=127.0.0.1:20007" in vector
    assert "--labels=pool=gpu-worker,gpu=simulated" in vector
    assert '--resources={"simulated_gpu": 1}' in vector
    assert {"--num-cpus=1", "--num-gpus=1", "--node-name=gpu-worker-1"} <= set(vector)
    assert {f"--memory={2 * GIB}", f"--object-store-memory={GIB}"} <= set(vector)


def environment(pool: str, **caller: str) -> dict[str, str]:
    shape = next(found for found in TOPOLOGY.pools if found.name == pool)
    own = tuple(range(20001, 20001 + ray_node.count_of_ports(pool)))
    found = record.ProcessesRecord("/tmp/x", 8265, ports=record.Ports(21001, 21002, 21003, 21004))
    return ray_node.environment(
        Path("/state"), found, shape, record.NodeProcess("name", pool, ports=own), caller
    )


def test_the_callers_ray_settings_do_not_leak_in() -> None:
    made = environment(
        "cpu-worker", PYTHONDONTWRITEBYTECODE="1", RAY_ADDRESS="http://elsewhere", RAY_TMPDIR="/x",
        RAYDOCK_PORT="1", HOME="/home/me", PATH="/bin",
    )  # fmt: skip
    assert not {
        "PYTHONDONTWRITEBYTECODE",
        "RAY_ADDRESS",
        "RAY_TMPDIR",
        "RAYDOCK_PORT",
        "RAYDOCK_SIMULATED_GPU",
    } & set(made)
    assert made["HOME"] == "/home/me"
    assert made["PATH"] == f"{Path(sys.executable).parent}:/bin"
    assert (made[process_tree.MARK], made[process_tree.NODE]) == ("/state", "name")
    assert made["RAY_USAGE_STATS_ENABLED"] == "0"


def test_clients_use_the_lab_as_the_identity_of_jobs() -> None:
    made = environment("cpu-worker")
    assert {
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:21003",
        "CLOUD_STORAGE_EMULATOR_ENDPOINT": "http://127.0.0.1:21003",
        "GCE_METADATA_HOST": "127.0.0.1:21002",
        "GCE_METADATA_IP": "127.0.0.1:21002",
        "GCE_METADATA_ROOT": "127.0.0.1:21002",
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "CLOUDSDK_CONFIG": "/tmp/x/home/gcloud",
        "GOOGLE_GCLOUD_ADC_PATH_OVERRIDE": "/tmp/x/home/gcloud/none.json",
    }.items() <= made.items()


def test_no_user_credentials_reach_a_node() -> None:
    personal = {
        "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
        "GOOGLE_CLOUD_PROJECT": "mine",
        "GCLOUD_PROJECT": "mine",
        "CLOUDSDK_CONFIG": "/home/me/.config/gcloud",
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "secret",
        "STORAGE_EMULATOR_HOST": "http://elsewhere",
        "NO_GCE_CHECK": "true",
    }
    made = environment("head", **personal)
    assert not set(personal.values()) & set(made.values())
    assert set(personal) & set(made) == {"CLOUDSDK_CONFIG", "STORAGE_EMULATOR_HOST"}


@pytest.mark.parametrize(
    ("caller", "listed"),
    [
        ({}, "localhost,127.0.0.1"),
        ({"NO_PROXY": "a.example"}, "a.example,localhost,127.0.0.1"),
        ({"no_proxy": "b.example", "NO_PROXY": "a.example"}, "b.example,localhost,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_no_proxy_is_used_for_the_lab(caller: dict[str, str], listed: str) -> None:
    made = environment("head", HTTP_PROXY="http://proxy:3128", **caller)
    assert (made["no_proxy"], made["NO_PROXY"], made["HTTP_PROXY"]) == (listed, listed, "http://proxy:3128")


def test_extra_variables_of_a_gpu_worker_and_the_head() -> None:
    assert environment("gpu-worker")["RAYDOCK_SIMULATED_GPU"] == "1"
    head = environment("head")
    assert {head[name] for name in ray_node.METRICS} == {"20009", "20010"}


def test_a_large_machine_gives_each_node_the_topologys_sizes() -> None:
    shares = ray_node.shares(TOPOLOGY, memory=64 * GIB, shm=32 * GIB)
    assert shares["cpu-worker"] == ray_node.Share(3 * GIB - 900 * 2**20, 900 * 2**20)


def test_a_small_machine_is_shared_in_proportion() -> None:
    shares = ray_node.shares(TOPOLOGY, memory=8 * GIB, shm=4 * GIB)
    nodes = {pool.name: pool.nodes for pool in TOPOLOGY.pools}
    assert (
        sum(nodes[name] * (share.memory + share.object_store) for name, share in shares.items()) <= 6.4 * GIB
    )
    tiny = ray_node.shares(TOPOLOGY, memory=GIB, shm=64 * 2**20)
    assert {share.object_store for share in tiny.values()} == {ray_node.SMALLEST_STORE}


def test_the_control_stores_address() -> None:
    head = record.NodeProcess("head", "head", 1, 0, tuple(range(20001, 20011)))
    assert ray_node.gcs(head) == "127.0.0.1:20007"


def test_the_record_is_private_and_round_trips(tmp_path: Path) -> None:
    state = tmp_path / "state"
    written = record.ProcessesRecord("/tmp/x", 8265, (record.NodeProcess("head", "head", 1, 7, (2, 3)),))
    record.save(state, written)
    assert record.load(state) == written
    assert written.taken() == {8265, 2, 3}
    served = replace(written, ports=record.Ports(4, 5, 6, 7)).with_service("cloud", 9)
    record.save(state, served)
    assert record.load(state) == served
    assert served.taken() == {8265, 2, 3, 4, 5, 6, 7}
    assert (state.stat().st_mode & 0o777, record.path_in(state).stat().st_mode & 0o777) == (0o700, 0o600)
    assert [path.name for path in state.iterdir()] == ["processes.json"]
    worker = record.NodeProcess("cpu-worker-1", "cpu-worker")
    assert written.with_node(worker).nodes == (*written.nodes, worker)
    assert written.with_node(worker).with_node(written.head) == written.with_node(worker)
    record.remove(state)
    assert record.load(state) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "temp": "", "port": 1, "nodes": []}', '{"nodes": [1]}']
)
def test_a_broken_record_counts_as_missing(tmp_path: Path, text: str) -> None:
    record.path_in(tmp_path).write_text(text)
    assert record.load(tmp_path) is None


def test_errors_in_the_log_of_ray_start() -> None:
    text = (
        "2026-11-22 02:29:27,676\tINFO scripts.py:971 -- Local node IP: 127.0.0.1\n"
        "2026-11-22 02:29:27,821\tERROR services.py:1424 -- Failed to bind to 127.0.0.1:8265.\n"
        "2026-11-22 02:29:28,047\tSUCC scripts.py:1008 -- Ray runtime started.\n"
    )
    assert readiness.logged_errors(text) == "Failed to bind to 127.0.0.1:8265."
    assert readiness.logged_errors("") == ""


def test_ports_are_free_distinct_and_within_the_range() -> None:
    found = ports.pick(50, taken=set(range(20000, 26000)))
    assert len(set(found)) == 50
    assert all(26000 <= port < 32000 for port in found)


def test_a_port_in_use() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            ports.require_free(port)
    assert str(caught.value) == (
        f"Port {port} is already in use by another program.\n"
        f"  Choose another port: RAYDOCK_PORT={port + 1} make cluster-up"
    )


def test_ray_waits_for_its_dashboard_as_long_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own limit of 20 s ended head nodes on busy machines. Fails if another Ray version changes the code."""
    from ray._private import services
    from ray.dashboard import consts

    assert "for _ in range(200):" in inspect.getsource(services.start_api_server)
    patched = services_with()
    modules = "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT"
    monkeypatch.setitem(os.environ, modules, "")
    monkeypatch.delenv(modules)
    assert f'"{modules}", 30.0' in inspect.getsource(consts)
    docker_module("start").patch(patched)
    assert len(patched.range(200)) / 10 == START_SECONDS
    assert float(os.environ[modules]) == START_SECONDS


def test_only_ray_clients_server_has_no_support_for_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, gRPC ends half of the processes that this server starts for clients: `ray.init` then fails."""
    from ray._private import node, services

    call = "ray._private.services.start_ray_client_server("
    assert call in inspect.getsource(node.Node.start_ray_client_server)
    assert hasattr(services, "start_ray_client_server")
    monkeypatch.delenv("GRPC_ENABLE_FORK_SUPPORT", raising=False)
    seen = list[str | None]()
    patched = services_with(
        start_ray_client_server=lambda *_, **__: seen.append(os.environ.get("GRPC_ENABLE_FORK_SUPPORT"))
    )
    docker_module("start").patch(patched)
    patched.start_ray_client_server("address", port=1)
    assert seen == ["0"]
    assert "GRPC_ENABLE_FORK_SUPPORT" not in os.environ


def services_with(**members: Any) -> SimpleNamespace:
    """What docker/start.py patches, instead of ray._private.services."""
    names = ("_build_python_executable_command_memory_profileable", "start_ray_client_server")
    return SimpleNamespace(**{**dict.fromkeys(names), "ray_constants": SimpleNamespace(), **members})


def test_ray_starts_workers_with_our_script() -> None:
    """Fails if another Ray version finds its script in another way."""
    from ray._private import node, services

    joined = inspect.getsource(node.Node.__init__)
    assert "ray_constants.SETUP_WORKER_FILENAME" in joined
    assert hasattr(services.ray_constants, "SETUP_WORKER_FILENAME")
    patched = services_with()
    docker_module("start").patch(patched)
    ours = patched.ray_constants.SETUP_WORKER_FILENAME
    assert Path(ours).is_file()
    assert os.path.join("/ray/_private/workers", ours) == ours


def docker_module(name: str) -> Any:
    return loopback.module(ROOT / "docker" / f"{name}.py")


def test_only_the_agent_has_the_nodes_name_as_its_host_name(tmp_path: Path) -> None:
    from ray._private import ray_constants, services

    name = "_build_python_executable_command_memory_profileable"
    patched = services_with(**{name: getattr(services, name)})
    docker_module("start").patch(patched)
    build = getattr(patched, name)
    other = build(ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT, "/session")
    assert other == [sys.executable, "-u"]
    script = tmp_path / "agent" / "main.py"
    script.parent.mkdir()
    script.write_text("import socket, sys; print([socket.gethostname(), sys.argv, sys.path[0], __name__])")
    command = [*build(ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, "/session"), str(script), "--port=1"]
    done = subprocess.run(
        command,
        env={**os.environ, "RAYDOCK_NODE": "cpu-worker-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{['cpu-worker-1', [str(script), '--port=1'], str(script.parent), '__main__']}\n"


# Replies of Docker's DNS for 172.21.0.5: the record's name in full, as a pointer, and no record.
QUESTION = b"\x015\x010\x0221\x03172\x07in-addr\x04arpa\x00\x00\x0c\x00\x01"
RECORD = b"\x00\x0c\x00\x01\x00\x00\x02X\x00\x22%c%s\rlab14_cluster\x00"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (b"lab14-cpu-worker-12", "cpu-worker-12"),
        (b"my-head-1-gpu-worker-1", "gpu-worker-1"),
        (b"raydock_head_1", "head"),
        (b"raydock-mine-1a2b3c-cpu-0", ""),  # a node of one of the lab's clusters on Vertex AI
        (b"head", ""),
        (b"", ""),
    ],
)
def test_a_container_finds_its_name_in_dockers_dns(
    monkeypatch: pytest.MonkeyPatch, label: bytes, name: str
) -> None:
    naming = docker_module("naming")
    monkeypatch.setattr(naming.socket, "gethostbyname", lambda host: "172.21.0.5")
    record = RECORD % (len(label), label) if label else b""
    for owner in (QUESTION[:-4], b"\xc0\x0c"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))

            def reply(server: socket.socket = server, owner: bytes = owner) -> None:
                query, client = server.recvfrom(512)
                assert query[12:] == QUESTION
                server.sendto(
                    b"\x00\x01\x81\x80" + bytes(8) + query[12:] + (owner + record if record else b""), client
                )

            answering = threading.Thread(target=reply)
            answering.start()
            assert naming.node_name(server.getsockname()) == name
            answering.join()


def test_a_container_outside_compose_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    naming = docker_module("naming")
    monkeypatch.setattr(naming.socket, "gethostbyname", lambda host: "172.17.0.2")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    assert naming.node_name(address) == "", "nothing listens there"


def test_clients_reach_other_nodes_without_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    import httpx
    import requests.utils

    module = docker_module("network")
    routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    (tmp_path / "route").write_text(routes + "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n")
    networks = module.own_networks(tmp_path / "route")
    made = module.without_proxy({"NO_PROXY": "localhost,.googleapis.com,172.16.0.0/12"}, networks)
    assert made["no_proxy"] == made["NO_PROXY"]
    for name, value in {**made, "HTTP_PROXY": "http://cloud:3128", "http_proxy": "http://cloud:3128"}.items():
        monkeypatch.setenv(name, value)
    client = httpx.Client()
    for host, direct in (
        ("172.18.0.2", True),
        ("172.18.0.254", True),
        ("pypi.org", False),
        ("8.8.8.8", False),
    ):
        bypass = urllib.request.proxy_bypass_environment(host)  # type: ignore[attr-defined]
        assert bool(bypass) is direct, host
        assert requests.utils.should_bypass_proxies(f"http://{host}/", None) is direct, host
        transport = client._transport_for_url(httpx.URL(f"http://{host}/"))
        assert (transport is client._transport) is direct, host
    client.close()
    assert module.without_proxy({}, networks) == {}
