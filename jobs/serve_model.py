# /// script
# requires-python = ">=3.10"
# dependencies = ["ray[serve]", "protobuf<7", "xgboost", "numpy", "pyarrow"]
#
# [tool.submit]
# reads = ["--model=gs://lab-models/train_xgboost/model.ubj"]
# needs = { cpus = 2 }
# ///
"""Serve the trained model: Ray Serve answers requests with one replica, then with two.

Shows      a class as a deployment, called with a handle and over HTTP; how a second replica increases throughput
           and reduces latency; the overhead per request; and how to use `ray[serve]`, which is not in the nodes'
           images: the header above installs it for this job.
Run        python submit.py jobs/train_xgboost.py && python submit.py jobs/serve_model.py -- --compare
           python jobs/serve_model.py --smoke-test     (alone, with ray[serve]: creates a model if there is none)
Needs      1 CPU on each of --replicas workers; no GPU. Takes 2 minutes on two busy cores, including installation.
Dashboard  Actors: a `ServeReplica:serve_model:Model` on each worker, `ServeController` and `ProxyActor` on the
           head. (The Serve page stays empty, because the dashboard would need ray[serve] too.)
"""

import argparse
import collections
import concurrent.futures
import functools
import http.client
import json
import logging
import os
import pathlib
import re
import resource
import socket
import sys
import tempfile
import time

import numpy as np
import ray
import xgboost as xgb
from pyarrow import fs
from ray import serve

ALONE, TEMP = "RAY_ADDRESS" not in os.environ, tempfile.gettempdir()
APP, DIFFERENT, MOST = "serve_model", 20, 64  # distinct requests; concurrent clients (Serve's default: 5)
PATIENCE, TIMEOUT = 20, 120  # seconds that workers may take to join, and that a response may take
QUIET = {"log_level": "WARNING", "enable_access_log": False}  # otherwise, the job's log lists every request
MIB = 2**20 if sys.platform == "darwin" else 2**10  # Linux reports KiB, macOS bytes


def load(uri):
    """Load an XGBoost model from a bucket."""
    files, path = fs.FileSystem.from_uri(uri)
    return xgb.Booster({"nthread": 1}, model_file=bytearray(files.open_input_file(path).read()))


def predict(model, rows):
    """Plain XGBoost. Returns the probability of class 1 for each row."""
    return model.predict(xgb.DMatrix(rows, feature_names=model.feature_names, nthread=1))


def requests_for(model, rows):
    """Requests with this many rows, on both sides of the model's splits, so that the predictions differ."""
    random, columns = np.random.default_rng(5), []
    for name in model.feature_names:
        splits = model.get_split_value_histogram(name, as_pandas=False)[:, 0]
        low, high = (splits.min() - 1, splits.max() + 1) if len(splits) else (0, 1)
        columns.append(random.uniform(low, high, (DIFFERENT, rows)))
    return np.stack(columns, axis=-1).astype("float32")


@serve.deployment(max_ongoing_requests=MOST, ray_actor_options={"num_cpus": 1}, logging_config=QUIET)
class Model:
    """1. A deployment. Each replica is an actor that has its own CPU and loads the model once."""

    def __init__(self, uri):
        self.model, node = load(uri), ray.get_runtime_context().get_node_id()
        self.me = {"replica": serve.get_replica_context().replica_id.unique_id, "node": node}

    async def predict(self, rows):  # called with a handle: takes and returns an array
        start, prediction = time.time(), predict(self.model, rows)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
        return self.me | {"prediction": prediction, "start": start, "end": time.time(), "peak_mib": peak}

    async def __call__(self, request):  # called over HTTP: takes and returns JSON
        answer = await self.predict(np.array(await request.json(), "float32"))
        return answer | {"prediction": answer["prediction"].tolist()}


def by_handle(handle, rows):
    """2. Call the model from Python, without HTTP or JSON. If the replica dies, retry with another one."""
    for last in (False, False, True):
        try:
            return handle.predict.remote(rows).result(timeout_s=TIMEOUT)
        except ray.exceptions.RayActorError:
            if last:
                raise


def over_http(port, rows):
    """Send a request to Serve's proxy on the head, like a client without Ray. http.client ignores proxy variables."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("POST", f"/{APP}", json.dumps(rows.tolist()), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"HTTP {answer.status}: {text[:300]}")
    told = json.loads(text)
    return told | {"prediction": np.array(told["prediction"], "float32")}


def load_with(ask, requests, known, count, clients):
    """Send requests from several clients, one at a time each. Raises if a prediction differs from plain XGBoost's."""

    def one(number):
        start = time.perf_counter()
        answer = ask(requests[number % DIFFERENT])
        answer["ms"] = 1000 * (time.perf_counter() - start)
        if not np.array_equal(answer.pop("prediction"), known[number % DIFFERENT]):
            raise RuntimeError(f"request {number}: the prediction differs from plain XGBoost's")
        return answer

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(one, range(count)))
    return time.perf_counter() - start, answers


def p50(answers):
    return float(np.median([answer["ms"] for answer in answers]))


def measure(args, ask, requests, known):
    """Run a warm-up that is not measured, then the rounds."""
    load_with(ask, requests, known, 10 * args.clients, args.clients)
    return [load_with(ask, requests, known, args.requests, args.clients) for _ in range(args.rounds)]


def medians(rounds):
    """The medians over all rounds: requests per second, and the latency that clients saw."""
    late = [np.percentile([answer["ms"] for answer in answers], [50, 99]) for _, answers in rounds]
    speed = float(np.median([len(answers) / seconds for seconds, answers in rounds]))
    half, most = np.median(late, axis=0).tolist()
    return {"requests_per_second": speed, "p50_ms": half, "p99_ms": most}


def tasks_of(replicas, rounds, nodes):
    """Each replica's work in each round. Raises if some replicas or nodes answered no requests."""
    groups = collections.defaultdict(list)
    for number, (_, answers) in enumerate(rounds, 1):
        for answer in answers:
            groups[number, answer["replica"], answer["node"]].append(answer)
    seen, used = (len({group[of] for group in groups}) for of in (1, 2))
    if seen < replicas or used < nodes:
        raise RuntimeError(f"only {seen} of {replicas} replicas answered, on {used} of {nodes} nodes")
    return [{"name": f"{replicas} replica{'s' * (replicas > 1)}, round {number}", "node": node,
             "start": min(one["start"] for one in group), "end": max(one["end"] for one in group),
             "peak_mib": max(one["peak_mib"] for one in group), "requests": len(group)}
            for (number, _, node), group in groups.items()]  # fmt: skip


@ray.remote(num_cpus=1)
def predict_alone(args, requests):
    """Plain XGBoost on one worker CPU. Returns predictions, the median seconds per round, and the ms for one row."""
    model = load(args.model)
    known = np.stack([predict(model, rows) for rows in requests])

    def ask(rows):
        return {"prediction": predict(model, rows)}

    rounds = range(args.rounds if args.compare else 0)
    seconds = [load_with(ask, requests, known, args.requests, 1)[0] for _ in rounds]
    one_row = p50(load_with(ask, requests[:, :1], known[:, :1], 100, 1)[1])
    return known, float(np.median(seconds)) if seconds else None, one_row


def make_small(uri):
    """Without a cluster: create a model if there is none."""
    X = np.random.default_rng(3).random((4000, 2))
    os.makedirs(os.path.dirname(uri), exist_ok=True)
    data = xgb.DMatrix(X, X[:, 0] > 0.5, feature_names=["average_price", "total_volume"])
    xgb.train({"objective": "binary:logistic"}, data, 10).save_model(uri)


def places():
    """How many replicas fit: one per worker, so that they share no CPU, or, without a cluster, one per CPU."""
    cpus = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    return sum(cpus) if ALONE else sum(have >= 1 for have in cpus)


def check(args):
    """If the job can't succeed, exit with a one-sentence message before any work is done. Returns the model."""
    try:
        model = load(args.model)
    except (OSError, ValueError, xgb.core.XGBoostError) as error:  # the client's message contains Google's
        said = re.search(r"last message of (.*?) error_info|$", str(error))[1] or str(error).splitlines()[0]
        told = f"--model {args.model} can't be read (to create it: python submit.py jobs/train_xgboost.py)"
        raise SystemExit(f"{told}: {said}") from None
    deadline = time.monotonic() + PATIENCE
    while (have := places()) < args.replicas:  # workers may still be joining
        if time.monotonic() > deadline:
            where = f"this machine has {have} CPU" if ALONE else f"{have} workers have a CPU"
            raise SystemExit(f"--replicas {args.replicas}: {where}. Use fewer, or add workers.")
        time.sleep(1)
    head = next(node["NodeID"] for node in ray.nodes() if "node:__internal_head__" in node["Resources"])
    if ray.get_runtime_context().get_node_id() != head:
        raise SystemExit(
            "Serve runs on the head, but the driver does not: submit the job without --entrypoint-num-…."
        )
    if any(actor["namespace"] == "serve" for actor in ray.util.list_named_actors(all_namespaces=True)):
        if not args.replace:
            whose = "for another job, or left behind by a killed one"
            raise SystemExit(f"Ray Serve is already running, {whose}. To shut it down first: --replace")
        serve.shutdown()
    return model


def start_serve():
    """3. Start the controller and the HTTP proxy on the head; neither needs a CPU. Returns the proxy's port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # serve.run warns about every port other than 8000
    serve.start(proxy_location="HeadOnly", http_options={"port": port}, logging_config=QUIET)
    return port


def serve_and_measure(args, requests, known, names):
    """4. Measure one replica, then --replicas, one per worker. Returns medians, tasks, and the latency of one row."""
    port, found, tasks = start_serve(), {}, []
    for replicas in sorted({1, args.replicas}):
        app = Model.options(num_replicas=replicas, max_replicas_per_node=None if ALONE else 1)
        deployed = serve.run(app.bind(args.model), name=APP, route_prefix=f"/{APP}")
        handle = functools.partial(by_handle, deployed)
        rounds = measure(args, handle, requests, known)
        found[replicas] = told = medians(rounds)
        tasks += (own := tasks_of(replicas, rounds, 1 if ALONE else replicas))
        told["nodes"] = sorted({names[task["node"]] for task in own})
        late = f"p50 {told['p50_ms']:.1f} ms, p99 {told['p99_ms']:.1f} ms"
        where = f"{replicas} on {' and '.join(told['nodes'])}"
        print(f"{where}: {told['requests_per_second']:.1f} requests/s, {late}", flush=True)
        if replicas == 1:
            http = functools.partial(over_http, port)
            load_with(http, requests[:, :100], known[:, :100], DIFFERENT, 1)
            one, of = (requests[:, :1], known[:, :1], 100, 1), {"handle": handle, "http": http}
            one_row = {way: p50(load_with(ask, *one)[1]) for way, ask in of.items()}
        serve.delete(APP)  # 5. The next replicas are new, and can use this one's CPU
    return found, tasks, one_row


def run(args):
    """Serve and measure. Raises if a prediction differs from plain XGBoost's, or if a replica answers nothing."""
    if ALONE and not os.path.exists(args.model):
        make_small(args.model)
    ray.init()  # no address: the cluster sets it; without a cluster, this starts Ray on this machine
    requests = requests_for(check(args), args.rows)
    known, alone, plain = ray.get(predict_alone.remote(args, requests))
    nodes = [(n["NodeID"], n["NodeName"], n["Labels"].get("pool")) for n in ray.nodes()]
    try:
        found, tasks, one_row = serve_and_measure(args, requests, known, {i: n for i, n, _ in nodes})
    finally:
        serve.shutdown()  # 6. Otherwise, Serve outlives the job, and its replicas keep their CPUs
    most = found[args.replicas]
    seconds = {"ray": args.requests / most["requests_per_second"], "alone": alone}
    speed_up = alone and alone / seconds["ray"]
    asked = {i: sum(task["requests"] for task in tasks if task["node"] == i) for i, _, _ in nodes}
    drawn = [[replicas, told["requests_per_second"]] for replicas, told in found.items()]
    return {
        "version": 1, "job": "serve_model",
        "data": f"synthetic, {args.requests} requests x {args.rows} rows, {args.model}",
        "nodes": [{"node": n, "id": i, "pool": p, "tasks": asked[i]} for i, n, p in nodes if asked[i]],
        "cpus": args.replicas, "seconds": seconds, "speed_up": speed_up,
        "efficiency": speed_up and speed_up / args.replicas,
        "peak_memory_mib": max(task["peak_mib"] for task in tasks),
        "metrics": {
            **{f"replicas_{replicas}": told for replicas, told in found.items()},
            "one_row_ms": {"plain": plain, **one_row}, "clients": args.clients, "rounds": args.rounds,
            "model": args.model,
        },
        "curves": [{"title": "throughput", "x": "replicas", "y": "requests/s", "lines": {"by handle": drawn}}],
        "tasks": tasks,
    }  # fmt: skip


def parse_args(argv=None):
    """Parse the arguments. If they are invalid, exits with a usage message."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    models, two = f"{TEMP if ALONE else 'gs:/'}/lab-models", min(2, os.cpu_count()) if ALONE else 2
    parser.add_argument("--model", default=f"{models}/train_xgboost/model.ubj", metavar="URI", help="input")
    parser.add_argument("--replicas", type=int, default=two, help="replicas to compare with one (default: 2)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows per request (default: 20000)")
    parser.add_argument("--requests", type=int, default=200, help="requests per round (default: 200)")
    parser.add_argument("--clients", type=int, default=4, help="concurrent clients (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds to take medians of (default: 5)")
    parser.add_argument("--replace", action="store_true", help="first shut down a running Ray Serve")
    parser.add_argument("--compare", action="store_true", help="also run without Ray and report the speed-up")
    parser.add_argument("--smoke-test", dest="rounds", action="store_const", const=1, help="a short run")
    parser.add_argument("--output", type=pathlib.Path, help="also write the result to this local file")
    args = parser.parse_args(argv)
    if min(args.replicas, args.rows, args.rounds) < 1 or args.requests < 10 * args.replicas:
        parser.error("--replicas, --rows and --rounds must be at least 1, --requests 10 per replica")
    if not args.replicas <= args.clients <= MOST:
        parser.error(f"--clients {args.clients}: must be at least one per replica, and at most {MOST}")
    if args.output and (args.output.is_dir() or not os.access(args.output.parent, os.W_OK)):
        parser.error(f"--output {args.output}: not writable on the machine that runs the job")
    return args


def main():
    """Run the job, then print RESULT and the result as JSON. --output also writes it to a file."""
    args = parse_args()
    result = json.dumps(run(args), allow_nan=False)
    ray.shutdown()  # so that no worker prints anything after the result
    if args.output:
        args.output.write_text(result + "\n")
    print("RESULT", result, flush=True)


if __name__ == "__main__":
    main()
