"""The API server's certificate and the key that signs service accounts' tokens; created at the first start."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cloud.identity.tokens import write_private

CERTIFICATE, KEY = "server.pem", "server.key"
SIGNING_KEY, PUBLIC_KEY = "accounts.key", "accounts.pub"
ADDRESS = "127.0.0.1"
VALID_DAYS = 3650  # a kubeconfig contains the certificate, and `make cluster-down` deletes both


def ensure(folder: Path, *names: str) -> None:
    """Create the files that are missing. `names` are the server's host names besides 127.0.0.1 and localhost."""
    if not (folder / CERTIFICATE).exists():
        certificate, key = issue(("localhost", *names))
        write_private(folder / KEY, key)
        write_private(folder / CERTIFICATE, certificate)
    if not (folder / PUBLIC_KEY).exists():
        key, public = signing_keys()
        write_private(folder / SIGNING_KEY, key)
        write_private(folder / PUBLIC_KEY, public)


def issue(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """A self-signed certificate, which is its own authority, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "raydock Kubernetes")])
    now = datetime.datetime.now(datetime.timezone.utc)
    hosts = [x509.DNSName(one) for one in names]
    found = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address(ADDRESS))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return found.public_bytes(Encoding.PEM), private_bytes(key)


def signing_keys() -> tuple[bytes, bytes]:
    """A key pair for service accounts' tokens."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private_bytes(key), public


def private_bytes(key: object) -> bytes:
    """A private key as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    found: bytes = key.private_bytes(  # type: ignore[attr-defined]
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    return found
