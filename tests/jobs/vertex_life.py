"""What a person does with vertex_ray, and nothing else: run in a container of the lab's person. Prints JSON lines.

python vertex_life.py life ACCOUNT     two clusters, one with that custom account, from creation to deletion
python vertex_life.py start NAME       asks for a cluster and does not wait
python vertex_life.py end NAME         waits until it runs, runs a job, deletes it
python vertex_life.py begin NAME       makes a cluster and sends a job of 20 s
python vertex_life.py finish NAME      waits for that job, and asks for the cluster's deletion
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


def life(account):
    gpu = Resources(accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1)
    first = vertex_ray.create_ray_cluster(
        worker_node_types=[Resources(machine_type="n1-standard-8"), gpu], cluster_name="first"
    )
    second = vertex_ray.create_ray_cluster(
        worker_node_types=[Resources()], cluster_name="second", service_account=account
    )
    found = {one.cluster_resource_name.rpartition("/")[2]: one for one in vertex_ray.list_ray_clusters()}
    tell(
        listed=sorted((name, one.state, one.ray_version, one.service_account) for name, one in found.items()),
        first=run("first"),
        second=run("second"),
    )
    workers = found["first"].worker_node_types
    workers[0].node_count = 2
    vertex_ray.update_ray_cluster(first, workers)
    tell(grown=run("first"))
    for name in (first, second):
        vertex_ray.delete_ray_cluster(name)
    tell(left=gone())


def gone():
    deadline = time.monotonic() + 60
    while (left := vertex_ray.list_ray_clusters()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [one.cluster_resource_name for one in left]


def start(name):
    from google.cloud.aiplatform.vertex_ray.util import _gapic_utils

    _gapic_utils.get_persistent_resource = lambda **_: type("Asked", (), {"name": ""})
    vertex_ray.create_ray_cluster(worker_node_types=[Resources()], cluster_name=name)
    tell(asked=name)


def end(name):
    deadline = time.monotonic() + 150
    while vertex_ray.get_ray_cluster(resource(name)).state != "RUNNING" and time.monotonic() < deadline:
        time.sleep(0.2)
    tell(state=vertex_ray.get_ray_cluster(resource(name)).state, found=run(name))
    vertex_ray.delete_ray_cluster(resource(name))
    tell(left=gone())


def resource(name):
    return f"projects/123456789012/locations/us-central1/persistentResources/{name}"


def begin(name):
    """A cluster, and a job of 20 s on it."""
    vertex_ray.create_ray_cluster(worker_node_types=[Resources()], cluster_name=name)
    client = JobSubmissionClient(f"vertex_ray://{name}")
    code = "import time; [(time.sleep(0.1), print(n, flush=True)) for n in range(200)]"
    tell(job=client.submit_job(entrypoint=f"python -c '{code}'", submission_id="long"))


def finish(name):
    """The job's end and its lines; then the deletion, without waiting for it."""
    client = JobSubmissionClient(f"vertex_ray://{name}")
    while (status := client.get_job_status("long").value) not in ("SUCCEEDED", "FAILED"):
        time.sleep(0.2)
    lines = [line for line in client.get_job_logs("long").splitlines() if line.isdigit()]
    vertex_ray.delete_ray_cluster(resource(name))
    tell(status=status, whole=lines == [str(n) for n in range(200)])


if __name__ == "__main__":
    assert ray.__version__ == "2.47.1"
    aiplatform.init(project="lab-project", location="us-central1")
    verbs = {"life": life, "start": start, "end": end, "begin": begin, "finish": finish}
    verbs[sys.argv[1]](sys.argv[2])
