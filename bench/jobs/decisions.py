"""Uploads and downloads small objects, as often as each line on stdin says; prints a line when done."""

import sys

import httpx

BODY = b"x" * 1024


def main() -> None:
    base = f"http://127.0.0.1:{sys.argv[1]}"
    with httpx.Client(trust_env=False, timeout=60) as client:
        for line in sys.stdin:
            for n in range(int(line)):
                upload = f"{base}/upload/storage/v1/b/lab-models/o?uploadType=media&name=bench/{n % 500}"
                client.post(upload, content=BODY).raise_for_status()
                for _ in range(4):
                    client.get(
                        f"{base}/storage/v1/b/lab-models/o/bench%2F{n % 500}?alt=media"
                    ).raise_for_status()
            print("done", flush=True)


main()
