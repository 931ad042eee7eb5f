"""Checks the environment's HTTP settings: proxies and certificates."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

import httpx

from raydock.errors import UsageError

PROXIES = ("all_proxy", "http_proxy", "https_proxy")
SCHEMES = ("http", "https", "socks5", "socks5h")
SOCKS = "socksio"  # the package in httpx's extra `socks`
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


def is_url(text: str) -> bool:
    """Whether httpx accepts the text as a URL."""
    try:
        httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return True


def proxies() -> Iterator[tuple[str, str]]:
    """The environment variables that set a proxy, with their values."""
    for name, value in os.environ.items():
        if name.lower() in PROXIES and value:
            yield name, value


def check_proxies() -> None:
    """Raise UsageError if a proxy is unusable. Variables with the same fault share one message."""
    faults = {name: found for name, value in proxies() if (found := proxy_fault(value))}
    if faults:
        why, way = next(iter(faults.values()))
        names = [name for name, found in faults.items() if found == (why, way)]
        verb = "sets" if len(names) == 1 else "set"
        raise UsageError(
            f"{' and '.join(names)} {verb} a proxy that can't be used: {why}.",
            f"unset {' '.join(names)}, or {way.replace('NAME', names[0])}",
        )


def proxy_fault(value: str) -> tuple[str, str] | None:
    """Why a proxy is unusable, without its password, and the fix; None if it is usable."""
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        return (
            f"{scheme}:// is not one of {', '.join(f'{one}://' for one in SCHEMES)}",
            f"export NAME={'socks5' if scheme.startswith('socks') else 'http'}://HOST:PORT",
        )
    try:
        valid = bool(urlsplit(url).hostname) and urlsplit(url).port != 0 and is_url(url)
    except ValueError:
        valid = False
    if not valid:
        return "it is not a URL with a host and a port", "export NAME=http://HOST:PORT"
    if scheme.startswith("socks") and find_spec(SOCKS) is None:
        return f"{scheme}:// needs a package that is not installed", "pip install 'httpx[socks]'"
    return None


def untrusted(fault: OSError) -> UsageError:
    """The error for unreadable certificates, with the variable that sets their path."""
    named = [(name, os.environ[name]) for name in CERTIFICATES if os.environ.get(name)]
    why = "it contains no certificate" if isinstance(fault, ssl.SSLError) else (fault.strerror or str(fault))
    if not named:
        return UsageError(
            f"Could not read this machine's certificates: {why}.", "export SSL_CERT_FILE=/path/to/ca.pem"
        )
    name, path = next(((name, path) for name, path in named if unreadable(path)), named[0])
    return UsageError(
        f"{name} is {path!r}, which can't be used: {why}.", f"unset {name}, or correct its path"
    )


def unreadable(path: str) -> bool:
    """Whether a file can't be read or contains no certificate."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError:
        return True
    return False
