"""A cluster with an autoscaled pool, over REST with the standard library: run in a container of the lab's user.

`python vertex_autoscale.py MINIMUM ROUNDS` sends that many jobs, one after the other, and waits after each until the
pool is back at its minimum. A job's three actors each keep a CPU, so it needs three nodes of one CPU at the same time.
Prints one JSON line: for each round the job's status, the number of its nodes, the sizes that the pool had, and what
`python -m cluster status` showed after each change.
"""

import json
import subprocess
import sys
import time
import urllib.request

PARENT = "projects/lab-project/locations/us-central1"
API = "https://us-central1-aiplatform.googleapis.com/v1"
TOKEN = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
IMAGE = "us-docker.pkg.dev/vertex-ai/training/ray-cpu.2-47.py311:latest"
JOB = """
import ray, socket
ray.init(log_to_driver=False)
@ray.remote(num_cpus=1)
class Node:
    def name(self):
        return socket.gethostname()
nodes = [Node.remote() for _ in range(3)]
print("NODES", len(set(ray.get([node.name.remote() for node in nodes]))))
"""


def ask(verb, url, body=None):
    token = urllib.request.Request(TOKEN, headers={"Metadata-Flavor": "Google"})
    with urllib.request.urlopen(token, timeout=60) as answer:
        bearer = json.load(answer)["access_token"]
    headers = {
        "Authorization": f"Bearer {bearer}",
        "User-Agent": "autoscale",
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=verb, headers=headers)
    with urllib.request.urlopen(request, timeout=150) as answer:
        return json.load(answer)


def done(operation):
    while not operation.get("done"):
        operation = ask("POST", f"{API}/{operation['name']}:wait", {"timeout": "30s"})
    return operation["response"]


def name(minimum):
    return f"autoscaled-{minimum}"


def create(minimum):
    head = {"id": "head-node", "machineSpec": {"machineType": "n1-standard-8"}, "replicaCount": "1"}
    workers = {
        "id": "workers",
        "machineSpec": {"machineType": "n1-standard-16"},
        "autoscalingSpec": {"minReplicaCount": str(minimum), "maxReplicaCount": "3"},
    }
    spec = {"resourcePools": [head, workers], "resourceRuntimeSpec": {"raySpec": {"imageUri": IMAGE}}}
    return done(ask("POST", f"{API}/{PARENT}/persistentResources?persistentResourceId={name(minimum)}", spec))


def size(name):
    return int(ask("GET", f"{API}/{name}")["resourcePools"][1].get("replicaCount", 0))


def shown(cluster):
    """The pool's nodes and bounds, as `status` shows them."""
    words = ["-m", "cluster", "status", "--target", "vertex", "--cluster", cluster]
    done = subprocess.run([sys.executable, "-W", "ignore", *words], capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("workers ")]
    return " ".join(lines[-1][1:3]) if lines else (done.stdout + done.stderr)[-500:]


def play(resource, jobs, number, minimum):
    """One round: a job, and the wait until its nodes are gone."""
    sent = {"entrypoint": f"python -c '{JOB}'", "submission_id": f"round-{number}"}
    sizes, seen = [size(resource)], [shown(name(minimum))]
    ask("POST", jobs, sent)
    status, end = "", time.monotonic() + 600
    while time.monotonic() < end and (status not in ("SUCCEEDED", "FAILED") or sizes[-1] != minimum):
        time.sleep(1)
        status = ask("GET", f"{jobs}round-{number}")["status"]
        if (now := size(resource)) != sizes[-1]:
            sizes.append(now)
            seen.append(shown(name(minimum)))
    nodes = ask("GET", f"{jobs}round-{number}/logs")["logs"].rpartition("NODES ")[2].strip()
    return [status, nodes, sizes, seen]


def main():
    minimum, rounds = map(int, sys.argv[1:])
    found = create(minimum)
    jobs = f"https://{found['resourceRuntime']['accessUris']['RAY_DASHBOARD_URI']}/api/jobs/"
    try:
        print(json.dumps([play(found["name"], jobs, number, minimum) for number in range(rounds)]))
    finally:
        done(ask("DELETE", f"{API}/{found['name']}"))


main()
