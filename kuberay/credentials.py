"""What authenticates requests to an API server: a token, a client certificate, or what a plugin gives.

Source: kubernetes/client-go, `rest/config.go`, `plugin/pkg/client/auth/exec/exec.go`, and
https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kuberay.cluster import seconds_of
from kuberay.errors import CredentialsRejected
from raydock.answers import mapping, rows, text, texts

TOKEN_FILE_SECONDS = 60  # after which a token file is read again, as kubectl does
PLUGIN_SECONDS = 600  # a plugin may open a browser to log in
# How to log in again, by the name of the plugin.
LOGINS = {
    "gke-gcloud-auth-plugin": "gcloud auth login",
    "gcloud": "gcloud auth login",
    "aws": "aws sso login",
    "aws-iam-authenticator": "aws sso login",
    "kubelogin": "az login",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Authorization header, or a certificate and its key as PEM; "" for none. `expires`: seconds since 1970."""

    header: str = field(default="", repr=False)
    certificate: str = ""
    key: str = field(default="", repr=False)
    expires: float = 0.0  # 0: never

    @property
    def expired(self) -> bool:
        """Whether they have to be read again."""
        return 0 < self.expires <= time.time()


def read(user: Mapping[str, Any], cluster: Mapping[str, Any], context: str) -> Credentials:
    """The credentials of a kubeconfig's user. Runs its plugin, if it has one.

    Raises CredentialsRejected if the plugin gives none, and OSError or ValueError for unusable files.
    """
    certificate, key = pem(user, "client-certificate"), pem(user, "client-key")
    if file := text(user.get("tokenFile")):
        token = Path(file).read_text(encoding="utf-8").strip()
        return Credentials(f"Bearer {token}", certificate, key, time.time() + TOKEN_FILE_SECONDS)
    if token := text(user.get("token")):
        return Credentials(f"Bearer {token}", certificate, key)
    if provider := mapping(user.get("auth-provider")):
        return provided(provider, context)
    if plugin := mapping(user.get("exec")):
        return run(plugin, cluster, context)
    if name := text(user.get("username")):
        pair = base64.b64encode(f"{name}:{text(user.get('password'))}".encode()).decode()
        return Credentials(f"Basic {pair}", certificate, key)
    return Credentials("", certificate, key)


def pem(entry: Mapping[str, Any], name: str) -> str:
    """A certificate or key that an entry has as data or in a file; "" for none. Raises OSError or ValueError."""
    if data := text(entry.get(f"{name}-data")):
        return base64.b64decode(data).decode()
    return Path(path).read_text(encoding="utf-8") if (path := text(entry.get(name))) else ""


def provided(provider: Mapping[str, Any], context: str) -> Credentials:
    """The token that kubectl keeps in the kubeconfig for OpenID Connect, and renews there."""
    name = text(provider.get("name"))
    token = text(mapping(provider.get("config")).get("id-token"))
    if name != "oidc" or not token:
        raise CredentialsRejected(
            f"Context {context} uses the auth provider {name or 'without a name'}, of which only oidc is supported.",
            "replace it by a plugin, such as: gcloud container clusters get-credentials CLUSTER --region REGION",
        )
    return Credentials(f"Bearer {token}")


def run(plugin: Mapping[str, Any], cluster: Mapping[str, Any], context: str) -> Credentials:
    """Run an exec plugin. Raises CredentialsRejected."""
    try:
        status = mapping(mapping(json.loads(output_of(plugin, cluster, context))).get("status"))
    except ValueError:
        raise no_credentials(plugin, context, "its answer is not JSON") from None
    token, certificate = text(status.get("token")), text(status.get("clientCertificateData"))
    if not token and not certificate:
        raise no_credentials(plugin, context, "its answer has neither a token nor a certificate")
    header, expires = f"Bearer {token}" if token else "", text(status.get("expirationTimestamp"))
    return Credentials(header, certificate, text(status.get("clientKeyData")), seconds_of(expires))


def output_of(plugin: Mapping[str, Any], cluster: Mapping[str, Any], context: str) -> bytes:
    """What a plugin prints. Raises CredentialsRejected. On a terminal, a plugin may ask for a password."""
    command, allowed = text(plugin.get("command")), text(plugin.get("interactiveMode")) != "Never"
    if not command:
        raise no_credentials(plugin, context, "the kubeconfig names no command")
    interactive = allowed and sys.stdin is not None and sys.stdin.isatty()
    info = json.dumps(exec_info(plugin, cluster, interactive))
    own = {text(one.get("name")): text(one.get("value")) for one in rows(plugin.get("env"))}
    streams: dict[str, Any] = {} if interactive else {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    try:
        done = subprocess.run(
            [command, *texts(plugin.get("args"))], env={**os.environ, **own, "KUBERNETES_EXEC_INFO": info},
            stdout=subprocess.PIPE, timeout=PLUGIN_SECONDS, check=False, **streams,
        )  # fmt: skip
    except FileNotFoundError:
        fix = text(plugin.get("installHint")) or f"install {Path(command).name}"
        raise no_credentials(plugin, context, f"{command} is not installed", fix) from None
    except subprocess.TimeoutExpired:
        raise no_credentials(plugin, context, f"it did not end within {PLUGIN_SECONDS} s") from None
    except OSError as fault:
        raise no_credentials(plugin, context, str(fault)) from None
    if done.returncode:
        said = (done.stderr or b"").decode(errors="replace")
        raise no_credentials(plugin, context, f"it ended with exit code {done.returncode}. {said}")
    return bytes(done.stdout)


def exec_info(plugin: Mapping[str, Any], cluster: Mapping[str, Any], interactive: bool) -> dict[str, Any]:
    """What a plugin is given. The cluster is only for plugins that ask for it."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo") is True:
        spec["cluster"] = {
            "server": text(cluster.get("server")),
            "certificate-authority-data": base64.b64encode(
                pem(cluster, "certificate-authority").encode()
            ).decode(),
            "insecure-skip-tls-verify": cluster.get("insecure-skip-tls-verify") is True,
        }
    return {"apiVersion": text(plugin.get("apiVersion")), "kind": "ExecCredential", "spec": spec}


def no_credentials(plugin: Mapping[str, Any], context: str, why: str, fix: str = "") -> CredentialsRejected:
    """The error for a plugin that gives no credentials."""
    short = " ".join(why.split())[:300].rstrip(". ")
    return CredentialsRejected(
        f"The plugin of context {context} gave no credentials: {short}.", fix or login(plugin)
    )


def login(plugin: Mapping[str, Any]) -> str:
    """How to log in again with a plugin."""
    command = text(plugin.get("command"))
    return f"log in again: {LOGINS.get(Path(command).name, command)}"


def login_of(user: Mapping[str, Any], name: str, context_flag: str) -> str:
    """How the user gets new credentials."""
    if plugin := mapping(user.get("exec")):
        return login(plugin)
    if mapping(user.get("auth-provider")):
        return f"let kubectl renew the token: kubectl {context_flag} version"
    return f"renew the credentials of user {name} in the kubeconfig"
