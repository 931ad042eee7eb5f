"""Points programs on this machine at the lab's Google Cloud: the environment variables, and the files they refer to.

Google's clients run unchanged. They reach the lab's hosts through the gateway, which is an HTTPS proxy for clients
that have the cluster's key (cloud/gateway/connect.py). They trust the lab's certificate, and exchange the key for the
user's tokens.
"""

from __future__ import annotations

import json
import re
import shlex
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from raydock import state
from raydock.errors import NotFound, Unreachable
from raydock.gcp.clouds import LabCloud, inside_lab, lab_of_checkout
from raydock.gcp.lab_api import LabOutdated, LabRequest, LabResponse
from raydock.settings import setting

PROJECT = "lab-project"  # the default of LAB_PROJECT
MARK = "RAYDOCK_LAB"  # the gateway's address, in an environment that points at the lab
SECONDS = 15.0
START = "COMPOSE_PROFILES=vertex make cluster-up"
# The variables that select CA certificates: for Python's ssl, requests and curl, gRPC.
CERTIFICATES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)


@dataclass(frozen=True, slots=True)
class LabEnvironment:
    """The lab at `gateway`, its project and user, and the variables that point at it."""

    gateway: str
    project: str
    user: str
    variables: Mapping[str, str]

    @property
    def line(self) -> str:
        """One line that shows which cloud is used."""
        return (
            f"using the lab's Vertex AI at {self.gateway}, not Google's: "
            f"project {self.project}, as {self.user}"
        )

    @property
    def exports(self) -> str:
        """The commands that set the variables in a POSIX shell."""
        return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in self.variables.items())


def variables_of(gateway: str, key: str, project: str, folder: Path) -> dict[str, str]:
    """The variables for the lab behind a gateway. `folder` contains the files of `of_checkout`.

    Some libraries read only one spelling of the proxy variables. Plain HTTP needs none.
    """
    proxy = f"http://raydock:{key}@{urlsplit(gateway).netloc}"
    local = "localhost,127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
    return {
        MARK: gateway,
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": local,
        "no_proxy": local,
        "RAY_grpc_enable_http_proxy": "1",  # Ray Client ignores proxies otherwise: ray._private.ray_constants
        **dict.fromkeys(CERTIFICATES, str(folder / "certificates.pem")),
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "credentials.json"),
        "GOOGLE_CLOUD_PROJECT": project,
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # otherwise gcsfs waits 60 s: see compose.yaml
    }


def credentials_of(key: str) -> dict[str, str]:
    """Application default credentials for the lab's user, as `gcloud auth application-default login` writes them."""
    return {
        "type": "authorized_user",
        "client_id": "raydock",
        "client_secret": "raydock",
        "refresh_token": key,
    }


def of_checkout(environ: Mapping[str, str]) -> LabEnvironment:
    """The environment of the lab that runs from this checkout; writes its files to the state folder.

    Raises NotFound if no lab is running or it has no proxy, and Unreachable if it does not answer.
    """
    cloud = lab_of_checkout()
    key = cloud.headers["Authorization"].partition(" ")[2]
    about = json.loads(ask(cloud, "/lab/"))
    folder = state.folder() / "google"
    state.write_private(folder / "certificates.pem", own_certificates(environ) + ask(cloud, "/lab/ca.pem"))
    state.write_private(folder / "credentials.json", json.dumps(credentials_of(key), indent=1))
    project = str(about["project"])
    variables = variables_of(cloud.gateway, key, project, folder)
    return LabEnvironment(cloud.gateway, project, str(about["user"]).partition(":")[2], variables)


def ask(cloud: LabCloud, path: str) -> str:
    """The response to a GET with the key. Raises NotFound, PermissionDenied and Unreachable."""
    try:
        found = cloud.call(LabRequest("GET", path, seconds=SECONDS))
    except LabOutdated:
        found = LabResponse(404, b"")
    except Unreachable as fault:
        raise Unreachable(fault.message, START) from None
    if found.status == 200:
        return found.content.decode()
    raise NotFound(
        f"The lab at {cloud.gateway} has no Vertex AI: it returned {found.status} to {path}.",
        f"start it in Docker: {START}",
    )


def own_certificates(environ: Mapping[str, str]) -> str:
    """The certificates that programs on this machine trust, so that other hosts work with the lab's added."""
    default = ssl.get_default_verify_paths()
    named = [environ.get(name, "") for name in CERTIFICATES if not environ.get(MARK)]
    for path in (*named, default.cafile, default.openssl_cafile, certifi_path()):
        if path and Path(path).is_file():
            return Path(path).read_text(encoding="utf-8", errors="replace").rstrip() + "\n"
    return ""


def certifi_path() -> str:
    """The path of certifi's bundle; "" if it is not installed."""
    try:
        import certifi
    except ImportError:
        return ""
    return str(certifi.where())


def enter_if_meant(lab: bool, project: str, cluster: str, environ: Any) -> LabEnvironment | None:
    """Point this process at the lab, before it loads a Google client, if a Vertex AI command is meant for the lab.

    It is if `lab` is set, or if a lab is running and the project is the lab's (the project in `cluster`, if that is a
    full resource name). Returns None otherwise, or if the environment already points at the lab. Raises like
    `of_checkout`.
    """
    if environ.get(MARK) or inside_lab():
        return None
    if not lab and not (is_labs(project, cluster) and is_up()):
        return None
    found = of_checkout(environ)
    environ.update(found.variables)
    return found


def is_labs(project: str, cluster: str) -> bool:
    """Whether the project is the lab's."""
    named = re.match(r"projects/([^/]+)/", cluster)
    chosen = named[1] if named else project or setting("GOOGLE_CLOUD_PROJECT")
    return chosen == setting("LAB_PROJECT", PROJECT)


def is_up() -> bool:
    """Whether a lab is running from this checkout, judging by its key."""
    try:
        lab_of_checkout()
    except NotFound:
        return False
    return True
