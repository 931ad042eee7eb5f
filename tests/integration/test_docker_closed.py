"""Ray has no authentication, so nothing of it may be reached: from this machine, from other containers,
through the published port without the key. What answers is looked at, not only whether something does: a
network may answer in the place of an address that leads nowhere.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cluster.docker.engine import DockerEngine, connect
from tests.command import ROOT
from tests.lab import Lab

pytestmark = pytest.mark.docker

VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")
# What each port says that is really ours, asked with GET.
SIGNS = {
    8265: ("/api/version", b"ray_version"),
    52365: ("/api/local_raylet_healthz", b"success"),
    80: ("/", b"computeMetadata"),
    443: ("/", b"plain HTTP"),
    8080: ("/health", b"ok"),
}
CLOSED = ("cluster", "users", "control")
# All at once, since most are never answered, and with a generous timeout.
ASK = """
import json, sys, urllib.request
from concurrent.futures import ThreadPoolExecutor
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def answers(question):
    address, port, path, sign = question
    try:
        body = opener.open(f"http://{address}:{port}{path}", timeout=5).read(2000)
    except Exception as error:
        body = getattr(error, "read", lambda n: b"")(2000)
    return f"{address}:{port}" if sign.encode() in body else None
questions = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(questions)) as threads:
    print(json.dumps([found for found in threads.map(answers, questions) if found]))
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    found = connect()
    yield found
    found.client.close()


def addresses(engine: DockerEngine, lab: Lab) -> dict[str, list[str]]:
    """Every address that a container of the lab has, by network."""
    project = lab.env["COMPOSE_PROJECT_NAME"]
    found: dict[str, list[str]] = {}
    for container in engine.containers(project):
        for name, network in container.attrs["NetworkSettings"]["Networks"].items():
            found.setdefault(name.removeprefix(f"{project}_"), []).append(network["IPAddress"])
    return found


def questions(engine: DockerEngine, lab: Lab) -> list[tuple[str, int, str, str]]:
    every = [address for known in addresses(engine, lab).values() for address in known]
    return [(a, port, path, sign.decode()) for a in every for port, (path, sign) in SIGNS.items()]


def test_the_signs_are_what_the_ports_say(docker_lab: Lab, engine: DockerEngine) -> None:
    """From inside the nodes' network the same questions are answered: the tests below can fail."""
    head = engine.containers(docker_lab.env["COMPOSE_PROJECT_NAME"], "head")[0]
    status, output = head.exec_run(["python3", "-c", ASK, json.dumps(questions(engine, docker_lab))])
    assert status == 0, output
    assert {int(found.rpartition(":")[2]) for found in json.loads(output)} >= {8265, 52365, 80}


def test_this_machine_has_no_way_into_the_networks(docker_lab: Lab, engine: DockerEngine) -> None:
    """No route leads to the nodes, so no program and no browser page of this machine reaches a port of theirs."""
    networks = addresses(engine, docker_lab)
    own = [ipaddress.ip_interface(f"{a}/{m}").network for a, m in interfaces()]
    for name in CLOSED:
        for address in networks[name]:
            assert not any(ipaddress.ip_address(address) in network for network in own), (name, address)
    done = subprocess.run(
        ["python3", "-c", ASK, json.dumps(questions(engine, docker_lab))],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == []


def interfaces() -> list[tuple[str, str]]:
    """Address and mask of every route that leads to a network of this machine."""
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (int(fields[n], 16).to_bytes(4, "little") for n in (1, 2, 7))
        if gateway == bytes(4) and destination != bytes(4):
            found.append((socket.inet_ntoa(destination), socket.inet_ntoa(mask)))
    return found


def test_containers_outside_the_network_reach_nothing(
    docker_lab: Lab, engine: DockerEngine, images: dict[str, str]
) -> None:
    """On the engine's default network, and on one of their own."""
    words = json.dumps(questions(engine, docker_lab))
    own = engine.client.networks.create(f"{docker_lab.env['COMPOSE_PROJECT_NAME']}-stranger")
    try:
        for network in ("bridge", own.name):
            output = engine.client.containers.run(
                images["cloud"],
                entrypoint=["python3", "-c", ASK],
                command=[words],
                network=network,
                remove=True,
            )
            assert json.loads(output) == [], network
    finally:
        own.remove()


def test_one_port_is_published_on_loopback(docker_lab: Lab, engine: DockerEngine) -> None:
    published = {
        (container.labels["com.docker.compose.service"], inner, binding["HostIp"], binding["HostPort"])
        for container in engine.containers(docker_lab.env["COMPOSE_PROJECT_NAME"])
        for inner, bindings in container.attrs["NetworkSettings"]["Ports"].items()
        for binding in bindings or ()
    }
    assert published == {("cloud", "8265/tcp", "127.0.0.1", docker_lab.env["RAYDOCK_PORT"])}


def routes() -> list[str]:
    """Every route that Ray's dashboard and its agents declare, and the static files."""
    import ray

    found = set()
    for source in Path(ray.__file__).parent.joinpath("dashboard").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        declared = re.findall(
            r"""[rR]outes?\.(?:get|post|put|delete|patch|head|options|view|route)\(\s*["']([^"']+)""", text
        )
        found |= {path for path in declared if path.startswith("/")}
    found |= {"/", "/static/js/main.js", "/index.html", "/favicon.ico", "/logs", "/lab/", "/lab/token"}
    return sorted(found)


def test_a_census_of_every_route_and_verb_without_the_key(docker_lab: Lab) -> None:
    """Every route of the dashboard and the agent, every verb: none is answered."""
    known = routes()
    assert len(known) > 60, known
    assert "/api/jobs/" in known
    answered = []
    for path in known:
        filled = re.sub(r"\{[^}]*\}", "x", path)
        for verb in VERBS:
            status = ask(docker_lab, verb, filled, {"User-Agent": "census"})
            if status not in (401, 403):
                answered.append((verb, filled, status))
    assert answered == []


def ask(lab: Lab, verb: str, path: str, headers: dict[str, str]) -> int:
    return asked(lab, verb, path, headers)[0]


def asked(lab: Lab, verb: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    port = int(lab.env["RAYDOCK_PORT"])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        connection.request(verb, path, headers=headers)
        with closing(connection.getresponse()) as reply:
            return reply.status, reply.read()


@pytest.mark.parametrize(
    ("verb", "headers"),
    [
        ("GET", {"Host": "evil.example:8265"}),
        ("GET", {"Host": "evil.example", "User-Agent": "Mozilla/5.0"}),
        ("POST", {"Host": "evil.example", "User-Agent": "curl/8", "Content-Type": "application/json"}),
        ("GET", {"Origin": "https://evil.example"}),
        ("POST", {"Origin": "null", "User-Agent": "Mozilla/5.0"}),
        ("POST", {"Origin": "http://127.0.0.1:9999"}),
        ("DELETE", {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_pages_of_others_are_refused_even_with_the_key(
    docker_lab: Lab, verb: str, headers: dict[str, str]
) -> None:
    """DNS rebinding comes with a foreign Host, another site's page with a foreign Origin."""
    key = {"Authorization": f"Bearer {docker_lab.dashboard.key}"}
    assert ask(docker_lab, verb, "/api/jobs/", {**headers, **key}) == 403


def test_google_behind_the_gateway_wants_a_token_of_its_own(docker_lab: Lab) -> None:
    """The key opens the dashboard and makes tokens; it is no token itself."""
    path = "/google/storage.googleapis.com/storage/v1/b/lab-data/o"
    key: dict[str, Any] = {"Authorization": f"Bearer {docker_lab.dashboard.key}"}
    assert ask(docker_lab, "GET", path, {}) == 401
    assert ask(docker_lab, "GET", path, key) == 401
    token = json.loads(asked(docker_lab, "POST", "/lab/token", key)[1])["access_token"]
    assert ask(docker_lab, "GET", path, {"Authorization": f"Bearer {token}"}) == 200


def test_the_stock_command_works_with_the_key(docker_lab: Lab) -> None:
    """`ray job submit` with RAY_JOB_HEADERS, its websocket for the log included; without them it is refused."""
    ray = Path(ROOT, ".venv", "bin", "ray")
    env = {
        **docker_lab.env,
        "RAY_JOB_HEADERS": json.dumps({"Authorization": f"Bearer {docker_lab.dashboard.key}"}),
    }
    command = [
        str(ray),
        "job",
        "submit",
        "--address",
        docker_lab.url,
        "--",
        "python",
        "-c",
        "print('from stock')",
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "from stock" in done.stdout
    env.pop("RAY_JOB_HEADERS")
    refused = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert refused.returncode != 0
    assert "python -m cluster status" in refused.stdout + refused.stderr
