"""A Kubernetes API server as far as `--target kuberay` uses it, with a dashboard behind its service proxy.

with FakeDashboard() as ray, FakeKube(ray.port) as kube:
    kube.denied.add("create services/proxy")
    kube.clusters["lab"]["spec"]["suspend"] = True
    kube.cuts = [100]                            # the next log breaks off after 100 bytes
    write_kubeconfig(path, kube.url)

Its refusals are those of a real server, as the nightly test sees them.
"""

from __future__ import annotations

import copy
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
CREATED = "2026-11-26T00:00:00Z"
TOKEN = "secret"


def group(name: str, account: str = "", **limits: str) -> dict[str, Any]:
    """A worker group, or the head's part of a spec."""
    pod: dict[str, Any] = {"containers": [{"name": "ray", "image": "rayproject/ray:2.47.1"}]}
    pod["containers"][0]["resources"] = {"limits": limits}
    if account:
        pod["serviceAccountName"] = account
    worker = {"groupName": name, "replicas": 1, "minReplicas": 0, "maxReplicas": 3} if name != "head" else {}
    return {**worker, "rayStartParams": {}, "template": {"spec": pod}}


def raycluster(name: str = "lab", namespace: str = "ray", **spec: Any) -> dict[str, Any]:
    """A RayCluster that is ready."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "creationTimestamp": CREATED,
        },
        "spec": {
            "rayVersion": "2.47.1",
            "headGroupSpec": group("head", "ray-head"),
            "workerGroupSpecs": [group("cpu-worker", cpu="1", memory="2Gi")],
            **spec,
        },
        "status": {
            "state": "ready",
            "head": {"serviceName": f"{name}-head-svc"},
            "conditions": [
                {
                    "type": "HeadPodReady",
                    "status": "True",
                    "reason": "HeadPodRunningAndReady",
                    "message": "",
                    "lastTransitionTime": CREATED,
                }
            ],
        },
    }


def write_kubeconfig(path: Path, server: str, authority: str = "", **more: Any) -> Path:
    """A kubeconfig with the contexts `lab`, which is current, and `other`; `more` are fields of the user.

    authority: the file with the server's certificate, relative to the kubeconfig.
    """
    user = more or {"token": TOKEN}
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "jane", "namespace": namespace}}
        for name, namespace in (("lab", "ray"), ("other", "elsewhere"))
    ]
    about = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": server, **({"certificate-authority": authority} if authority else {})},
            }
        ],
        "users": [{"name": "jane", "user": user}],
        "contexts": contexts,
    }
    path.write_text(yaml.safe_dump(about))
    return path


class FakeKube:
    """The server; everything that it tells can be set before or while it is asked."""

    def __init__(self, dashboard: int, tls: ssl.SSLContext | None = None) -> None:
        self.dashboard = dashboard  # its port
        self.token = TOKEN  # "" if client certificates authenticate
        self.user = "jane"
        self.kuberay = True
        self.namespaces = {"ray"}
        self.clusters = {"lab": raycluster()}
        self.accounts: dict[str, dict[str, str]] = {"ray-head": {}, "default": {}}  # annotations by name
        self.pods: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.denied: set[str] = set()  # "create services/proxy"
        self.endpoints = True  # whether a pod is behind the head's service
        self.lost: dict[str, int] = {}  # how many answers to proxied requests are lost, by method
        self.cuts: list[int] = []  # a log is cut after so many bytes of its response, one entry a response
        self.requests: list[str] = []
        self.reviewed: list[tuple[str, str]] = []  # verb and name of each access review
        self.proxied_headers: list[dict[str, str]] = []
        self.conflicts: list[tuple[str, str]] = []  # field managers and their fields, for server-side apply
        self.operator: Callable[[dict[str, Any]], object] = operate  # called with a changed cluster
        self.jobs: dict[str, dict[str, Any]] = {}  # RayJobs
        self.pruned: set[str] = set()  # fields of a RayJob's spec that its definition lacks
        self.job_operator: Callable[[FakeKube, dict[str, Any]], object] = start_job
        self.on_read: Callable[[], object] = lambda: None  # called when the cluster's object is read
        fake = self

        class Handler(_Handler):
            kube = fake

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> FakeKube:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def operate(cluster: dict[str, Any]) -> None:
    """Sets the status of a cluster whose pods all run, as the operator does."""
    about, wanted = cluster["metadata"], sum(one["replicas"] for one in cluster["spec"]["workerGroupSpecs"])
    counts = dict.fromkeys(
        ("desiredWorkerReplicas", "availableWorkerReplicas", "readyWorkerReplicas"), wanted
    )
    cluster["status"] = {
        **raycluster(about["name"])["status"],
        "observedGeneration": about["generation"],
        **counts,
    }


def start_job(kube: FakeKube, job: dict[str, Any]) -> None:
    """Creates the cluster of a RayJob, and takes over the id of its submission, as the operator does."""
    name = f"{job['metadata']['name']}-abcde"
    if not job.get("status"):
        made = raycluster(name, **job["spec"]["rayClusterSpec"])
        made["metadata"]["labels"] = job["metadata"].get("labels", {})
        owner = {"kind": "RayJob", "name": job["metadata"]["name"], "controller": True}
        made["metadata"]["ownerReferences"] = [owner]
        kube.clusters[name] = made
    waits = "Waiting" if "jobId" not in job["spec"] else "Running"
    job["status"] = {"rayClusterName": name, "jobDeploymentStatus": waits}


def applied(found: dict[str, Any] | None, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """The object after server-side apply of our whole manifest."""
    before = copy.deepcopy(found or {"metadata": {"uid": f"uid-{name}", "creationTimestamp": CREATED}})
    labels = {**before["metadata"].get("labels", {}), **body["metadata"].get("labels", {})}
    about = {**before["metadata"], **body["metadata"], **({"labels": labels} if labels else {})}
    return {**before, **body, "metadata": about, "spec": {**before.get("spec", {}), **body["spec"]}}


def patch(found: dict[str, Any], operation: dict[str, Any]) -> bool:
    """Does one operation of a JSON Patch; False if its test fails."""
    *path, last = operation["path"].strip("/").split("/")
    where: Any = found
    for key in path:
        where = where[int(key)] if isinstance(where, list) else where.setdefault(key, {})
    if operation["op"] == "test":
        return bool(where.get(last) == operation["value"])
    where[last] = operation["value"]
    return True


class _Handler(BaseHTTPRequestHandler):
    kube: FakeKube
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Keeps quiet."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kube, url = self.kube, urlsplit(self.path)
        kube.requests.append(f"{self.command} {self.path}")
        if kube.token and self.headers.get("Authorization") != f"Bearer {kube.token}":
            return self._status(401, "Unauthorized")
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:2] == ["apis", "authorization.k8s.io"]:
            return self._review(json.loads(body)["spec"]["resourceAttributes"])
        if parts[:2] == ["apis", "authentication.k8s.io"]:
            return self._json({"status": {"userInfo": {"username": kube.user}}}, 201)
        if parts[:3] == ["api", "v1", "namespaces"] and len(parts) == 4:
            return self._found("namespaces", parts[3] in kube.namespaces, parts[3], {})
        base = 3 if parts[0] == "api" else 4
        namespace, kind, *rest = parts[base - 1 + (parts[base - 1] == "namespaces") :]
        proxied = rest[1:2] == ["proxy"]
        return self._object(
            namespace, kind + ("/proxy" if proxied else ""), rest, parse_qs(url.query), url, body
        )

    def _object(
        self, namespace: str, kind: str, rest: list[str], query: dict[str, list[str]], url: Any, body: bytes
    ) -> None:
        kube = self.kube
        verb = VERBS[self.command] if rest else "list"
        if f"{verb} {kind}" in kube.denied or f"{verb} {kind}.ray.io" in kube.denied:
            return self._forbidden(verb, kind, namespace)
        here = namespace in kube.namespaces
        if kind == "rayclusters":
            if not kube.kuberay:
                return self._status(404, "the server could not find the requested resource")
            if self.command in ("PATCH", "DELETE"):
                return self._change(kube.clusters, "rayclusters", rest[0], query, body)
            kube.on_read()
            if not rest:
                return self._json({"items": list(kube.clusters.values()) if here else []})
            found = kube.clusters.get(rest[0]) if here else None
            return self._found("rayclusters.ray.io", found is not None, rest[0], found)
        if kind == "rayjobs":
            if self.command in ("PATCH", "DELETE"):
                return self._change(kube.jobs, "rayjobs", rest[0], query, body)
            return self._found("rayjobs.ray.io", rest[0] in kube.jobs, rest[0], kube.jobs.get(rest[0]))
        if kind == "serviceaccounts":
            notes = kube.accounts.get(rest[0])
            return self._found(kind, notes is not None, rest[0], {"metadata": {"annotations": notes}})
        if kind in ("pods", "events"):
            return self._json({"items": kube.pods if kind == "pods" else kube.events})
        return self._proxy(url.path.split("/proxy", 1)[1] + (f"?{url.query}" if url.query else ""), body)

    def _change(
        self, store: dict[str, Any], kind: str, name: str, query: dict[str, list[str]], body: bytes
    ) -> None:
        """Server-side apply, JSON Patch or deletion of an object."""
        kube, found = self.kube, store.get(name)
        if self.command == "DELETE":
            if found is not None:
                del store[name]
            return self._found(f"{kind}.ray.io", found is not None, name, {"status": "Success"})
        if self.headers["Content-Type"] == "application/json-patch+json":
            if found is None:
                return self._status(404, f'{kind}.ray.io "{name}" not found')
            if not all(patch(found, one) for one in json.loads(body)):
                return self._status(422, "the server rejected our request due to an error in our request")
        else:
            if kube.conflicts and "force" not in query:
                return self._conflict()
            found = applied(found, name, json.loads(body))
            for field in kube.pruned:
                found["spec"].pop(field, None)
            if "dryRun" in query:
                return self._json(found)
            store[name] = found
        found["metadata"]["generation"] = found["metadata"].get("generation", 0) + 1
        kube.operator(found) if kind == "rayclusters" else kube.job_operator(kube, found)
        return self._json(found)

    def _conflict(self) -> None:
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f'conflict with "{manager}" using ray.io/v1',
                "field": field,
            }
            for manager, field in self.kube.conflicts
        ]
        about = {"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}
        message = f"Apply failed with {len(causes)} conflicts"
        self._json({**about, "message": message, "details": {"causes": causes}}, 409)

    def _review(self, asked: dict[str, str]) -> None:
        resource = asked["resource"] + (f".{asked['group']}" if asked.get("group") else "")
        self.kube.reviewed.append((asked["verb"], asked.get("name", "")))
        wanted = f"{asked['verb']} {resource}" + (
            f"/{asked['subresource']}" if asked.get("subresource") else ""
        )
        allowed = asked["namespace"] in self.kube.namespaces and wanted not in self.kube.denied
        self._json({"status": {"allowed": allowed}}, 201)

    def _proxy(self, path: str, body: bytes) -> None:
        kube = self.kube
        if not kube.endpoints:
            return self._status(503, 'no endpoints available for service "lab-head-svc:dashboard"')
        passed = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        kube.proxied_headers.append(passed)
        behind = http.client.HTTPConnection("127.0.0.1", kube.dashboard, timeout=30)
        try:
            behind.request(self.command, path, body or None, passed)
            reply = behind.getresponse()
            answer = reply.read()
        except (OSError, http.client.HTTPException) as fault:
            return self._status(503, f"error trying to reach service: {fault}")
        finally:
            behind.close()
        if kube.lost.get(self.command):
            kube.lost[self.command] -= 1
            return self._status(503, "error trying to reach service: EOF")
        cut = None
        if "/logs" in path and "job-driver" in path and kube.cuts and len(answer) > kube.cuts[0]:
            cut = kube.cuts.pop(0)
        return self._reply(
            reply.status, answer, reply.headers.get("Content-Type") or "application/octet-stream", cut
        )

    def _found(self, kind: str, there: bool, name: str, value: Any) -> None:
        if not there:
            return self._status(404, f'{kind} "{name}" not found')
        return self._json(value)

    def _forbidden(self, verb: str, kind: str, namespace: str) -> None:
        self._status(
            403,
            f'{kind} is forbidden: User "{self.kube.user}" cannot {verb} resource "{kind}" in API group "" '
            f'in the namespace "{namespace}"',
        )

    def _status(self, code: int, message: str) -> None:
        self._json({"kind": "Status", "status": "Failure", "message": message, "code": code}, code)

    def _json(self, value: Any, code: int = 200) -> None:
        self._reply(code, json.dumps(value).encode(), "application/json")

    def _reply(self, code: int, body: bytes, kind: str, cut: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
