"""A real Kubernetes API server on this machine, with KubeRay's definitions, and what a controller would do there.

The server is Debian bookworm's 1.20, built by tests/integration/apiserver.sh. It has no kubelet: the head pod of
a RayCluster stands for a dashboard that already runs on this machine.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from cluster import ports
from tests import kuberaydata
from tests.lab import ROOT, until

BUILD = ROOT / "tests/integration/apiserver.sh"
DEBIAN = Path("/etc/apt/sources.list.d/debian.sources")  # which the build reads
CACHE = Path.home() / ".cache/raydock/kubernetes"
ADMIN, DEVELOPER = "admins-token", "developers-token"


def definitions() -> Path:
    """The folder with KubeRay's definitions."""
    return kuberaydata.DATA


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


@dataclass(frozen=True, slots=True)
class KubeServer:
    """One that runs. `authority` is the file with its certificate."""

    port: int
    authority: Path
    admin: httpx.Client

    def make(self, path: str, body: Any, kind: str = "application/json") -> None:
        """Creates an object."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        reply = self.admin.post(path, headers={"Content-Type": kind}, **content)
        assert reply.status_code == 201, reply.text

    def patch_status(self, path: str, status: Any) -> None:
        """Sets an object's status, as its controller does."""
        headers = {"Content-Type": "application/merge-patch+json"}
        reply = self.admin.patch(f"{path}/status", headers=headers, json={"status": status})
        assert reply.status_code == 200, reply.text

    def kubeconfig(self, path: Path, token: str, port: int = 0) -> Path:
        """A kubeconfig for the holder of that token, through another port if there is a relay."""
        server = {
            "server": f"https://127.0.0.1:{port or self.port}",
            "certificate-authority": str(self.authority),
        }
        about = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "real", "context": {"cluster": "c", "user": "u", "namespace": "ray"}}],
        }
        path.write_text(yaml.safe_dump(about))
        return path

    def grant(self, rules: list[dict[str, Any]]) -> None:
        """Gives the developer these rules in the namespace, and no others."""
        rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/ray"
        self.admin.delete(f"{rbac}/roles/submitter")
        self.admin.delete(f"{rbac}/rolebindings/submitter")
        api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "submitter"}}
        self.make(f"{rbac}/roles", {**api, "kind": "Role", "rules": rules})
        subject = {"kind": "User", "name": "dev", "apiGroup": "rbac.authorization.k8s.io"}
        role = {"kind": "Role", "name": "submitter", "apiGroup": "rbac.authorization.k8s.io"}
        self.make(
            f"{rbac}/rolebindings", {**api, "kind": "RoleBinding", "subjects": [subject], "roleRef": role}
        )


@contextmanager
def kube_server(folder: Path) -> Iterator[KubeServer]:
    """Starts etcd and the API server, and defines KubeRay's resources."""
    bin, (store, peer, port) = binaries(), ports.pick(3, set())
    for words in (
        ["genrsa", "-out", "sa.key", "2048"],
        ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"],
    ):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)
    (folder / "tokens.csv").write_text(f"{ADMIN},admin,1,system:masters\n{DEVELOPER},dev,2,developers\n")
    url, members = f"http://127.0.0.1:{store}", f"http://127.0.0.1:{peer}"
    etcd = [
        bin / "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", url, "--advertise-client-urls", url,
        "--listen-peer-urls", members, "--initial-advertise-peer-urls", members,
        "--initial-cluster", f"default={members}", "--unsafe-no-fsync",
    ]  # fmt: skip
    server = [
        bin / "kube-apiserver", f"--etcd-servers={url}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder / 'certs'}", f"--advertise-address={own_address()}", "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={folder / 'sa.key'}", f"--service-account-key-file={folder / 'sa.pub'}",
        "--disable-admission-plugins=ServiceAccount", "--enable-priority-and-fairness=false",
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(process(etcd, folder / "etcd.log"))
        stack.enter_context(process(server, folder / "server.log"))
        authority = folder / "certs/apiserver.crt"
        until(authority.exists)
        headers = {"Authorization": f"Bearer {ADMIN}"}
        admin = stack.enter_context(
            httpx.Client(
                base_url=f"https://127.0.0.1:{port}", verify=trusting(authority), headers=headers, timeout=60
            )
        )
        found = KubeServer(port, authority, admin)
        until(lambda: answers(admin, "/readyz"))
        for kind in kuberaydata.KINDS:
            definition = kuberaydata.definition_of(kind)
            found.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        until(lambda: all(answers(admin, f"/apis/ray.io/v1/{kind}") for kind in kuberaydata.KINDS))
        yield found


def trusting(authority: Path) -> Any:
    """A TLS context that trusts the server's own certificate."""
    import ssl

    return ssl.create_default_context(cafile=str(authority))


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


def run_cluster(server: KubeServer, cluster: dict[str, Any], port: int) -> None:
    """Creates a namespace with a RayCluster, and what the operator makes of it: the head's dashboard is at `port`."""
    name, core = cluster["metadata"]["name"], "/api/v1/namespaces/ray"
    server.make("/api/v1/namespaces", {"metadata": {"name": "ray"}})
    for account in ("ray-head", "default"):
        server.make(f"{core}/serviceaccounts", {"metadata": {"name": account}})
    api = {"apiVersion": "ray.io/v1", "kind": "RayCluster"}
    server.make("/apis/ray.io/v1/namespaces/ray/rayclusters", {**api, **cluster})
    server.patch_status(f"/apis/ray.io/v1/namespaces/ray/rayclusters/{name}", cluster["status"])
    spec = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    pod = f"{name}-head"
    server.make(f"{core}/pods", {"metadata": {"name": pod, "labels": {"ray.io/cluster": name}}, "spec": spec})
    address = own_address()
    running = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    server.patch_status(f"{core}/pods/{pod}", running)
    service = f"{name}-head-svc"
    named = {"metadata": {"name": service}}
    headless = {"clusterIP": "None", "ports": [{"name": "dashboard", "port": 8265}]}
    server.make(f"{core}/services", {**named, "spec": headless})
    target = {"kind": "Pod", "namespace": "ray", "name": pod}
    subset = {
        "addresses": [{"ip": address, "targetRef": target}],
        "ports": [{"name": "dashboard", "port": port}],
    }
    server.make(f"{core}/endpoints", {**named, "subsets": [subset]})
