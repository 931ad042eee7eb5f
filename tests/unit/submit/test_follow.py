"""Follow a job through broken or missing logs, and through outages of the cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raydock.rayapi.dashboard import Dashboard
from raydock.rayapi.endpoint import Timeouts
from raydock.rayapi.job import Job
from submit.errors import Lost
from submit.follow.follower import Follower, Messages
from submit.follow.log import TAIL_BYTES, Log
from submit.follow.polling import Outage, PollIntervals
from submit.follow.scheduling import unschedulable
from submit.targets import open_target
from tests.fakes import HEAD, FakeDashboard, FakeJob, Fault, last_lines

SUPERVISOR = "GET /api/v0/logs/file?node_id=" + HEAD + "&filename=jobs/supervisor-"
LOG = "GET /api/v0/logs/file?node_id=" + HEAD + "&filename=job-driver"
# Short intervals, but generous timeouts, so that the tests do not depend on the speed of the machine.
QUICK = PollIntervals(
    min=0.02, max=0.02, idle=0.02, supervised=0.02, unknown_timeout=0.3, retry=0.02, outage_timeout=600,
    pending_notice=0.1, stop_timeout=0.3, status_timeout=600,
)  # fmt: skip
PATIENT, IMPATIENT = Timeouts(connect=60, read=60), Timeouts(connect=60, read=0.5)
LINES = b"".join(b"line %d\n" % number for number in range(200))


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


class Seen:
    """What a follower printed, and the job it returned."""

    def __init__(self) -> None:
        self.log, self.messages = b"", list[str]()
        self.job = Job("a", "PENDING")

    def write(self, chunk: bytes) -> None:
        self.log += chunk


def follow(
    ray: FakeDashboard,
    act: Callable[[FakeJob], None],
    deadline: float | None = None,
    timeouts: Timeouts = PATIENT,
    intervals: PollIntervals = QUICK,
) -> Seen:
    """Follow the job `a` while `act` drives it in a thread."""
    job = ray.jobs.setdefault("a", FakeJob("a"))
    seen = Seen()

    async def run() -> None:
        async with Dashboard(open_target("local", ray.url), timeouts) as dashboard:
            follower = Follower(dashboard, "a", Log(seen.write), Messages(seen.messages.append), intervals)
            seen.job = await asyncio.wait_for(follower.run(deadline), 120)

    thread = threading.Thread(target=act, args=(job,), daemon=True)
    thread.start()
    try:
        asyncio.run(run())
    finally:
        thread.join(120)
    return seen


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "the condition did not hold within 120 s"
        time.sleep(0.005)


def log_and_end(status: str = "SUCCEEDED") -> Callable[[FakeJob], None]:
    def act(job: FakeJob) -> None:
        for line in LINES.splitlines(keepends=True):
            job.write(line)
            time.sleep(0.001)
        job.end(status, "why")

    return act


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_shows_every_line_once_and_returns_the_status(ray: FakeDashboard, status: str) -> None:
    seen = follow(ray, log_and_end(status))
    assert (seen.job.status, seen.log, seen.messages) == (status, LINES, [])


def test_shows_lines_while_the_job_runs(ray: FakeDashboard) -> None:
    job = ray.jobs.setdefault("a", FakeJob("a"))
    shown: list[bytes] = []

    async def run() -> None:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            await Follower(dashboard, "a", Log(shown.append), Messages(print), QUICK).run()

    def act() -> None:
        job.write(b"early\n")
        wait_until(lambda: bool(shown))
        job.end("SUCCEEDED")

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    asyncio.run(asyncio.wait_for(run(), 120))
    thread.join()
    assert shown == [b"early\n"]


def test_opens_no_stream_that_ray_never_closes(ray: FakeDashboard) -> None:
    """After a hundred of them, the dashboard of 2.47.1 refuses the state API."""
    follow(ray, log_and_end())
    assert ray.count("GET /api/v0/logs/file") > 1
    assert ray.count("GET /api/v0/logs/stream") == 0


def test_polls_only_the_tail_of_a_long_log(ray: FakeDashboard) -> None:
    """Reading a log of 100 MB completely at each poll would transfer it for hours, over a paid network."""
    before = b"".join(b"%d: a line of a log that is already long\n" % number for number in range(2000))

    def act(job: FakeJob) -> None:
        job.write(before)
        for number, line in enumerate(LINES.splitlines(keepends=True)):
            job.write(line)
            polls = number // 20
            wait_until(lambda: ray.count(LOG) >= polls)  # noqa: B023 (called before the next iteration)
        job.end("SUCCEEDED")

    ray.jobs["a"] = FakeJob("a")
    seen = follow(ray, act)
    assert seen.log == before + LINES
    polls = [path for path in ray.requests if path.startswith(LOG)]
    whole = [path for path in polls if path.endswith("&lines=-1")]
    assert len(polls) > 8
    assert len(whole) <= 4, "at the start, perhaps while it was written, and once after the job has ended"


@given(
    steps=st.lists(st.integers(0, 9000), min_size=1, max_size=12),
    lines=st.integers(1, 2000),
    width=st.integers(0, 90),
)
def test_take_tail_adds_new_bytes_or_reports_ambiguity(steps: list[int], lines: int, width: int) -> None:
    whole = b"".join(b"%d %s\n" % (number, b"." * width) for number in range(20_000))
    shown: list[bytes] = []
    log = Log(shown.append)
    log.take(whole[: TAIL_BYTES + 1])
    length = TAIL_BYTES + 1
    for step in steps:
        length += step
        taken = log.take_tail(last_lines(whole[:length], lines))
        if not taken:
            log.take(whole[log.bytes : length])
        assert b"".join(shown) == whole[:length]


@pytest.mark.parametrize("line", [b"tick\n", b"no end of a line ", b"\xc3\xa4\r"])
def test_repetitive_log_is_shown_completely(ray: FakeDashboard, line: bytes) -> None:
    def act(job: FakeJob) -> None:
        for _ in range(60):
            job.write(line * 500)
            time.sleep(0.005)
        job.end("SUCCEEDED")

    assert follow(ray, act).log == line * 30_000


def test_broken_log_reads_lose_and_repeat_nothing(ray: FakeDashboard) -> None:
    ray.log_cuts = [0, 10, 57, 300, 301, 1000]

    def act(job: FakeJob) -> None:
        job.write(LINES)
        wait_until(lambda: len(ray.log_cuts) <= 2)
        job.end("SUCCEEDED")

    seen = follow(ray, act)
    assert (seen.job.status, seen.log) == ("SUCCEEDED", LINES)
    assert len(ray.log_cuts) <= 2, "it was read again after each failure"


def test_falls_back_to_the_job_api_without_the_log_route(ray: FakeDashboard) -> None:
    ray.faults["GET /api/v0/logs/"] = [Fault.MISSING] * 1000
    seen = follow(ray, log_and_end())
    assert (seen.job.status, seen.log) == ("SUCCEEDED", LINES)
    assert ray.count("GET /api/jobs/a/logs") >= 1


def test_job_api_fallback_continues_where_the_log_stopped(ray: FakeDashboard) -> None:
    ray.log_cuts = [12]

    def act(job: FakeJob) -> None:
        job.write(b"one \xc3\xa4\r\ntwo\r")
        wait_until(lambda: not ray.log_cuts)
        ray.faults["GET /api/v0/logs/"] = [Fault.MISSING] * 1000
        job.write(b"\nthree\n")
        wait_until(lambda: ray.count("GET /api/jobs/a/logs") >= 2)
        job.end("SUCCEEDED")

    assert follow(ray, act).log == b"one \xc3\xa4\r\ntwo\r\nthree\n"


def test_end_of_log_does_not_decide_the_outcome(ray: FakeDashboard) -> None:
    """Ray's own client exits 0 here (ray#57002)."""
    ray.log_cuts = [0, 0, 0]

    def act(job: FakeJob) -> None:
        wait_until(lambda: ray.log_cuts == [])
        job.end("FAILED", "driver died")

    assert follow(ray, act).job.status == "FAILED"


def test_supervisor_log_reports_failure_before_the_job_api(ray: FakeDashboard) -> None:
    """Ray sleeps for two seconds over the last lines of a failed job; its supervisor logs the exit code at once."""

    def act(job: FakeJob) -> None:
        job.write(b"begun\n")
        job.supervisor = b"INFO Job a entrypoint command exited with code 0 is what we expect\n"
        wait_until(lambda: ray.count("GET /api/jobs/a") > 5)
        job.write(b"ValueError\n")
        job.supervisor += b"2026 INFO -- Job a entrypoint command exited with code 1 job_id=01000000\n"

    seen = follow(ray, act)
    assert ray.jobs["a"].status == "RUNNING", "the Job API has not reported it yet"
    assert (seen.job.status, seen.job.driver_exit_code, seen.log) == ("FAILED", 1, b"begun\nValueError\n")
    assert seen.job.message == "Job entrypoint command failed with exit code 1"


@pytest.mark.parametrize("status", ["SUCCEEDED", "STOPPED"])
def test_supervisor_log_triggers_status_polls(ray: FakeDashboard, status: str) -> None:
    """A job that runs for hours costs the head one poll per two seconds, yet its end is detected immediately."""
    job, intervals = (
        ray.jobs.setdefault("a", FakeJob("a")),
        replace(QUICK, age_divisor=0.01, supervised=1000, burst=600),
    )
    polls: list[int] = []

    def count() -> int:
        return ray.count("GET /api/jobs/a")

    def supervised() -> int:
        return ray.count(SUPERVISOR)

    def act() -> None:
        for _ in range(2):  # after 8 polls of the supervisor's log, 0.02 s apart, the status is polled rarely
            before = supervised()
            wait_until(lambda: supervised() > before + 8)  # noqa: B023 (called before the next iteration)
            polls.append(count())
        job.supervisor += b"the process has ended\n"
        wait_until(lambda: count() > polls[-1])
        job.end(status)

    async def run() -> Job:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            follower = Follower(dashboard, "a", Log(lambda chunk: None), Messages(print), intervals)
            return await asyncio.wait_for(follower.run(), 120)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    assert asyncio.run(run()).status == status
    thread.join()
    assert polls[1] - polls[0] <= 1, "the status is polled rarely"


def test_exit_code_0_needs_confirmation_by_the_job_api(ray: FakeDashboard) -> None:
    def act(job: FakeJob) -> None:
        job.supervisor = b"2026 INFO -- Job a entrypoint command exited with code 0 job_id=01000000\n"
        wait_until(lambda: ray.count("GET /api/jobs/a") > 8)
        job.end("STOPPED")

    assert follow(ray, act).job.status == "STOPPED"


def test_short_outage_is_reported_and_survived(ray: FakeDashboard) -> None:
    ray.faults["GET /api/jobs/a"] = [Fault.REFUSE, Fault.ERROR]
    seen = follow(ray, log_and_end())
    assert (seen.job.status, seen.log) == ("SUCCEEDED", LINES)
    assert seen.messages == [
        f"The cluster at {ray.url} does not answer: the connection was closed before the response was complete. "
        "Retrying for 600 s."
    ]


def test_permanent_outage_raises_lost_with_attach_command(ray: FakeDashboard) -> None:
    ray.faults["GET /api/jobs/a"] = [Fault.HANG] * 100
    with pytest.raises(Lost) as caught:
        follow(ray, lambda job: None, timeouts=IMPATIENT, intervals=replace(QUICK, outage_timeout=0.6))
    assert caught.value.message == (
        f"The cluster at {ray.url} does not answer: it accepted the request but did not answer in time. "
        "Job a may still be running."
    )
    assert caught.value.fix == f"python submit.py --address {ray.url} attach a"
    assert caught.value.exit_code == 4


def test_forgotten_job_is_lost(ray: FakeDashboard) -> None:
    with pytest.raises(Lost) as caught:
        follow(ray, lambda job: ray.jobs.clear())
    assert caught.value.message == (
        f"The cluster at {ray.url} has no job a: the cluster was restarted, or the job was deleted."
    )


def test_reports_why_a_job_is_pending(ray: FakeDashboard) -> None:
    ray.jobs["a"] = FakeJob("a", status="PENDING", message="Waiting for the runtime env.")

    def act(job: FakeJob) -> None:
        wait_until(lambda: ray.count("GET /api/jobs/a") > 10)
        job.end("SUCCEEDED")

    seen = follow(ray, act)
    assert set(seen.messages) == {"a is PENDING: Waiting for the runtime env."}


def test_deadline_stops_the_job(ray: FakeDashboard) -> None:
    seen = follow(ray, lambda job: job.write(b"begun\n"), deadline=0.3)
    assert (seen.job.status, seen.log) == ("STOPPED", b"begun\n")
    assert seen.messages == ["a did not finish within 0.3 s; stopping it."]


def test_job_that_does_not_stop_is_lost(ray: FakeDashboard) -> None:
    """ray#58353."""
    ray.jobs["a"] = FakeJob("a", stoppable=False)
    with pytest.raises(Lost) as caught:
        follow(ray, lambda job: None, deadline=0.1)
    assert caught.value.message == "Job a did not stop within 0.3 s."


@pytest.mark.parametrize("text", [False, True])
def test_last_result_line_needs_no_newline(ray: FakeDashboard, text: bool) -> None:
    ray.faults["GET /api/v0/logs/"] = [Fault.MISSING] * 1000 * text
    log = Log(lambda chunk: None)
    ray.jobs["a"] = job = FakeJob("a", log=b'RESULT {"n": 1}\nnot RESULT {"n": 2}\nRESULT {"n": 3}')
    job.end("SUCCEEDED")

    async def run() -> None:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            await Follower(dashboard, "a", log, Messages(print), QUICK).run()

    asyncio.run(run())
    assert log.result == b'{"n": 3}'


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fails(outage: Outage, clock: Clock, seconds: float, each: float = 1.0) -> bool:
    """Whether an outage of `seconds` with an attempt and a heartbeat every `each` seconds ends in giving up."""
    given_up = False
    for _ in range(int(seconds / each)):
        clock.now += each
        outage.heartbeat()
        given_up = outage.record_failure()
    return given_up


@pytest.mark.parametrize(
    "gap", [30.0, 3600.0, -7200.0], ids=["SIGSTOP", "a closed laptop", "the clock set back"]
)
def test_outage_counts_only_time_awake(gap: float) -> None:
    outage = Outage(PollIntervals(outage_timeout=60, outage_attempts=4), clock := Clock())
    assert not fails(outage, clock, 58)
    clock.now += gap  # the process wakes up one tick later
    assert not outage.record_failure()
    assert outage.just_began, "it is reported again"
    assert not fails(outage, clock, 58)
    assert fails(outage, clock, 4)


def test_success_resets_the_outage() -> None:
    outage = Outage(PollIntervals(outage_timeout=60, outage_attempts=4), clock := Clock())
    assert not fails(outage, clock, 59)
    outage.record_success()
    assert not fails(outage, clock, 59)


def test_slow_attempts_still_get_the_minimum_number() -> None:
    outage = Outage(
        PollIntervals(outage_timeout=60, outage_attempts=4, suspended_after=1000), clock := Clock()
    )
    assert not fails(outage, clock, 300, each=100)
    assert fails(outage, clock, 100, each=100)


def test_a_busy_machine_is_polled_less_often_and_a_distant_one_not_less_than_an_idle_log() -> None:
    usual = PollIntervals()
    assert usual.for_load(0.01) < usual.for_load(0.04) < usual.for_load(3) == usual.idle


def test_outage_is_reported_within_15_seconds() -> None:
    """In any kind of outage: the sum of the poll interval and the timeout of a request, including connecting."""
    usual = PollIntervals()
    assert max(usual.supervised, usual.max) + usual.status_timeout < 15
    assert usual.outage_timeout == 60


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE, Fault.HTML])
def test_hanging_and_refused_requests_are_both_reported(ray: FakeDashboard, fault: Fault) -> None:
    """`status_timeout` cuts off answers that trickle in or never arrive, whatever the client's own limits."""
    ray.faults["GET /api/jobs/a"] = [fault]
    seen = follow(
        ray, log_and_end(), intervals=replace(QUICK, status_timeout=0.5 if fault is Fault.HANG else 600)
    )
    assert (seen.job.status, seen.log, len(seen.messages) >= 1) == ("SUCCEEDED", LINES, True)
    assert seen.messages[0].endswith(" Retrying for 600 s.")


def test_log_file_limits_the_size_of_the_tail(ray: FakeDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raydock.rayapi.dashboard.MOST", 1000)
    job = ray.jobs["a"] = FakeJob("a", log=b"x" * 100_000)
    job.end("SUCCEEDED")

    async def run() -> list[bytes | None]:
        async with Dashboard(open_target("local", ray.url)) as dashboard:
            name = "job-driver-a.log"
            return [await dashboard.log_file(HEAD, name, 1), await dashboard.log_file(HEAD, name, 1, 100_000)]

    assert asyncio.run(run()) == [None, job.log]


def waiting(name: str, group: str = "", **resources: float) -> dict[str, Any]:
    """A task that waits for a node, as the state API reports it."""
    return {
        "func_or_class_name": name, "placement_group_id": group or None, "required_resources": resources,
        "state": "PENDING_NODE_ASSIGNMENT",
    }  # fmt: skip


def placed(*bundles: Mapping[str, float], name: str = "", state: str = "NO_RESOURCES") -> dict[str, Any]:
    """A pending placement group, as the state API reports it."""
    return {
        "name": name, "creator_job_id": "01000000", "stats": {"scheduling_state": state},
        "bundles": [{"unit_resources": dict(bundle)} for bundle in bundles],
    }  # fmt: skip


NODES = [
    {"CPU": 0.0, "memory": 2.0**31},
    {"CPU": 2.0, "GPU": 1.0, "memory": 2.0**31},
    {"CPU": 2.0, "memory": 2.0**31},
]


@pytest.mark.parametrize(
    ("tasks", "groups", "starts"),
    [
        ([waiting("fit", CPU=2), waiting("Model.fit")], [placed({"CPU": 2}, {"CPU": 2})], []),
        ([waiting("f", GPU=2, CPU=1)], [], ["the task f needs 1 CPU, 2 GPU, more than any node"]),
        ([waiting("f", CPU=2, GPU=1), waiting("g", CPU=3), waiting("g", CPU=3)], [], ["the task g needs 3 CPU, "]),
        ([waiting("Server.__init__", TPU=4)], [], ["the actor Server needs 4 TPU, more than any node"]),
        ([waiting("big", memory=2.0**33)], [], ["the task big needs 8 GiB memory, more than any node"]),
        ([waiting("in_group", "ab12", CPU_group_ab12=1)], [], []),
        ([], [placed({"CPU": 1}, {"GPU": 2})], ["a bundle of a placement group needs 2 GPU, more than any node"]),
        ([], [placed(*[{"CPU": 1}] * 5, name="wide")], ["the placement group wide needs 5 CPU in total, more than"]),
        ([], [placed({"CPU": 2}, {"CPU": 2}, state="INFEASIBLE")], ["a placement group can't be placed with its "]),
        ([waiting("odd")], [{"bundles": None}], []),
    ],
)  # fmt: skip
def test_names_work_that_no_node_can_hold(
    tasks: list[dict[str, Any]], groups: list[dict[str, Any]], starts: list[str]
) -> None:
    found = unschedulable(tasks, groups, NODES)
    assert [line.startswith(start) for line, start in zip(found, starts, strict=True)] == [True] * len(
        starts
    ), found


def test_reports_stuck_work_once(ray: FakeDashboard) -> None:
    ray.tasks = [waiting("train", GPU=8)]
    ray.groups = [{**placed({"TPU": 1}), "creator_job_id": "another's"}]

    def act(job: FakeJob) -> None:
        job.status = "RUNNING"
        wait_until(lambda: ray.count("GET /api/v0/tasks") >= 3)
        job.end("STOPPED")

    seen = follow(ray, act, intervals=replace(QUICK, stuck_first=0.02, stuck_max=0.02))
    assert [line for line in seen.messages if "needs" in line] == [
        "a: the task train needs 8 GPU, more than any node in the cluster has; "
        "it stays pending until such a node joins."
    ]
    query = next(path for path in ray.requests if path.startswith("GET /api/v0/tasks"))
    assert parse_qs(query.partition("?")[2])["filter_values"] == ["PENDING_NODE_ASSIGNMENT", "01000000"]


async def lines() -> AsyncIterator[bytes]:
    yield b"line\n"


class Answers:
    """A dashboard whose answers come when `ready` is set: to every request at the same moment."""

    target, url = open_target("local", "http://127.0.0.1:1"), "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    async def job(self, submission_id: str) -> Job:
        await self.ready.wait()
        self.ready.clear()
        return Job(submission_id, "RUNNING", driver_node=HEAD)

    async def log_file(self, *_: object, **__: object) -> bytes:
        await self.ready.wait()
        return b""

    @asynccontextmanager
    async def log_chunks(self, *_: object, **__: object) -> AsyncIterator[AsyncIterator[bytes]]:
        await self.ready.wait()
        yield lines()


@pytest.mark.parametrize("steps", range(12))
def test_ctrl_c_is_never_lost(steps: int) -> None:
    """However many steps of the event loop after an answer it comes."""

    async def run() -> None:
        answers: Any = Answers()
        follower = Follower(answers, "a", Log(lambda chunk: None), Messages(print, lambda line: None), QUICK)
        following = asyncio.create_task(follower.run())
        for _ in range(10):
            await asyncio.sleep(0)
        answers.ready.set()
        follower.supervisor_changed.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        following.cancel()
        ended, _ = await asyncio.wait({following}, timeout=20)
        assert ended, "still following"
        assert following.cancelled()

    asyncio.run(run())
