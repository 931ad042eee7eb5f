"""Ray Client with a runtime environment, to a cluster of the lab's Vertex AI: run in a container of the lab's user.

`python vertex_runtime_env.py CLUSTER ROUNDS` connects that many times, each time in a new process, with environment
variables, a package that the image lacks, and a working directory whose content differs. Prints one JSON line: for each
round what a task found, or the error, and the seconds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

PACKAGE = "humanize"


def found():
    """What a task finds of the three."""
    import humanize

    with open("round.txt") as file:
        return [os.environ["ROUND"], humanize.intcomma(1000), file.read()]


def one(cluster, number):
    import ray
    import vertex_ray  # noqa: F401  registers vertex_ray://
    from google.cloud import aiplatform

    aiplatform.init(project="lab-project", location="us-central1")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "round.txt"), "w") as file:
            file.write(number)
        env = {"env_vars": {"ROUND": number}, "pip": [PACKAGE], "working_dir": folder}
        ray.init(f"vertex_ray://{cluster}", runtime_env=env)
        print("FOUND", json.dumps(ray.get(ray.remote(found).remote(), timeout=300)))
        ray.shutdown()


def again(cluster, number):
    """One round in its own process."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, cluster, "one", str(number)],
        capture_output=True,
        text=True,
    )
    told = [line.partition(" ")[2] for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    result = json.loads(told[0]) if told and done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
    return [result, round(time.monotonic() - begun, 1)]


if __name__ == "__main__":
    if sys.argv[2] == "one":
        one(sys.argv[1], sys.argv[3])
    else:
        print(json.dumps([again(sys.argv[1], number) for number in range(int(sys.argv[2]))]))
