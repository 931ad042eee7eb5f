"""The lab's certificate authority: made at the first start, trusted inside the containers only.

It may sign names of Google's API domains and no others (name constraints, RFC 5280 4.2.1.10), so that a
stolen key is of no use against anything else.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.identity.tokens import write_private

DOMAINS = ("googleapis.com", "googleusercontent.com", "google.internal")
# A wildcard stands for one label: REGION-aiplatform.googleapis.com, BUCKET.storage.googleapis.com.
NAMES = (
    "*.googleapis.com",
    "*.storage.googleapis.com",
    "*.aiplatform-training.googleusercontent.com",
    "metadata.google.internal",
)
DAYS = 365
USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Authority:
    """Where the certificates are: the authority's own, and one for the names with its key."""

    certificate: Path
    leaf: Path

    def pem(self) -> bytes:
        """What clients have to trust."""
        return self.certificate.read_bytes()

    def server_context(self, protocols: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
        """For a server that answers to the names; it takes the first of `protocols` that a client offers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.leaf)
        context.set_alpn_protocols(list(protocols))
        return context


def load_authority(folder: Path) -> Authority:
    """The authority kept in the folder; a new one where there is none or it ends within a day."""
    authority = Authority(folder / "ca.pem", folder / "leaf.pem")
    if not (authority.certificate.exists() and authority.leaf.exists() and lasts(authority.leaf)):
        certificate, leaf = make()
        write_private(authority.leaf, leaf)
        write_private(authority.certificate, certificate)
    return authority


def lasts(leaf: Path) -> bool:
    from cryptography import x509

    ends = x509.load_pem_x509_certificates(leaf.read_bytes())[0].not_valid_after_utc
    return ends - datetime.datetime.now(datetime.timezone.utc) > datetime.timedelta(days=1)


def make() -> tuple[bytes, bytes]:
    """The authority's certificate, and the key and certificate for the names; the authority's key is dropped."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.timezone.utc)
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def begun(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("raydock lab"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )

    usage = dict.fromkeys(USES, False)
    ca = (
        begun("raydock lab", key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .add_extension(
            x509.NameConstraints([x509.DNSName(domain) for domain in DOMAINS], None), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    leaf = (
        begun("raydock lab cloud", leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ca.public_bytes(pem), private + leaf.public_bytes(pem)
