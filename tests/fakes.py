"""Doubles that do as they are told, one an edge.

FakeDashboard: a Ray dashboard with real sockets, so that the real client is what is tested.

with FakeDashboard() as ray:
    ray.faults["POST /api/jobs/"] = [Fault.CUT]        # the first such request, then all is well
    ...
    ray.jobs["a"].write(b"line\\n"); ray.jobs["a"].end("SUCCEEDED")

Drivers: runs the jobs of such a dashboard as local processes.

FakeNodes: where the nodes of Vertex's clusters run, without a Docker engine.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cloud.controlplane.errors import NodesFailed
from cloud.controlplane.nodes.nodes import NodeKey, NodeSpec, ObservedNode

HEAD = "a" * 56


class Fault(Enum):
    """What a request meets instead of its answer."""

    CUT = "the work is done, and the connection breaks off before the answer"
    REFUSE = "the connection breaks off before the work is done"
    HANG = "nothing is ever answered"
    ERROR = "500 with a traceback"
    HTML = "200 with a page that is no JSON"
    MISSING = "404"
    FULL = "429: the head runs as many jobs as it holds"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `cut` is how many bytes of its body are sent before the connection breaks off."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None


Twist = Callable[[str, Answer], Answer]


@dataclass
class FakeJob:
    """A job whose log and status the test writes."""

    submission_id: str
    body: dict[str, Any] = field(default_factory=dict)
    status: str = "RUNNING"
    message: str = ""
    log: bytes = b""
    stoppable: bool = True
    supervisor: bytes = b""  # its supervisor's log
    on_stop: Callable[[], None] = lambda: None
    started: float = field(default_factory=time.time)
    ended: float = 0

    def write(self, data: bytes) -> None:
        """Appends to the log."""
        self.log += data

    def end(self, status: str, message: str = "") -> None:
        """Ends the job."""
        self.message, self.ended, self.status = message, time.time(), status

    def as_json(self) -> dict[str, Any]:
        """The job as `GET /api/jobs/ID` gives it."""
        return {
            "type": "SUBMISSION",
            "submission_id": self.submission_id,
            "job_id": "01000000" if self.status != "PENDING" else None,
            "status": self.status,
            "message": self.message,
            "entrypoint": self.body.get("entrypoint", ""),
            "driver_node_id": HEAD if self.status != "PENDING" else None,
            "runtime_env": self.body.get("runtime_env", {}),
            "start_time": int(self.started * 1000),
            "end_time": int(self.ended * 1000) or None,
        }


def node(pool: str, head: bool = False, **resources: float) -> dict[str, Any]:
    """A node as the state API tells of it."""
    return {
        "node_id": HEAD if head else pool.ljust(56, "b"),
        "state": "ALIVE",
        "is_head_node": head,
        "resources_total": resources,
        "labels": {"pool": pool},
    }


class FakeDashboard:
    """The server; everything that it tells can be set before or while it is asked."""

    def __init__(self) -> None:
        self.ray, self.python = "2.47.1", "3.11.9"
        self.packages: dict[str, str] = {"ray": "2.47.1", "scikit-learn": "1.9.1"}
        self.modules: list[str] = ["ray", "sklearn", "numpy", "google.cloud.storage"]
        self.describes = True
        self.summary: list[dict[str, Any]] = []  # of /nodes
        self.nodes = [
            node("head", head=True),
            node("cpu-worker", CPU=1, memory=2**31),
            node("cpu-worker", CPU=1, memory=2**31),
            node("gpu-worker", CPU=1, GPU=1, simulated_gpu=1, memory=2**31),
        ]
        self.tasks: list[dict[str, Any]] = []  # of /api/v0/tasks, whatever is asked of them
        self.groups: list[dict[str, Any]] = []  # of /api/v0/placement_groups
        self.actors: list[dict[str, Any]] = []  # of /api/v0/actors
        self.files: dict[str, bytes] = {}  # further log files of every node, by name
        self.jobs: dict[str, FakeJob] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.faults: dict[str, list[Fault]] = {}
        self.log_cuts: list[int] = []  # an answer with a log is cut after so many bytes, one entry an answer
        self.token = ""  # the one that it takes; empty: it asks for none
        self.twist: Twist = lambda request, answer: (
            answer
        )  # what becomes of each answer, but for chunked logs
        self.on_submit: Callable[[FakeJob], None] = lambda job: None
        self.closing = threading.Event()
        fake = self

        class Handler(_Handler):
            dashboard = fake

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """The loopback port."""
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        """The dashboard address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeDashboard:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def count(self, start: str) -> int:
        """How many requests began like this."""
        return sum(1 for request in self.requests if request.startswith(start))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news here."""


class _Handler(BaseHTTPRequestHandler):
    dashboard: FakeDashboard
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path}"
        self.dashboard.requests.append(request)
        if self.dashboard.token not in self.headers.get("Authorization", ""):
            return self._reply(401, "Unauthorized", "text/plain")
        fault = self._fault(request)
        try:
            if fault is Fault.HANG:
                self.dashboard.closing.wait()
            elif fault is Fault.ERROR:
                self._reply(
                    500, "Traceback (most recent call last):\n  …\nRuntimeError: out of order", "text/plain"
                )
            elif fault is Fault.HTML:
                self._reply(200, "<html>sign in</html>", "text/html")
            elif fault is Fault.MISSING:
                self._reply(404, "404: Not Found", "text/plain")
            elif fault is Fault.FULL:
                self._reply(
                    429, "The head is already running 16 jobs, the most its memory allows.\n", "text/plain"
                )
            elif fault is not Fault.REFUSE:
                self._answer(body, silent=fault is Fault.CUT)
            if fault in {Fault.CUT, Fault.REFUSE}:
                self._cut()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _fault(self, request: str) -> Fault | None:
        for start, faults in self.dashboard.faults.items():
            if request.startswith(start) and faults:
                return faults.pop(0)
        return None

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, status: int, text: str = "", kind: str = "application/json") -> None:
        answer = Answer(status, text.encode("utf-8", "surrogateescape"), (("Content-Type", kind),))
        answer = self.dashboard.twist(f"{self.command} {self.path}", answer)
        self.send_response(answer.status)
        for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut])
        if answer.cut is not None:
            self._cut()

    def _answer(self, body: bytes, silent: bool) -> None:
        reply: Callable[..., None] = (lambda *_: None) if silent else self._reply
        ray = self.dashboard
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if url.path == "/api/version":
            reply(200, json.dumps({"version": "4", "ray_version": ray.ray, "session_name": "session_1"}))
        elif url.path in {"/api/v0/nodes", "/api/v0/tasks", "/api/v0/placement_groups", "/api/v0/actors"}:
            lists = {
                "nodes": ray.nodes,
                "tasks": ray.tasks,
                "placement_groups": ray.groups,
                "actors": ray.actors,
            }
            told = lists[parts[-1]]
            reply(200, json.dumps({"result": True, "data": {"result": {"result": told}}}))
        elif url.path == "/api/actors/kill":
            name = next(one["name"] for one in ray.actors if one["actor_id"] == query["actor_id"])
            ray.jobs[name.removeprefix("_ray_internal_job_actor_")].end("FAILED", "The actor died.")
            reply(200, json.dumps({"result": True}))
        elif url.path == "/nodes":
            reply(200, json.dumps({"data": {"summary": ray.summary}}))
        elif url.path.startswith("/api/v0/logs/"):
            self._log(parts[-1], query)
        elif parts[:2] == ["api", "packages"]:
            self._package(parts[-1], body, reply)
        elif url.path == "/api/jobs/" and self.command == "POST":
            self._submit(json.loads(body), reply)
        elif url.path == "/api/jobs/":
            reply(200, json.dumps([job.as_json() for job in ray.jobs.values()]))
        elif parts[:2] == ["api", "jobs"]:
            self._job(ray.jobs.get(parts[2]), parts[3:], reply)
        else:
            reply(404, "404: Not Found", "text/plain")

    def _package(self, name: str, body: bytes, reply: Callable[..., None]) -> None:
        if self.command == "PUT":
            self.dashboard.stored[name] = body
            reply(200)
        else:
            reply(200 if name in self.dashboard.stored else 404)

    def _submit(self, body: dict[str, Any], reply: Callable[..., None]) -> None:
        name = body["submission_id"]
        if name in self.dashboard.jobs:
            said = f"ValueError: Job with submission_id {name} already exists. Please use a different submission_id."
            return reply(500, f"RuntimeError: Request failed with status code 400: {said}\n.", "text/plain")
        job = self.dashboard.jobs[name] = FakeJob(name, body)
        self.dashboard.on_submit(job)
        return reply(200, json.dumps({"job_id": name, "submission_id": name}))

    def _job(self, job: FakeJob | None, rest: list[str], reply: Callable[..., None]) -> None:
        if job is None:
            return reply(404, "does not exist", "text/plain")
        if rest == ["logs"]:
            return reply(
                200, json.dumps({"logs": job.log.decode().replace("\r\n", "\n").replace("\r", "\n")})
            )
        if rest == ["stop"]:
            if job.stoppable and job.status in {"PENDING", "RUNNING"}:
                job.end("STOPPED", "Job was intentionally stopped.")
                job.on_stop()
            return reply(200, json.dumps({"stopped": True}))
        return reply(200, json.dumps(job.as_json()))

    def _log(self, media: str, query: dict[str, str]) -> None:
        name = query["filename"]
        if name == "raydock-node.json":
            if not self.dashboard.describes:
                return self._reply(500, f"A file is not found at: /logs/{name}", "text/plain")
            says = {
                "python": self.dashboard.python,
                "ray": self.dashboard.ray,
                "packages": self.dashboard.packages,
                "modules": self.dashboard.modules,
            }
            return self._reply(200, json.dumps(says), "text/plain")
        if name in self.dashboard.files:
            return self._reply(200, self.dashboard.files[name].decode(), "text/plain")
        supervisor = name.startswith("jobs/supervisor-")
        start = "jobs/supervisor-" if supervisor else "job-driver-"
        job = self.dashboard.jobs.get(name.removeprefix(start).removesuffix(".log"))
        if job is None or media != "file":  # a followed stream is never ended by Ray: nobody may open one
            return self._reply(500, f"A file is not found at: /logs/{name}", "text/plain")
        log = last_lines(job.supervisor if supervisor else job.log, int(query["lines"]))
        if supervisor or not self.dashboard.log_cuts:
            return self._reply(200, log.decode("utf-8", "surrogateescape"), "text/plain")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if part := log[: self.dashboard.log_cuts.pop(0)]:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        return self._cut()


@dataclass
class Drivers:
    """Runs the entrypoint of each job of a FakeDashboard in its unpacked working dir, without Ray.

    with FakeDashboard() as ray:
        ray.on_submit = Drivers(ray, folder)
    """

    dashboard: FakeDashboard
    folder: Path

    def __call__(self, job: FakeJob) -> None:
        job.status = "PENDING"
        threading.Thread(target=self.run, args=(job,), daemon=True).start()

    def run(self, job: FakeJob) -> None:
        wanted = job.body.get("runtime_env", {})
        home = self.folder / job.submission_id
        home.mkdir(parents=True)
        if uri := wanted.get("working_dir"):
            name = str(uri).partition("://")[2]
            zipfile.ZipFile(io.BytesIO(self.dashboard.stored[name])).extractall(home)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **wanted.get("env_vars", {})}
        process = subprocess.Popen(
            ["/bin/sh", "-c", job.body["entrypoint"]], cwd=home, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        job.on_stop = lambda: os.killpg(process.pid, signal.SIGKILL)
        job.status = "RUNNING"
        assert process.stdout is not None
        with process.stdout:
            while chunk := os.read(process.stdout.fileno(), 65536):
                job.write(chunk)
        self.ended(job, process.wait())

    def ended(self, job: FakeJob, code: int) -> None:
        """Sets status, message and supervisor log as Ray does (job_supervisor.py, job_manager.py)."""
        line = f"INFO -- Job {job.submission_id} entrypoint command exited with code {code} job_id=01000000\n"
        if job.status == "STOPPED":
            return
        job.supervisor += line.encode()
        last = job.log.decode(errors="replace")[-20_000:]
        failed = (
            f"Job entrypoint command failed with exit code {code}, last available logs (truncated): \n{last}"
        )
        job.end(*(("FAILED", failed) if code else ("SUCCEEDED", "Job finished successfully.")))


def last_lines(log: bytes, count: int) -> bytes:
    """As Ray's log_agent.py has it: -1 is all of them."""
    lines = log.split(b"\n")
    return log if count == -1 else b"\n".join(lines[-count - (lines[-1] == b"") :])


@dataclass
class FakeNodes:
    """Nodes at loopback addresses. What becomes of new ones, and what fails, can be set at any time."""

    becomes: str = "ready"  # of new nodes: made, starting, ready or failed
    fails: dict[str, str] = field(default_factory=dict)  # by verb: why
    there: dict[NodeKey, ObservedNode] = field(default_factory=dict)
    made: list[NodeSpec] = field(default_factory=list)
    removed: list[NodeKey] = field(default_factory=list)

    def turn(self, state: str) -> None:
        """All nodes, and those to come, are in that state."""
        self.becomes = state
        self.there = {key: replace(seen, state=state) for key, seen in self.there.items()}

    holds: int = 2000
    networks: list[str] = field(default_factory=list)

    async def capacity(self) -> int:
        return self.holds

    async def ensure_network(self, cluster: str) -> None:
        self._fail("open")
        if cluster not in self.networks:
            self.networks.append(cluster)

    async def delete_network(self, cluster: str) -> None:
        self._fail("close")
        if cluster in self.networks:
            self.networks.remove(cluster)

    async def networked(self) -> Sequence[str]:
        return list(self.networks)

    async def cloud_addresses(self) -> Sequence[str]:
        return []

    def image(self, node: NodeSpec) -> str:
        return f"fake/{node.role}"

    async def create(self, node: NodeSpec) -> None:
        self._fail("make")
        self.made.append(node)
        address = "127.0.0.1" if node.role == "head" else f"127.0.1.{len(self.made)}"
        known = self.there.get(node.key)
        if known is None or known.state == "made":
            self.there[node.key] = ObservedNode(
                node.key, self.becomes, address, node.principal, "it was told to"
            )

    async def list(self) -> Sequence[ObservedNode]:
        self._fail("list")
        return list(self.there.values())

    async def remove(self, keys: Sequence[NodeKey]) -> None:
        self._fail("remove")
        for key in keys:
            if self.there.pop(key, None):
                self.removed.append(key)

    def _fail(self, verb: str) -> None:
        if verb in self.fails:
            raise NodesFailed(self.fails[verb])
