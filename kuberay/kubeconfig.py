"""One context of the kubeconfig: where its API server is, and how to authenticate there.

The official client reads the file (merging, certificates, exec plugins); it takes half a second to import, so only
this module imports it, when a cluster is first looked up. All requests are sent by httpx.
"""

from __future__ import annotations

import logging
import os
import shlex
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kuberay.errors import CredentialsRejected, NotConfigured
from raydock.rayapi.client import trust

DEFAULT_FILE = "~/.kube/config"
CREATE = "gcloud container clusters get-credentials CLUSTER --region REGION, or: export KUBECONFIG=FILE"
MALFORMED = (TypeError, KeyError, AttributeError)  # what the client raises for a file of another form
# How to log in again, by the name of the exec plugin.
LOGINS = {
    "gke-gcloud-auth-plugin": "gcloud auth login",
    "gcloud": "gcloud auth login",
    "aws": "aws sso login",
    "aws-iam-authenticator": "aws sso login",
    "kubelogin": "az login",
}


@dataclass(slots=True)
class KubeContext:
    """The API server of one context, and its credentials. Thread-safe."""

    name: str
    namespace: str
    user: str
    login: str  # how to get new credentials
    configuration: Any = field(repr=False)  # kubernetes.client.Configuration
    proxy: str = ""  # the HTTP proxy that the kubeconfig names for this server
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.configuration.host).rstrip("/")

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
        with self.lock, exec_errors(self):
            value = self.configuration.auth_settings().get("BearerToken", {}).get("value")
        return {"Authorization": str(value)} if value else {}

    def turned_down(self, rejected: Mapping[str, str]) -> bool:
        """Load the credentials that the server rejected again. Returns whether they have changed."""
        if self.headers() == rejected:
            loaded = load(self.name, self.namespace)
            with self.lock:
                self.configuration = loaded.configuration
        return self.headers() != rejected

    def ssl_context(self) -> ssl.SSLContext:
        """What is trusted, and the client certificate if there is one. Raises NotConfigured."""
        found = self.configuration
        try:
            context = ssl.create_default_context(cafile=found.ssl_ca_cert) if found.ssl_ca_cert else trust()
            # Certificate authorities made by Kubernetes lack what Python 3.13 asks for by default.
            context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
            if not found.verify_ssl:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if found.cert_file:
                context.load_cert_chain(found.cert_file, found.key_file)
        except OSError as fault:  # ssl.SSLError too
            raise NotConfigured(
                f"The certificates of context {self.name} can't be used: {fault.strerror or fault}.",
                self.login,
            ) from None
        return context


def load(context: str = "", namespace: str = "") -> KubeContext:
    """The context of that name, or the current one. Runs the context's exec plugin, if it has one.

    Raises NotConfigured if there is no such context, CredentialsRejected if the plugin gives no credentials.
    """
    library = import_library()
    path = os.environ.get("KUBECONFIG") or DEFAULT_FILE
    if not any(Path(one).expanduser().exists() for one in path.split(os.pathsep) if one):
        raise NotConfigured(f"There is no kubeconfig: {path} does not exist.", CREATE)
    try:
        merged = library.KubeConfigMerger(path).config
        names = [one["name"] for one in merged["contexts"].value]
        chosen = context or merged.value.get("current-context") or ""
        if chosen not in names:
            raise unknown_context(chosen, names, path)
        return read(library, merged, chosen, namespace)
    except (library.ConfigException, library.yaml.YAMLError, OSError, ValueError, *MALFORMED) as fault:
        raise unreadable(path, fault) from None


def read(library: Any, merged: Any, context: str, namespace: str) -> KubeContext:
    """One context of the merged files. Raises CredentialsRejected, and whatever the client raises."""
    # Without a base path, relative paths are relative to the file that holds them.
    loader = library.KubeConfigLoader(config_dict=merged, active_context=context, config_base_path=None)
    about = loader.current_context["context"]
    user = str(about.get("user") or "")
    found = KubeContext(
        context,
        namespace or str(about.get("namespace") or "default"),
        user,
        login_of(merged, user),
        library.Configuration(),
    )
    with exec_errors(found):
        loader.load_and_set(found.configuration)
    # The client's own value may be the environment's proxy, which httpx knows already, and when not to use it.
    return replace(found, proxy=str(getattr(loader, "proxy", "") or ""))


def unreadable(path: str, fault: Exception) -> NotConfigured:
    """The error for an invalid kubeconfig."""
    why = " ".join(str(fault).removeprefix("Invalid kube-config file. ").split())[:300]
    return NotConfigured(f"The kubeconfig {path} can't be used: {why.rstrip('.')}.", CREATE)


def unknown_context(context: str, names: list[str], path: str) -> NotConfigured:
    """The error for a context that the kubeconfig does not have."""
    listed = ", ".join(names) or "none"
    if not context:
        return NotConfigured(
            f"The kubeconfig {path} has no current context; its contexts: {listed}.",
            f"add --context {shlex.quote(names[0])}" if names else CREATE,
        )
    return NotConfigured(
        f"There is no context {context} in the kubeconfig {path}; its contexts: {listed}.",
        f"--context {shlex.quote(names[0])}" if names else CREATE,
    )


def login_of(merged: Any, user: str) -> str:
    """How the user gets new credentials."""
    found = merged["users"].get_with_name(user, safe=True)
    about = found.safe_get("user") if found else None
    plugin = str(about["exec"]["command"]) if about and "exec" in about else ""
    if not plugin:
        return f"renew the credentials of user {user} in the kubeconfig"
    return f"log in again: {LOGINS.get(Path(plugin).name, plugin)}"


@contextmanager
def exec_errors(context: KubeContext) -> Iterator[None]:
    """Raises CredentialsRejected if an exec plugin fails: the client only logs that, with the root logger."""
    seen: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    handler, root = Handler(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
    failed = [one for one in seen if one.startswith("exec: ") or "No such file" in one]
    if failed:
        why = " ".join(failed[-1].removeprefix("exec: ").split())[:300].rstrip(".")
        raise CredentialsRejected(
            f"The plugin of context {context.name} gave no credentials: {why}.", context.login
        )


def import_library() -> Any:
    """The official client's module for kubeconfigs. Raises NotConfigured if it is not installed."""
    try:
        from kubernetes.config import kube_config
    except ImportError:
        raise NotConfigured(
            "The Kubernetes client for Python is not installed.", "pip install kubernetes"
        ) from None
    return kube_config
