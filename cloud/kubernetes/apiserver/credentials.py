"""The tokens of the API server's two users, and the kubeconfig of the lab's user."""

from __future__ import annotations

import base64
import csv
import io
import json
import secrets
from pathlib import Path

from cloud.identity.tokens import write_private
from cloud.kubernetes.apiserver.certificates import CERTIFICATE

TOKENS = (
    "tokens.csv"  # https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
)
CONTROLLER, USER = "kuberay-controller", "lab-user"
GROUPS = {CONTROLLER: "system:masters", USER: "lab-users"}  # RBAC decides for the user
CONTEXT = "raydock-lab"
KUBECONFIG = "kubeconfig"


def ensure(folder: Path) -> None:
    """Create the token file if it is missing."""
    if not (folder / TOKENS).exists():
        rows = [[secrets.token_urlsafe(32), user, user, group] for user, group in GROUPS.items()]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        write_private(folder / TOKENS, out.getvalue().encode())


def token(folder: Path, user: str) -> str:
    """The token of a user."""
    rows = csv.reader(io.StringIO((folder / TOKENS).read_text()))
    return next(row[0] for row in rows if row[1] == user)


def kubeconfig(folder: Path, port: int) -> str:
    """The lab user's kubeconfig, for an API server at that port of 127.0.0.1. JSON is YAML too."""
    certificate = base64.b64encode((folder / CERTIFICATE).read_bytes()).decode()
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": certificate}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": USER, "user": {"token": token(folder, USER)}}],
        "contexts": [
            {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": USER, "namespace": "default"}}
        ],
    }
    return json.dumps(document, indent=1) + "\n"
