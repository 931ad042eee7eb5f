"""What a user does with vertex_ray, and nothing else: run in a container of the lab's user. Prints JSON lines.

Reads lines of a verb and its arguments, and answers each with lines TOLD {...} and the line DONE:

create ACCOUNT   two clusters, main and trained, the second one with that custom account; what the list says of them
use              a job on each, and Ray Client on the first
grow             another worker for main, and a job there
start NAME       asks for a cluster and does not wait
session NAME     waits until it runs, sends a job of 12 s, and counts as long through Ray Client
delete NAME      asks for its deletion and does not wait
gone NAME        waits until the list has no such cluster
"""

import json
import sys
import time

import ray
import vertex_ray
from google.cloud import aiplatform
from ray.job_submission import JobSubmissionClient
from vertex_ray import Resources

WHO = """
import json, ray
from google.auth.transport.requests import Request
from google.cloud import storage
ray.init(log_to_driver=False)
import google.auth
def who():
    credentials, _ = google.auth.default()
    credentials.refresh(Request())
    return credentials.service_account_email
def read():
    try:
        return storage.Client().bucket("lab-data").blob("hello.txt").download_as_text()
    except Exception as fault:
        return type(fault).__name__
found = ray.get([ray.remote(who).remote(), ray.remote(read).remote()])
pools = sorted([n["Labels"]["pool"], n["Resources"].get("CPU", 0), n["Resources"].get("GPU", 0)] for n in ray.nodes())
print("FOUND", json.dumps([who(), *found, pools]))
"""


def tell(**told):
    print("TOLD", json.dumps(told), flush=True)


def run(name):
    """What a job on that cluster found, its log tailed over the websocket."""
    import asyncio

    client = JobSubmissionClient(f"vertex_ray://{name}")
    job = client.submit_job(entrypoint="python -c '" + WHO.replace("'", '"') + "'")

    async def follow():
        return "".join([lines async for lines in client.tail_job_logs(job)])

    log = asyncio.run(follow())
    while client.get_job_status(job).value not in ("SUCCEEDED", "FAILED"):
        time.sleep(0.2)
    found = [line for line in log.splitlines() if line.startswith("FOUND ")]
    if not found:
        raise SystemExit(log)
    return client.get_job_status(job).value, json.loads(found[0].partition(" ")[2])


def connect(name):
    """Tries again where Ray's server for this client does not start: once in a dozen it hangs (a fork amid gRPC)."""
    for left in (2, 1, 0):
        try:
            return ray.init(f"vertex_ray://{name}")
        except ConnectionAbortedError:
            if not left:
                raise


def connected(name):
    """What a task found that Ray Client sent there, and an object that takes many messages each way."""
    context = connect(name)
    found = ray.get(ray.remote(who).remote())
    large = bytes(range(256)) * 2**17
    same = ray.get(ray.put(large)) == large
    pools = sorted(node["Labels"]["pool"] for node in ray.nodes())
    ray.shutdown()
    return [type(context).__name__, found, same, pools]


def who():
    import google.auth
    from google.auth.transport.requests import Request

    credentials, _ = google.auth.default()
    credentials.refresh(Request())
    return credentials.service_account_email


class Count:
    def __init__(self):
        self.reached = 0

    def more(self):
        self.reached += 1
        return self.reached


def session(name):
    """A call that was lost leaves a gap in the count, one that was done twice another; a lost line one in the log."""
    await_running(name)
    jobs = JobSubmissionClient(f"vertex_ray://{name}")
    code = "import time; [(time.sleep(0.1), print(n, flush=True)) for n in range(120)]"
    job = jobs.submit_job(entrypoint=f"python -c '{code}'")
    connect(name)
    count = ray.remote(Count).remote()
    counted = [ray.get(count.more.remote())]
    tell(connected=name)
    while len(counted) < 60:
        time.sleep(0.2)
        counted.append(ray.get(count.more.remote()))
    ray.shutdown()
    while (status := jobs.get_job_status(job).value) not in ("SUCCEEDED", "FAILED"):
        time.sleep(0.2)
    lines = [line for line in jobs.get_job_logs(job).splitlines() if line.isdigit()]
    tell(status=status, log=lines == [str(n) for n in range(120)], count=counted == list(range(1, 61)))


def create(account):
    gpu = Resources(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)
    workers = [Resources(machine_type="n1-standard-8"), gpu]
    vertex_ray.create_ray_cluster(worker_node_types=workers, cluster_name="main")
    vertex_ray.create_ray_cluster(
        worker_node_types=[Resources()], cluster_name="trained", service_account=account
    )
    found = {one.cluster_resource_name.rpartition("/")[2]: one for one in vertex_ray.list_ray_clusters()}
    listed = [(name, one.state, one.ray_version, one.service_account) for name, one in found.items()]
    tell(listed=sorted(listed))


def use():
    tell(client=connected("main"), main=run("main"), trained=run("trained"))


def grow():
    workers = vertex_ray.get_ray_cluster(resource("main")).worker_node_types
    workers[0].node_count = 2
    vertex_ray.update_ray_cluster(resource("main"), workers)
    tell(grown=run("main"))


def gone(name):
    deadline = time.monotonic() + 180
    while (left := [one for one in listed() if one == name]) and time.monotonic() < deadline:
        time.sleep(0.2)
    tell(left=left)


def listed():
    return [one.cluster_resource_name.rpartition("/")[2] for one in vertex_ray.list_ray_clusters()]


def start(name):
    """As create_ray_cluster, without its wait."""
    from google.cloud.aiplatform.vertex_ray import cluster_init

    waits, cluster_init._gapic_utils.get_persistent_resource = (
        cluster_init._gapic_utils.get_persistent_resource,
        lambda **_: type("Asked", (), {"name": ""}),
    )
    try:
        vertex_ray.create_ray_cluster(worker_node_types=[Resources()], cluster_name=name)
    finally:
        cluster_init._gapic_utils.get_persistent_resource = waits
    tell(asked=name)


def resource(name):
    return f"projects/123456789012/locations/us-central1/persistentResources/{name}"


def await_running(name):
    deadline = time.monotonic() + 300
    while (state := vertex_ray.get_ray_cluster(resource(name)).state) != "RUNNING":
        if state == "ERROR" or time.monotonic() > deadline:
            raise SystemExit(f"{name} is {state}.")
        time.sleep(0.2)


def delete(name):
    vertex_ray.delete_ray_cluster(resource(name))
    tell(asked=name)


if __name__ == "__main__":
    assert ray.__version__ == "2.47.1"
    aiplatform.init(project="lab-project", location="us-central1")
    verbs = {verb.__name__: verb for verb in (create, use, grow, start, session, delete, gone)}
    for line in sys.stdin:
        verb, *arguments = line.split()
        verbs[verb](*arguments)
        print("DONE", flush=True)
