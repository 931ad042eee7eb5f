"""One context of the kubeconfig: where its API server is, and how to authenticate there.

The official client for Python can read kubeconfigs too, but takes 0.3 s of CPU time to import, which each command would
need before its first request.
"""

from __future__ import annotations

import shlex
import ssl
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kuberay import credentials, kubefile
from kuberay.credentials import Credentials
from kuberay.errors import NotConfigured
from raydock.answers import text
from raydock.rayapi.client import trust


@dataclass(slots=True)
class KubeContext:
    """The API server of one context, and its credentials. Thread-safe."""

    name: str
    namespace: str
    login: str  # how to get new credentials
    cluster: Mapping[str, Any] = field(repr=False)  # as the kubeconfig has it
    user: Mapping[str, Any] = field(repr=False)
    credentials: Credentials
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return text(self.cluster.get("server")).rstrip("/")

    @property
    def proxy(self) -> str:
        """The HTTP proxy that the kubeconfig names for this server; "" for none."""
        return text(self.cluster.get("proxy-url"))

    @property
    def flags(self) -> str:
        """The flags of kubectl that select this context and namespace."""
        return f"{self.flag} -n {shlex.quote(self.namespace)}"

    @property
    def own_flags(self) -> str:
        """The flags of our own commands that select this context and namespace."""
        return f"{self.flag} --namespace {shlex.quote(self.namespace)}"

    @property
    def flag(self) -> str:
        """The flag that selects this context."""
        return f"--context {shlex.quote(self.name)}"

    def headers(self) -> dict[str, str]:
        """The header with the token, renewed if it has expired; none if a client certificate authenticates."""
        with self.lock:
            if self.credentials.expired:
                self.credentials = read_credentials(self.user, self.cluster, self.name, self.login)
            found = self.credentials.header
        return {"Authorization": found} if found else {}

    def turned_down(self, rejected: Mapping[str, str]) -> bool:
        """Load the credentials that the server rejected again. Returns whether they have changed."""
        if self.headers() == rejected:
            loaded = load(self.name, self.namespace)
            with self.lock:
                self.credentials = loaded.credentials
        return self.headers() != rejected

    def authority(self) -> str:
        """The certificate that signs the server's, as PEM; "" if the machine trusts it. Raises OSError, ValueError."""
        return credentials.pem(self.cluster, "certificate-authority")

    def ssl_context(self) -> ssl.SSLContext:
        """What is trusted, and the client certificate if there is one. Raises NotConfigured."""
        try:
            authority = self.authority()
            context = ssl.create_default_context(cadata=authority) if authority else trust()
            # Certificate authorities made by Kubernetes lack what Python 3.13 asks for by default.
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
            if self.cluster.get("insecure-skip-tls-verify") is True:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if self.credentials.certificate:
                with tempfile.TemporaryDirectory() as folder:  # which only this user can read
                    pair = Path(folder, "pair.pem")
                    pair.write_text(f"{self.credentials.certificate}\n{self.credentials.key}\n")
                    context.load_cert_chain(pair)
        except (OSError, ValueError) as fault:  # ssl.SSLError too
            raise NotConfigured(
                f"The certificates of context {self.name} can't be used: {reason(fault)}.", self.login
            ) from None
        return context


def load(context: str = "", namespace: str = "") -> KubeContext:
    """The context of that name, or the current one. Runs the context's exec plugin, if it has one.

    Raises NotConfigured if there is no such context, CredentialsRejected if the plugin gives no credentials.
    """
    file = kubefile.load()
    name = file.choose(context)
    about = file.contexts[name]
    cluster, user = file.named("clusters", name), file.named("users", name)
    login = credentials.login_of(user, text(about.get("user")), f"--context {shlex.quote(name)}")
    if not text(cluster.get("server")):
        raise kubefile.unusable(file.path, f"the cluster of context {name} has no server")
    held = read_credentials(user, cluster, name, login)
    space = namespace or text(about.get("namespace")) or "default"
    return KubeContext(name, space, login, cluster, user, held)


def read_credentials(
    user: Mapping[str, Any], cluster: Mapping[str, Any], context: str, login: str
) -> Credentials:
    """The credentials. Raises CredentialsRejected, and NotConfigured for a file that can't be read."""
    try:
        return credentials.read(user, cluster, context)
    except (OSError, ValueError) as fault:
        raise NotConfigured(
            f"The credentials of context {context} can't be read: {reason(fault)}.", login
        ) from None


def reason(fault: OSError | ValueError) -> str:
    """Why a file can't be used, with its name."""
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault).rstrip(".")
