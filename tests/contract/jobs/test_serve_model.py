"""The model as a service: answers of plain XGBoost, numbers checked by hand, replicas that share the work."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.contract.jobs.nodes import Nodes
from tests.contract.jobs.running import ROOT, check, result, started
from tests.contract.test_lessons import SERVE

SCRIPT = ROOT / "jobs" / "serve_model.py"
SHORT = ("--rows", "500", "--requests", "60", "--rounds", "2")


def node(name: str, cpus: float, **more: float) -> dict[str, Any]:
    return {"NodeID": name, "Alive": True, "Resources": {"CPU": cpus, **more}}


@pytest.fixture
def cluster(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the job sees of a cluster with two workers: the driver's node, and actors with a name."""
    head = node("head", 0, **{"node:__internal_head__": 1.0})
    there = SimpleNamespace(nodes=[head, node("one", 1), node("two", 4)], driver="head", actors=[], ended=[])
    monkeypatch.setattr(job, "ALONE", False)
    monkeypatch.setattr(job, "PATIENCE", 0)
    monkeypatch.setattr(job.ray, "nodes", lambda: there.nodes)
    monkeypatch.setattr(
        job.ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: there.driver)
    )
    monkeypatch.setattr(job.ray.util, "list_named_actors", lambda all_namespaces: there.actors)
    monkeypatch.setattr(job.serve, "shutdown", lambda: there.ended.append("Serve"))
    return there


@pytest.fixture
def model(job: ModuleType, tmp_path: Path) -> str:
    job.make_small(f"{tmp_path}/models/model.ubj")
    return f"{tmp_path}/models/model.ubj"


@pytest.mark.parametrize(
    ("words", "changed", "told"),
    [
        (
            ["--model", "/no/model.ubj"], {},
            "--model /no/model.ubj can't be read (to create it: python submit.py jobs/train_xgboost.py): "
            "[Errno 2] Failed to open local file '/no/model.ubj'. Detail: [errno 2] No such file or directory",
        ),
        (["--replicas", "3"], {}, "--replicas 3: 2 workers have a CPU. Use fewer, or add workers."),
        (
            [], {"driver": "one"},
            "Serve runs on the head, but the driver does not: submit the job without --entrypoint-num-….",
        ),
        (
            [], {"actors": [{"namespace": "serve", "name": "SERVE_CONTROLLER_ACTOR"}]},
            "Ray Serve is already running, for another job, or left behind by a killed one. "
            "To shut it down first: --replace",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence(
    job: ModuleType,
    cluster: SimpleNamespace,
    model: str,
    words: list[str],
    changed: dict[str, Any],
    told: str,
) -> None:
    vars(cluster).update(changed)
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(["--model", model, *words]))
    assert raised.value.code == told
    assert cluster.ended == []


def test_a_file_that_is_no_model_is_one_sentence(
    job: ModuleType, cluster: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "model.ubj").write_bytes(b"no model")
    with pytest.raises(SystemExit) as raised:
        job.check(job.parse_args(["--model", f"{tmp_path}/model.ubj"]))
    told = f"--model {tmp_path}/model.ubj can't be read (to create it: python submit.py "
    assert str(raised.value.code).startswith(told)
    assert "\n" not in str(raised.value.code)


def test_a_serve_that_runs_there_is_shut_down_where_that_is_asked_for(
    job: ModuleType, cluster: SimpleNamespace, model: str
) -> None:
    cluster.actors = [{"namespace": "serve", "name": "SERVE_CONTROLLER_ACTOR"}]
    assert job.check(job.parse_args(["--model", model, "--replace"])).num_boosted_rounds() == 10
    assert cluster.ended == ["Serve"]


def test_requests_are_the_same_each_time_and_their_answers_differ(job: ModuleType, model: str) -> None:
    booster = job.load(model)
    requests = job.requests_for(booster, 50)
    assert requests.shape == (job.DIFFERENT, 50, 2)
    assert np.array_equal(requests, job.requests_for(booster, 50))
    answers = job.predict(booster, requests[0])
    assert answers.min() < 0.1 < 0.9 < answers.max()
    assert np.array_equal(job.predict(booster, requests[0][:1]), answers[:1]), (
        "a row does not depend on others"
    )


def asked(requests: np.ndarray, known: np.ndarray) -> Any:
    """Answers as the service does; `most` is how many asked at the same time."""
    lock, now = threading.Lock(), 0

    def ask(rows: np.ndarray) -> dict[str, Any]:
        nonlocal now
        with lock:
            now += 1
            ask.most = max(ask.most, now)  # type: ignore[attr-defined]
        time.sleep(0.01)
        with lock:
            now -= 1
        (number,) = (n for n, one in enumerate(requests) if one is rows or np.array_equal(one, rows))
        return {"prediction": known[number]}

    ask.most = 0  # type: ignore[attr-defined]
    return ask


def test_the_clients_ask_at_the_same_time_and_each_answer_is_compared(job: ModuleType) -> None:
    requests = np.arange(job.DIFFERENT, dtype="float32").reshape(-1, 1, 1)
    known = requests[:, 0] / 100
    ask = asked(requests, known)
    seconds, answers = job.load_with(ask, requests, known, 40, 4)
    assert (len(answers), ask.most) == (40, 4)
    assert all(answer["ms"] >= 10 for answer in answers)
    assert seconds >= 0.1
    other = known.copy()
    other[3] += 1e-6
    with pytest.raises(RuntimeError, match=r"^request 3: the prediction differs from plain XGBoost's$"):
        job.load_with(ask, requests, other, 20, 1)


def rounds(*late: float) -> list[tuple[float, list[dict[str, Any]]]]:
    """Rounds of 100 requests, one of them late by so many ms; a round takes as many seconds as it has the number."""
    return [
        (
            float(number),
            [
                {"ms": ms, "replica": f"r{n % 2}", "node": f"n{n % 2}",
                 "start": n, "end": n + 1, "peak_mib": 10 * number}
                for n, ms in enumerate([*range(1, 100), last])
            ],
        )
        for number, last in enumerate(late, 1)
    ]  # fmt: skip


def test_medians_of_rounds_are_told(job: ModuleType) -> None:
    told = job.medians(rounds(100, 1100, 100))
    assert told == pytest.approx({"requests_per_second": 50, "p50_ms": 50.5, "p99_ms": 99.01})
    assert job.medians(rounds(1100))["p99_ms"] == pytest.approx(99 + 0.01 * 1001)


def test_each_replica_has_a_task_a_round(job: ModuleType) -> None:
    tasks = job.tasks_of(2, rounds(100, 100), 2)
    assert [(task["name"], task["node"], task["requests"]) for task in tasks] == [
        ("2 replicas, round 1", "n0", 50), ("2 replicas, round 1", "n1", 50),
        ("2 replicas, round 2", "n0", 50), ("2 replicas, round 2", "n1", 50),
    ]  # fmt: skip
    assert [(task["start"], task["end"], task["peak_mib"]) for task in tasks][-1] == (1, 100, 20)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"node": "n0"}, r"^only 2 of 2 replicas answered, on 1 of 2 nodes$"),
        ({"node": "n0", "replica": "r0"}, r"^only 1 of 2 replicas answered, on 1 of 2 nodes$"),
    ],
)
def test_replicas_that_do_not_share_the_work_fail_the_job(
    job: ModuleType, changed: dict[str, str], told: str
) -> None:
    given = [(seconds, [one | changed for one in answers]) for seconds, answers in rounds(100)]
    with pytest.raises(RuntimeError, match=told):
        job.tasks_of(2, given, 2)


class Service(http.server.BaseHTTPRequestHandler):
    """Adds up each row; fails at a row of zeros."""

    def do_POST(self) -> None:
        rows = np.array(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), "float32")
        told = {"prediction": rows.sum(axis=1).tolist(), "path": self.path}
        text = json.dumps(told).encode() if rows.any() else b"Internal Server Error"
        self.send_response(200 if rows.any() else 500)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_over_http_the_numbers_are_the_same_to_the_last_bit_and_no_proxy_is_asked(
    job: ModuleType, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    rows = np.random.default_rng(1).random((50, 1), "float32")
    told = job.over_http(port, rows)
    assert told["path"] == "/serve_model"
    assert told["prediction"].dtype == rows.dtype
    assert np.array_equal(told["prediction"], rows[:, 0])
    with pytest.raises(RuntimeError, match=r"^HTTP 500: Internal Server Error$"):
        job.over_http(port, np.zeros((1, 1), "float32"))


@pytest.mark.parametrize("lost", [0, 2, 3])
def test_a_request_that_is_lost_with_its_replica_is_sent_twice_more(job: ModuleType, lost: int) -> None:
    asked: list[object] = []

    def answer(timeout_s: float) -> dict[str, Any]:
        if len(asked) <= lost:
            raise job.ray.exceptions.RayActorError
        return {"prediction": asked[-1]}

    def remote(rows: object) -> SimpleNamespace:
        asked.append(rows)
        return SimpleNamespace(result=answer)

    handle = SimpleNamespace(predict=SimpleNamespace(remote=remote))
    if lost < 3:
        assert job.by_handle(handle, "rows") == {"prediction": "rows"}
    else:
        with pytest.raises(job.ray.exceptions.RayActorError):
            job.by_handle(handle, "rows")
    assert asked == ["rows"] * min(lost + 1, 3)


@pytest.mark.ray
@pytest.mark.parametrize("runs", [1, pytest.param(2, marks=pytest.mark.nightly(SERVE))])
def test_two_replicas_are_on_two_workers_and_nothing_stays(
    job: ModuleType, nodes: Nodes, model: str, tmp_path: Path, runs: int
) -> None:
    for number in range(runs):  # the second would find what the first left
        log = tmp_path / f"log{number}"
        with started(
            SCRIPT, "--model", model, *SHORT, "--compare", env={"RAY_ADDRESS": nodes.address}, log=log
        ) as process:
            code = process.wait(200)
        assert code == 0, log.read_text()
        found = result(log.read_text())
        check(found, "serve_model")
        assert {(one["node"], one["pool"]) for one in found["nodes"]} == nodes.used
        one, two = (found["metrics"][f"replicas_{replicas}"] for replicas in (1, 2))
        assert (len(one["nodes"]), len(two["nodes"])) == (1, 2)
        # Who asks four at a time waits for three others: requests per second times seconds is about four.
        for told in (one, two):
            assert 0 < told["p50_ms"] <= told["p99_ms"]
            assert 1 < told["requests_per_second"] * told["p50_ms"] / 1000 < 8
        assert {"plain", "handle", "http"} == set(found["metrics"]["one_row_ms"])
        assert found["speed_up"] == pytest.approx(found["seconds"]["alone"] / found["seconds"]["ray"])
