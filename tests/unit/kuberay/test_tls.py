"""The API server's certificate and the caller's, as a kubeconfig names them."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kuberay import kubeconfig
from kuberay.client import KubeClient
from kuberay.errors import NotConfigured
from raydock.errors import Unreachable
from raydock.rayapi.dashboard import Dashboard
from submit.targets import TargetOptions
from submit.targets.kuberay import KuberayTarget
from tests.fakekube import FakeKube, write_kubeconfig
from tests.fakes import FakeDashboard


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that signs itself, as an API server makes one at its first start, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate, key_file = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(made.public_bytes(pem))
    key_file.write_bytes(private)
    return certificate, key_file


@pytest.fixture
def kube(pair: tuple[Path, Path]) -> Iterator[FakeKube]:
    """A server that only talks to holders of a certificate that it trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.load_verify_locations(pair[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with FakeDashboard() as ray, FakeKube(ray.port, context) as fake:
        fake.token = ""
        yield fake


def test_a_client_certificate_authenticates_every_request(
    kube: FakeKube, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = (base64.b64encode(path.read_bytes()).decode() for path in pair)
    config = pair[0].parent / "config"
    user = {"client-certificate-data": certificate, "client-key-data": key}
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(config, kube.url, "server.crt", **user)))

    async def version() -> object:
        async with Dashboard(KuberayTarget(TargetOptions(cluster="lab"))) as dashboard:
            return (await dashboard.version())["ray_version"]

    assert asyncio.run(version()) == "2.47.1"


def test_a_certificate_that_is_not_trusted_is_reported(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", kube.url)))
    with KubeClient(kubeconfig.load()) as client, pytest.raises(Unreachable) as caught:
        client.get("/version")
    assert caught.value.message == (
        f"The cluster at {kube.url} does not answer: its certificate is not trusted here (self-signed certificate)."
    )
    assert caught.value.fix == "kubectl --context lab cluster-info"


def test_a_file_that_is_no_certificate_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.crt").write_text("nothing")
    config = write_kubeconfig(tmp_path / "config", "https://192.0.2.1", "ca.crt")
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(NotConfigured, match="The certificates of context lab can't be used: "):
        KubeClient(kubeconfig.load())
