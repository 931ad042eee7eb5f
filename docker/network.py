"""What a node needs to reach other servers: CA certificates to trust, and addresses that bypass the proxy.

It uses only the standard library.
"""

import ipaddress
import socket
import time
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

CA_BUNDLE = Path("/run/secrets/ca_bundle")
PEERS = 254  # the number of addresses per network that bypass the proxy
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")  # in the image, the user ray can write to it
# The variables that select CA certificates for pip, for Python's ssl and uv, for requests, and for gRPC.
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")


def trust(added: Sequence[bytes], environ: Mapping[str, str], bundle: Path = SYSTEM_BUNDLE) -> dict[str, str]:
    """Add CA certificates to the system's bundle, which C++ libraries read.

    Returns the environment variables that make Python libraries use the bundle too.
    """
    certificates = [one.strip() for one in added if one.strip()]
    if not certificates:
        return {}
    known = bundle.read_bytes() if bundle.exists() else b""
    missing = b"".join(b"\n" + one + b"\n" for one in certificates if one not in known)
    with bundle.open("ab") as file:
        file.write(missing)
    return {name: str(bundle) for name in CA_VARIABLES if name not in environ}


def certificates(environ: Mapping[str, str]) -> list[bytes]:
    """The CA certificates to trust in addition to the system's: the company's and the lab's Google Cloud's."""
    url = environ.get("RAYDOCK_TRUST", "")
    return [*company_certificates(), *([fetch(url, 60)] if url else [])]


def company_certificates(bundle: Path = CA_BUNDLE) -> list[bytes]:
    """The company's CA certificates, if any. Raises SystemExit if the file can't be read."""
    try:
        # An empty file, which is the default, is not opened, because only its owner may be able to read it.
        return [bundle.read_bytes()] if bundle.is_file() and bundle.stat().st_size else []
    except OSError as error:
        raise SystemExit(
            f"node.py: can't read {bundle}: {error.strerror}. This is the file that RAYDOCK_CA_BUNDLE points to. "
            "Make it readable for all users: chmod a+r FILE"
        ) from None


def fetch(url: str, seconds: float) -> bytes:
    """GET a URL without a proxy and return the body. Retries until it succeeds; after `seconds`, raises SystemExit."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while True:
        try:
            with opener.open(url, timeout=5) as reply:
                return bytes(reply.read())
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"node.py: no response from {url} within {seconds:g} s: {error}") from None
        time.sleep(0.2)


def own_networks(routes: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """The networks that this container is attached to."""
    found = []
    for line in routes.read_text().splitlines()[1:]:
        fields = line.split()
        destination, gateway, mask = (int(fields[n], 16).to_bytes(4, "little") for n in (1, 2, 7))
        if gateway == bytes(4) and destination != bytes(4):
            found.append(ipaddress.IPv4Network((destination, str(ipaddress.IPv4Address(mask)))))
    return found


def without_proxy(environ: Mapping[str, str], networks: Sequence[ipaddress.IPv4Network]) -> dict[str, str]:
    """NO_PROXY, extended with the nodes' addresses. Each is listed, because urllib and httpx do not support networks.

    Docker assigns addresses from the start of a network, so the first ones are enough.
    """
    if not environ.get("NO_PROXY"):
        return {}
    addresses = [str(one) for network in networks for one in islice(network.hosts(), PEERS)]
    value = ",".join([environ["NO_PROXY"], socket.gethostname(), *addresses])
    return {"NO_PROXY": value, "no_proxy": value}
