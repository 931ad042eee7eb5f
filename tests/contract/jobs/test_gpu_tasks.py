"""GPU tasks: never more at a time than fit, and a GPU that does not exist is called simulated."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.contract.jobs.running import ROOT, alone, result

SCRIPT = ROOT / "jobs" / "gpu_tasks.py"


def test_a_cluster_without_gpus_is_one_sentence(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job.ray, "cluster_resources", lambda: {"CPU": 1.0})
    with pytest.raises(SystemExit) as raised:
        job.wait_for_gpu(seconds=0)
    assert raised.value.code == "No GPU after 0 s. Start a worker with a GPU, then resubmit the job."


def test_too_few_tasks_to_queue_is_one_sentence(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "start_ray", lambda: None)
    monkeypatch.setattr(job, "wait_for_gpu", lambda: 2)
    with pytest.raises(SystemExit) as raised:
        job.run(job.parse_args(["--tasks", "2"]))
    assert raised.value.code == "--tasks 2: with 2 GPUs, no task would wait; use 3 or more."


def test_a_cluster_is_never_given_a_gpu(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a Ray that the job started itself gets a simulated GPU."""
    calls: list[dict[str, object]] = []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(job.ray, "init", lambda **given: calls.append(given))
    monkeypatch.setattr(job.ray, "cluster_resources", dict)
    job.start_ray()
    assert calls == [{}]


def test_tasks_side_by_side_are_counted(job: ModuleType) -> None:
    spans = [(0, 2), (1, 3), (2, 4), (5, 6)]
    assert job.most_at_once([{"start": start, "end": end} for start, end in spans]) == 2


def test_work_uses_the_first_framework_that_can(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        return None

    steps: list[int] = []
    monkeypatch.setattr(job.gpu_work, "FRAMEWORKS", {"A": missing, "B": lambda: lambda: steps.append(1)})
    monkeypatch.delenv("RAYDOCK_SIMULATED_GPU", raising=False)
    name, rate = job.gpu_work.work(0.01)
    assert (name, rate > 0, len(steps) > 1) == ("B", True, True)
    monkeypatch.setattr(job.gpu_work, "FRAMEWORKS", {"A": missing})
    assert job.gpu_work.work(0) == ("none", None)
    monkeypatch.setenv("RAYDOCK_SIMULATED_GPU", "1")
    monkeypatch.setattr(
        job.gpu_work, "FRAMEWORKS", {"C": lambda: pytest.fail("a simulated GPU computes nothing")}
    )
    assert job.gpu_work.work(0) == ("none", None)


def test_halves_share_the_speed_of_a_gpu(job: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    whole, half = ([{"framework": "CuPy", "steps_per_second": rate}] for rate in (200.0, 101.0))
    found = job.gpu_work.rates(whole, half)
    assert found == {"frameworks": ["CuPy"], "steps_per_second": {"whole": 200.0, "half": 101.0}}
    job.gpu_work.describe(found, "real")
    waited = [{"framework": "none", "steps_per_second": None}]
    job.gpu_work.describe(job.gpu_work.rates(waited, waited), "real")
    job.gpu_work.describe(job.gpu_work.rates(waited, waited), "simulated")
    assert capsys.readouterr().out == (
        "CuPy: 200.0 steps a second with a whole GPU, 101.0 with half a GPU\n"
        "The tasks only waited: none of PyTorch, CuPy, XGBoost can use the GPU here.\n"
    )


def test_more_tasks_at_once_than_gpus_fail(job: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "start_ray", lambda: None)
    monkeypatch.setattr(job, "wait_for_gpu", lambda: 1)
    monkeypatch.setattr(job, "nodes_that_worked", lambda tasks: [])
    monkeypatch.setattr(job, "chart", lambda *given: None)
    task = {"start": 0.0, "end": 1.0, "waited": 0.0, "framework": "none", "steps_per_second": None}
    monkeypatch.setattr(job, "queue", lambda *given: [task] * 2)
    with pytest.raises(
        RuntimeError, match=r"^too many tasks ran at the same time on 1 GPUs: \{'whole': 2, 'half': 2\}$"
    ):
        job.run(job.parse_args([]))


@pytest.mark.ray
@pytest.mark.nightly(
    "tests/contract/test_lessons.py::test_it_runs_on_the_workers[docker-gpu_tasks]",
    "tests/contract/jobs/test_gpu_tasks.py::test_tasks_side_by_side_are_counted",
)
def test_alone_it_says_that_there_is_no_gpu_and_queues_all_the_same() -> None:
    text = alone(SCRIPT)
    told = "This machine has no GPU, so Ray gets a simulated one. Only the queue is real." in text
    found = result(text)
    gpus, kind = found["metrics"]["gpus"], "simulated" if told else "real"
    assert found["data"] == f"none; {gpus} GPU ({kind})"
    assert found["nodes"][0]["simulated"] == told
    assert found["nodes"][0]["tasks"] == 2 * 4 * gpus
    assert found["metrics"]["most_at_once"]["whole"] <= gpus
    assert gpus < found["metrics"]["most_at_once"]["half"] <= 2 * gpus
    assert {task["CUDA_VISIBLE_DEVICES"] for task in found["tasks"]} == {str(n) for n in range(gpus)}
