"""Recognize credential files by their content: users, service accounts, clouds, registries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .credential_files import BY_TEXT, KEY

CREDENTIAL_FILE = "service account keys and user credentials are never packaged"
_JSON = 16 * 1024  # bytes: a key file is about 2,400 long
_TEXT = 1024 * 1024  # bytes: a certificate bundle is about 200,000 long
_PUBLIC = re.compile(rb"(?:TRUSTED |X509 )?CERTIFICATE|X509 CRL|(?:RSA |EC )?PUBLIC KEY|DH PARAMETERS|PKCS7")
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


def bytes_to_judge(name: str, size: int) -> int:
    """How many bytes of a file are needed to decide whether it is packaged; 0 if its name is enough."""
    last = name.lower().rpartition("/")[2]
    if last.endswith(".json"):
        return _JSON if size <= _JSON else 0
    return _TEXT if last.endswith((".pem", ".asc")) or _rule(last) else 0


def why_never_by_text(name: str, data: bytes) -> str | None:
    """Why a file with this content is never packaged, or None."""
    last = name.lower().rpartition("/")[2]
    if last.endswith(".json"):
        return CREDENTIAL_FILE if _is_credential(data) else None
    if last.endswith(".pem"):
        return None if _is_public(data) else KEY
    if last.endswith(".asc"):
        return KEY if b"PRIVATE KEY" in data else None
    rule = _rule(last)
    return (
        f"credentials are never packaged ({rule[1]})"
        if rule and re.search(rule[0], data, re.I | re.M)
        else None
    )


def _rule(last: str) -> tuple[bytes, str] | None:
    return next((rule for names, rule in BY_TEXT.items() if last in names), None)


def _is_public(data: bytes) -> bool:
    """Whether the file contains only certificates and public keys, which a job needs to trust a server."""
    blocks = _BEGIN.findall(data)
    return bool(blocks) and all(_PUBLIC.fullmatch(block) for block in blocks)


def _is_credential(data: bytes) -> bool:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(has(found) for has in _FORMS)


def _filled(found: Mapping[str, Any], *keys: str) -> bool:
    return all(isinstance(found.get(key), str) and found[key] for key in keys)


def _nested(found: Mapping[str, Any], *keys: str) -> list[Mapping[str, Any]]:
    return [found[key] for key in keys if isinstance(found.get(key), dict)]


_FORMS: tuple[Callable[[Mapping[str, Any]], bool], ...] = (
    lambda found: (
        found.get("type") in ("service_account", "gdch_service_account") and _filled(found, "private_key")
    ),
    lambda found: _filled(found, "refresh_token"),  # authorized_user, and what OAuth flows store
    lambda found: bool(_nested(found, "source_credentials")),  # an impersonated service account
    lambda found: any(_filled(one, "client_secret") for one in (found, *_nested(found, "installed", "web"))),
    lambda found: any(
        _filled(one, "SecretAccessKey") for one in (found, *_nested(found, "AccessKey", "Credentials"))
    ),
    lambda found: _filled(found, "aws_secret_access_key"),
    lambda found: _filled(found, "tenant", "password") or _filled(found, "tenantId", "clientSecret"),  # Azure
    lambda found: any(  # Docker registries
        _filled(one, "auth") or _filled(one, "identitytoken")
        for auths in _nested(found, "auths")
        for one in _nested(auths, *auths)
    ),
    lambda found: "terraform_version" in found and "lineage" in found,
)
