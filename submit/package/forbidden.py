"""What never travels, whatever the ignore files or the header say, and why."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

_CREDENTIALS = "credentials never travel"
_KEY = "private keys and certificates never travel"
_HISTORY = "version control never travels"
_MACHINE = "made for this machine"

_DIRECTORIES = {
    ".git": _HISTORY, ".hg": _HISTORY, ".svn": _HISTORY,
    ".aws": _CREDENTIALS, ".ssh": _CREDENTIALS, ".gnupg": _CREDENTIALS, ".kube": _CREDENTIALS,
    ".azure": _CREDENTIALS,
    ".venv": _MACHINE, "__pycache__": _MACHINE, "node_modules": _MACHINE, ".ipynb_checkpoints": _MACHINE,
    ".raydock": _MACHINE,
}  # fmt: skip
_FILES = {
    ".git": _HISTORY,  # a worktree's or submodule's pointer
    "id_rsa": _KEY, "id_dsa": _KEY, "id_ecdsa": _KEY, "id_ed25519": _KEY,
    ".netrc": _CREDENTIALS, "_netrc": _CREDENTIALS, ".git-credentials": _CREDENTIALS, ".pypirc": _CREDENTIALS,
    "application_default_credentials.json": _CREDENTIALS,
    ".ds_store": _MACHINE,  # changes whenever a folder is looked at, and the package with it
}  # fmt: skip
_SUFFIXES = {".pem": _KEY, ".key": _KEY, ".p12": _KEY, ".pfx": _KEY, ".pyc": _MACHINE}
_ENVIRONMENT = "environment files never travel"
_EXAMPLES = {".env.example", ".env.sample", ".env.template"}
_GCLOUD = (".config", "gcloud")

CREDENTIAL_FILE = "a service account's key or a person's credentials never travel"
CREDENTIAL_FILE_BYTES = 16 * 1024  # a key file has about 2,400 bytes
VIRTUALENV = f"a virtual environment, {_MACHINE}"
_CREDENTIAL_TYPES = {"service_account": "private_key", "authorized_user": "refresh_token"}


def why_never(name: str, directory: bool) -> str | None:
    """Why the thing at `name` (posix path; only its last two parts count) never travels, or None."""
    above, _, last = name.lower().rpartition("/")
    if last.startswith(".env") and last not in _EXAMPLES:
        return _ENVIRONMENT
    if directory:
        if last == _GCLOUD[1] and above.rpartition("/")[2] == _GCLOUD[0]:
            return _CREDENTIALS
        return _DIRECTORIES.get(last)
    return _FILES.get(last) or _SUFFIXES.get(last[last.rfind(".") :] if "." in last else "")


def why_never_within(name: str, directory: bool = False) -> str | None:
    """The same for a name and all directories above it."""
    above = (why_never(str(parent), True) for parent in PurePosixPath(name).parents)
    return why_never(name, directory) or next((reason for reason in above if reason), None)


def why_secret(path: str) -> str | None:
    """Why a directory is not sent even when it is named: it lies in version control's or a tool's credentials."""
    places = [PurePosixPath(path), *PurePosixPath(path).parents]
    reasons = (why_never(str(place), True) for place in places)
    return next((reason for reason in reasons if reason in (_CREDENTIALS, _HISTORY)), None)


def is_credential_file(data: bytes) -> bool:
    """Whether `data` is a Google credential in JSON that holds a secret."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict):
        return False
    kind = found.get("type")
    return isinstance(kind, str) and kind in _CREDENTIAL_TYPES and bool(found.get(_CREDENTIAL_TYPES[kind]))
