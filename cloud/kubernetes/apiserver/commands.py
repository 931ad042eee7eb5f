"""The command lines of etcd 3.4 and kube-apiserver 1.20, which docker/apiserver.sh builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloud.kubernetes.apiserver import certificates, credentials


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the servers listen. etcd is on loopback; `advertise` is an address of this host that is not."""

    address: str
    port: int
    etcd: int
    peers: int
    advertise: str


def etcd(programs: Path, folder: Path, listen: Listen) -> list[str]:
    """etcd, with its data in `folder`. It has no authentication, so it listens on loopback."""
    url, peers = f"http://127.0.0.1:{listen.etcd}", f"http://127.0.0.1:{listen.peers}"
    return [
        str(programs / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]


def api_server(programs: Path, folder: Path, listen: Listen) -> list[str]:
    """The API server. Every caller needs a token, and RBAC decides what it may do.

    The admission plugin ServiceAccount is off, because pods get no token. No endpoint reconciler: nothing in the lab
    calls the service `kubernetes`.
    """
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{listen.etcd}",
        f"--bind-address={listen.address}",
        f"--secure-port={listen.port}",
        f"--cert-dir={folder / 'certs'}",
        f"--tls-cert-file={folder / certificates.CERTIFICATE}",
        f"--tls-private-key-file={folder / certificates.KEY}",
        f"--advertise-address={listen.advertise}",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--token-auth-file={folder / credentials.TOKENS}",
        "--anonymous-auth=false",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={folder / certificates.SIGNING_KEY}",
        f"--service-account-key-file={folder / certificates.PUBLIC_KEY}",
        "--disable-admission-plugins=ServiceAccount",
        "--enable-priority-and-fairness=false",
        "--profiling=false",
    ]
