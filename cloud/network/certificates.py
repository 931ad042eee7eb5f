"""The lab's certificate authority: created at the first start and trusted only inside the containers.

Name constraints (RFC 5280 4.2.1.10) restrict it to Google's API domains, so a stolen key is useless anywhere else.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.identity.tokens import write_private

DOMAINS = ("googleapis.com", "googleusercontent.com", "google.internal")
# A wildcard matches one label: REGION-aiplatform.googleapis.com, BUCKET.storage.googleapis.com.
NAMES = (
    "*.googleapis.com",
    "*.storage.googleapis.com",
    "*.aiplatform-training.googleusercontent.com",
    "metadata.google.internal",
)
VALID_DAYS = 365
KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Authority:
    """The certificate files: the authority's own certificate, and the server certificate with its key."""

    certificate: Path
    leaf: Path

    def pem(self) -> bytes:
        """The CA certificate that clients must trust."""
        return self.certificate.read_bytes()

    def server_context(self, protocols: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext:
        """The TLS context for a server. It selects the first of `protocols` that the client offers."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.leaf)
        context.set_alpn_protocols(list(protocols))
        return context


def load_authority(folder: Path) -> Authority:
    """Load the authority saved in a folder. Creates a new one if there is none or it expires within a day."""
    authority = Authority(folder / "ca.pem", folder / "leaf.pem")
    if not (authority.certificate.exists() and authority.leaf.exists() and is_current(authority.leaf)):
        certificate, leaf = issue()
        write_private(authority.leaf, leaf)
        write_private(authority.certificate, certificate)
    return authority


def is_current(leaf: Path) -> bool:
    """Whether a certificate is valid for more than one more day."""
    from cryptography import x509

    expires = x509.load_pem_x509_certificates(leaf.read_bytes())[0].not_valid_after_utc
    return expires - datetime.datetime.now(datetime.timezone.utc) > datetime.timedelta(days=1)


def issue() -> tuple[bytes, bytes]:
    """A new CA certificate, and a server key with its certificate. The CA's own key is discarded."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.timezone.utc)
    key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("raydock lab"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )

    usage = dict.fromkeys(KEY_USAGES, False)
    ca = (
        builder("raydock lab", key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .add_extension(
            x509.NameConstraints([x509.DNSName(domain) for domain in DOMAINS], None), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    leaf = (
        builder("raydock lab cloud", leaf_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ca.public_bytes(pem), private + leaf.public_bytes(pem)
