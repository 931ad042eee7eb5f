"""A real Kubernetes API server on this machine, with KubeRay's definitions.

The server is Debian bookworm's 1.20, built by docker/apiserver.sh and started as in the lab. It has neither controllers
nor a kubelet: `expose` makes a dashboard that already runs on this machine the head of a RayCluster, and
tests/kubecontroller.py runs the pods of one.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cloud.kubernetes.apiserver import certificates, commands, contents
from cloud.kubernetes.apiserver.commands import Listen
from cluster import ports as free_ports
from tests.lab import ROOT, until

BUILD = ROOT / "docker/apiserver.sh"
DEBIAN = Path("/etc/apt/sources.list.d/debian.sources")  # which the build reads
CACHE = Path.home() / ".cache/raydock/kubernetes"
ADMIN, DEVELOPER = "admins-token", "developers-token"
RBAC = "rbac.authorization.k8s.io"
RAY = "/apis/ray.io/v1"
# Metadata of the requests of the developer and of pods.
AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": ["dev"]}, {"level": "None"}],
}


def binaries() -> Path:
    """The folder with kube-apiserver and etcd, from KUBERNETES_BIN or built once."""
    folder = Path(os.environ.get("KUBERNETES_BIN") or CACHE / "bin")
    if not (folder / "kube-apiserver").exists():
        subprocess.run(["bash", str(BUILD), str(folder.parent)], check=True, timeout=3600)
    return folder


def own_address() -> str:
    """This machine's address in its network: the server's proxy refuses loopback addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.connect(("192.0.2.1", 9))  # sends nothing
        return str(found.getsockname()[0])


def needed(*covered: str) -> list[pytest.MarkDecorator]:
    """The marks of tests that need the server. They are nightly; the tests of the gate that cover them are named."""
    return [
        pytest.mark.ray,
        pytest.mark.nightly(*covered),
        pytest.mark.skipif(bool(missing()), reason=missing()),
    ]


def missing() -> str:
    """What has to be set first; "" if nothing has to be."""
    if os.environ.get("RAYDOCK_TEST_KUBE_CONTEXT"):
        return ""
    if not (DEBIAN.exists() or os.environ.get("KUBERNETES_BIN")):
        return "set KUBERNETES_BIN to a folder with kube-apiserver and etcd: they are built on Debian only"
    return ""


@dataclass(frozen=True, slots=True)
class KubeServer:
    """One that runs. `authority` is the file with its certificate, `audit` its log of the developer's requests."""

    port: int
    authority: Path
    admin: httpx.Client
    audit: Path

    def make(self, path: str, body: Any, kind: str = "application/json") -> None:
        """Creates an object."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        reply = self.admin.post(path, headers={"Content-Type": kind}, **content)
        assert reply.status_code == 201, reply.text

    def patch(self, path: str, body: Any) -> None:
        """Merges into an object, or into its status if that is the path's end."""
        headers = {"Content-Type": "application/merge-patch+json"}
        reply = self.admin.patch(path, headers=headers, json=body)
        assert reply.status_code == 200, reply.text

    def kubeconfig(self, path: Path, token: str, port: int = 0, namespace: str = "ray") -> Path:
        """A kubeconfig for the holder of that token, through another port if there is a relay."""
        server = {
            "server": f"https://127.0.0.1:{port or self.port}",
            "certificate-authority": str(self.authority),
        }
        context = {"cluster": "c", "user": "u", "namespace": namespace}
        about = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "real", "context": context}],
        }
        path.write_text(yaml.safe_dump(about))
        return path

    def namespace(self, name: str, *accounts: str) -> None:
        """Creates a namespace with service accounts."""
        self.make("/api/v1/namespaces", {"metadata": {"name": name}})
        for account in accounts:
            self.make(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": account}})

    def grant(self, namespace: str, rules: list[dict[str, Any]]) -> None:
        """Gives the developer these rules in the namespace, and no others."""
        path = f"/apis/{RBAC}/v1/namespaces/{namespace}"
        for kind in ("rolebindings", "roles"):
            assert self.admin.delete(f"{path}/{kind}").status_code == 200
        api = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "submitter"}}
        self.make(f"{path}/roles", {**api, "kind": "Role", "rules": rules})
        subject = {"kind": "User", "name": "dev", "apiGroup": RBAC}
        role = {"kind": "Role", "name": "submitter", "apiGroup": RBAC}
        self.make(
            f"{path}/rolebindings", {**api, "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
        )

    def requests(self, since: int = 0) -> list[tuple[str, str]]:
        """The developer's requests from the `since`th on: verb and resource."""
        found = []
        for line in self.audit.read_text().splitlines()[since:] if self.audit.exists() else ():
            event = json.loads(line)
            asked = event.get("objectRef") or {}
            kind = "/".join(filter(None, [asked.get("resource", ""), asked.get("subresource", "")]))
            found.append((event["verb"], kind))
        return found


@contextmanager
def kube_server(folder: Path) -> Iterator[KubeServer]:
    """Starts etcd and the API server, and defines KubeRay's resources."""
    bin, (store, peer, port) = binaries(), free_ports.pick(3, set())
    certificates.ensure(folder)
    (folder / "tokens.csv").write_text(f"{ADMIN},admin,1,system:masters\n{DEVELOPER},dev,2,developers\n")
    (folder / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
    listen = Listen("127.0.0.1", port, store, peer, own_address())
    audited = [f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]
    with ExitStack() as stack:
        stack.enter_context(process(commands.etcd(bin, folder, listen), folder / "etcd.log"))
        stack.enter_context(
            process([*commands.api_server(bin, folder, listen), *audited], folder / "server.log")
        )
        authority = folder / certificates.CERTIFICATE
        headers = {"Authorization": f"Bearer {ADMIN}"}
        admin = stack.enter_context(
            httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                verify=ssl.create_default_context(cafile=str(authority)),
                headers=headers,
                timeout=60,
            )
        )
        found = KubeServer(port, authority, admin, folder / "audit.log")
        until(lambda: answers(admin, "/readyz"))
        for kind in contents.KINDS:
            definition = contents.definition_of(kind)
            found.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        until(lambda: all(answers(admin, f"/apis/ray.io/v1/{kind}") for kind in contents.KINDS))
        yield found


def answers(client: httpx.Client, path: str) -> bool:
    """Whether a GET succeeds."""
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def process(words: list[Any], log: Path, env: Mapping[str, str] = os.environ) -> Iterator[None]:
    """A process that ends with the block."""
    with log.open("wb") as out:
        started = subprocess.Popen(
            [*map(str, words)], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(env)
        )
    try:
        yield
    finally:
        started.terminate()
        started.wait(timeout=60)


def expose(server: KubeServer, cluster: dict[str, Any], port: int) -> None:
    """Creates a RayCluster whose head is the dashboard at that port of `own_address`, as the operator would."""
    name, space = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    core, clusters = f"/api/v1/namespaces/{space}", f"{RAY}/namespaces/{space}/rayclusters"
    server.make(clusters, {"apiVersion": "ray.io/v1", "kind": "RayCluster", **cluster})
    server.patch(f"{clusters}/{name}/status", {"status": cluster["status"]})
    pod, address = f"{name}-head", own_address()
    spec = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    server.make(f"{core}/pods", {"metadata": {"name": pod, "labels": {"ray.io/cluster": name}}, "spec": spec})
    running = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    server.patch(f"{core}/pods/{pod}/status", {"status": running})
    named, headless = (
        f"{name}-head-svc",
        {"clusterIP": "None", "ports": [{"name": "dashboard", "port": 8265}]},
    )
    server.make(f"{core}/services", {"metadata": {"name": named}, "spec": headless})
    target = {"kind": "Pod", "namespace": space, "name": pod}
    ports = [{"name": "dashboard", "port": port}]
    subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": ports}
    server.make(f"{core}/endpoints", {"metadata": {"name": named}, "subsets": [subset]})
