"""Reads and writes without a pause, with one client, and says what it did; fails at the first gap.

It ends when the file --until is there, or after --seconds. Each line tells its number and how many tokens there were.
"""

import argparse
import json
import os
import time

from google.cloud import storage


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--until", default="/nonexistent")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=0.1)
    args = parser.parse_args()
    client = storage.Client()
    bucket = client.bucket("lab-data")
    tokens, done, slowest, started = set(), 0, 0.0, time.monotonic()
    while time.monotonic() - started < args.seconds and not os.path.exists(args.until):
        begun = time.monotonic()
        blob = bucket.blob(f"all-the-time/{done % 10}")
        blob.upload_from_string(str(done))
        assert blob.download_as_text() == str(done)
        tokens.add(hash(client._credentials.token))
        slowest = max(slowest, time.monotonic() - begun)
        done += 1
        print(f"line {done} {len(tokens)}", flush=True)
        time.sleep(args.pause)
    told = {"version": 1, "done": done, "tokens": len(tokens), "slowest": round(slowest, 3)}
    print("RESULT " + json.dumps(told))


if __name__ == "__main__":
    main()
