"""Times the same operations on the lab's storage and on fake-gcs-server: `python storage.py PAIRS`.

Prints each operation's timings in seconds as JSON.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

BUCKET, LARGE, SMALL, MANY = "lab-data", 64 * 10**6, 1000, 1000
DATA = os.urandom(LARGE)

STOCK = "http://127.0.0.1:4443"
SERVER = [
    "/tmp/fake-gcs-server",
    "-scheme=http",
    "-port=4443",
    "-backend=filesystem",
    "-filesystem-root=/tmp/objects",
]


def start_stock():
    """Start fake-gcs-server, wait until it responds, and create the bucket."""
    server = subprocess.Popen([*SERVER, f"-external-url={STOCK}", "-log-level=error"])
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{STOCK}/_internal/healthcheck")
            break
        except OSError:
            time.sleep(0.1)
    request = urllib.request.Request(f"{STOCK}/storage/v1/b?project=lab-project", b'{"name": "lab-data"}')
    urllib.request.urlopen(request)
    return server


def clients():
    """A client for each server."""
    direct = {"api_endpoint": STOCK}
    return {
        "ours": storage.Client(),
        "stock": storage.Client("lab-project", AnonymousCredentials(), client_options=direct),
    }


def upload_large(bucket, prefix):
    """Upload one large object."""
    bucket.blob(f"bench/{prefix}").upload_from_string(DATA)


def download_large(bucket, prefix):
    """Download the large object."""
    assert len(bucket.blob(f"bench/{prefix}").download_as_bytes(raw_download=True)) == LARGE


def upload_small(bucket, prefix):
    """Upload many small objects."""
    for n in range(MANY):
        bucket.blob(f"bench/{prefix}-{n}").upload_from_string(DATA[:SMALL])


def download_small(bucket, prefix):
    """Download the small objects."""
    for n in range(MANY):
        assert len(bucket.blob(f"bench/{prefix}-{n}").download_as_bytes(raw_download=True)) == SMALL


OPERATIONS = {
    "upload one 64 MB object": upload_large,
    "download one 64 MB object": download_large,
    "upload 1,000 objects, 1 KB each": upload_small,
    "download 1,000 objects, 1 KB each": download_small,
}


def main():
    """Run the pairs, alternating which server goes first, and print the timings."""
    server = start_stock()
    pairs, client_of = int(sys.argv[1]), clients()
    times = {what: {"ours": [], "stock": []} for what in OPERATIONS}
    for pair in range(pairs + 1):  # the first pair warms up and is not measured
        for side in ("ours", "stock") if pair % 2 else ("stock", "ours"):
            for what, operation in OPERATIONS.items():
                bucket = client_of[side].bucket(BUCKET)
                started = time.perf_counter()
                operation(bucket, side)
                if pair:
                    times[what][side].append(time.perf_counter() - started)
    server.kill()
    print(json.dumps(times))


main()
