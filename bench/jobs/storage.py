"""Both ways to the same storage, in turns: `python storage.py PAIRS` prints the seconds of each as JSON."""

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
    direct = {"api_endpoint": STOCK}
    return {
        "ours": storage.Client(),
        "stock": storage.Client("lab-project", AnonymousCredentials(), client_options=direct),
    }


def up_large(bucket, way):
    bucket.blob(f"bench/{way}").upload_from_string(DATA)


def down_large(bucket, way):
    assert len(bucket.blob(f"bench/{way}").download_as_bytes(raw_download=True)) == LARGE


def up_small(bucket, way):
    for n in range(MANY):
        bucket.blob(f"bench/{way}-{n}").upload_from_string(DATA[:SMALL])


def down_small(bucket, way):
    for n in range(MANY):
        assert len(bucket.blob(f"bench/{way}-{n}").download_as_bytes(raw_download=True)) == SMALL


DEEDS = {
    "upload of an object of 64 MB": up_large,
    "download of an object of 64 MB": down_large,
    "upload of 1,000 objects of 1 KB": up_small,
    "download of 1,000 objects of 1 KB": down_small,
}


def main():
    server = start_stock()
    pairs, known = int(sys.argv[1]), clients()
    told = {what: {"ours": [], "stock": []} for what in DEEDS}
    for pair in range(pairs + 1):  # the first is not measured
        for way in ("ours", "stock") if pair % 2 else ("stock", "ours"):
            for what, deed in DEEDS.items():
                bucket = known[way].bucket(BUCKET)
                started = time.perf_counter()
                deed(bucket, way)
                if pair:
                    told[what][way].append(time.perf_counter() - started)
    server.kill()
    print(json.dumps(told))


main()
