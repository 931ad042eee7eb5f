"""Running a job with only the roles that it used: what is refused, and what is left afterwards."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO
from typing import Any

import pytest

from iam.lab import job_account
from iam.provision.service_accounts import ServiceAccounts
from iam.session import Session
from iam.used.collect import report_on
from raydock import event_loop
from raydock.errors import PermissionDenied, UsageError
from raydock.rayapi.job import Job
from submit.options import parse
from submit.output import Console
from submit.privilege import as_least
from submit.progress import Progress
from tests.labcloud import AGENT, YOU, RunningCloud, lab_cloud
from tests.unit.iam.used.runs import call, ran

READ = call("get", "gs://lab-data/hello.txt")
NO_ROLE = "x-1 needs storage.buckets.delete on gs://b, which no narrow role grants."
WRITE = call("create", "gs://lab-models/x")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with lab_cloud(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            ran(call("buckets.delete", "gs://b")),
            "x-1 needs storage.buckets.delete on gs://b, which no narrow role grants.",
        ),
        (
            ran(READ, replace(READ, principal=YOU)),
            f"x-1 used several identities: {READ.principal}, {YOU}.",
        ),
    ],
)
def test_what_no_account_with_roles_on_buckets_can_repeat(run: Any, text: str) -> None:
    with pytest.raises(PermissionDenied) as fault:
        as_least.refuse(report_on((run,), again=True), "x-1")
    assert (fault.value.message, fault.value.fix) == (text, "python -m iam used x-1")


@pytest.mark.parametrize("ended", ["SUCCEEDED", "FAILED", ""])
def test_the_account_has_exactly_the_roles_and_goes_away(
    lab: RunningCloud, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = list[str]()
    monkeypatch.setattr(job_account, "use", lambda lab, address, *_: used.append(address))
    session = Session(lab.place, lab.token(YOU), YOU, AGENT, "lab-project", ("lab-data",))
    grants = report_on((ran(READ, WRITE),), again=True).grants.grants
    err, progress = StringIO(), Progress()
    before = {name: one.policy for name, one in lab.world.buckets.items()}

    async def go() -> str:
        async with as_least.least_account(session, grants, Console(BytesIO(), err), progress) as address:
            member = f"serviceAccount:{address}"
            held = {
                (name, binding["role"])
                for name, one in lab.world.buckets.items()
                for binding in one.policy["bindings"]
                if member in binding["members"]
            }
            assert held == {
                ("lab-data", "roles/storage.objectViewer"),
                ("lab-models", "roles/storage.objectUser"),
            }
            progress.sending = progress.sent = True
            progress.job = Job("x-2", ended) if ended else None
        return address

    address = asyncio.run(go())
    agent = AGENT.partition(":")[2]
    if ended:
        assert used == [address, agent]
        assert address not in lab.world.accounts
        assert {name: one.policy for name, one in lab.world.buckets.items()} == before
    else:  # detached: the job still runs as the account
        assert used == [address]
        assert address in lab.world.accounts
        assert err.getvalue().endswith(
            f"when the job has finished: python -m iam account use {agent}\n"
            f"and then: python -m iam account remove {address}\n"
        )


@pytest.mark.parametrize("step", ["create_account", "apply_edit", "use"])
def test_a_step_that_is_interrupted_is_undone(
    lab: RunningCloud, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that sends the request can't be cancelled, so the command waits for it before it undoes the step."""
    used, loops = list[str](), list[asyncio.AbstractEventLoop]()
    monkeypatch.setattr(job_account, "use", lambda lab, address, *_: used.append(address))
    session = Session(lab.place, lab.token(YOU), YOU, AGENT, "lab-project", ("lab-data",))
    owner: Any = {"create_account": ServiceAccounts, "apply_edit": as_least, "use": job_account}[step]
    real, calls = getattr(owner, step), list[int]()

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            for _ in range(5):  # turns of the event loop, in which it cancels the task
                turn = threading.Event()
                loops[0].call_soon_threadsafe(turn.set)
                assert turn.wait(60)
        return real(*arguments)

    monkeypatch.setattr(owner, step, interrupted)
    grants = report_on((ran(READ, WRITE),), again=True).grants.grants
    before = set(lab.world.accounts), {name: one.policy for name, one in lab.world.buckets.items()}

    async def go() -> None:
        loops.append(asyncio.get_running_loop())
        async with as_least.least_account(session, grants, Console(BytesIO(), StringIO()), Progress()):
            raise AssertionError

    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            event_loop.run(go())
    finally:
        signal.signal(signal.SIGTERM, handler)
    after = set(lab.world.accounts), {name: one.policy for name, one in lab.world.buckets.items()}
    assert after == before
    assert used[1:] == ([AGENT.partition(":")[2]] if step == "use" else [])


def test_while_other_jobs_run(lab: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account is removed, so the only fix is to wait: `account use` could not switch to it."""

    def busy(_: object, address: str, __: bool, lasting: bool) -> None:
        raise job_account.refusal("running", "1 job is running.", address, lasting)

    monkeypatch.setattr(job_account, "use", busy)
    session = Session(lab.place, lab.token(YOU), YOU, AGENT, "lab-project", ("lab-data",))
    accounts = set(lab.world.accounts)

    async def go() -> None:
        async with as_least.least_account(session, (), Console(BytesIO(), StringIO()), Progress()):
            raise AssertionError

    with pytest.raises(PermissionDenied) as refused:
        asyncio.run(go())
    assert refused.value.fix == "wait until all jobs have finished (python submit.py list)"
    assert set(lab.world.accounts) == accounts


def test_a_script_that_is_missing_is_reported_before_anything_else() -> None:
    options = parse(["--as-least", "x-1", "jobs/gone.py"])
    with pytest.raises(UsageError, match=r"jobs/gone\.py does not exist"):
        asyncio.run(as_least.run_as_least(options, Console(BytesIO(), StringIO()), Progress()))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--target", "kuberay"], "--as-least runs a job in the lab, not on another cluster."),
        (["--no-wait"], "--as-least follows the job to its end, so --no-wait can't be used with it."),
        (["--dry-run"], "--as-least follows the job to its end, so --dry-run can't be used with it."),
    ],
)
def test_options_that_it_excludes(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as fault:
        parse(["--as-least", "x-1", *words, "jobs/whoami.py"])
    assert fault.value.message == text


def test_only_the_lab_runs_a_job_alone() -> None:
    with pytest.raises(UsageError, match=r"^--alone runs a job in the lab, not on another cluster\.$"):
        parse(["--alone", "--address", "http://127.0.0.1:9", "jobs/whoami.py"])


def test_the_verdict() -> None:
    report = report_on((ran(READ),), again=True)
    proved = list(as_least.verdict(Job("x-2", "SUCCEEDED"), "x-1", report, "a@b"))
    assert proved == [
        "Proved: x-2 passed as a@b with only roles/storage.objectViewer on gs://lab-data.",
        "For the request: python -m iam used x-1 --again --format gcloud",
    ]
    none = list(as_least.verdict(Job("x-2", "SUCCEEDED"), "x-1", report_on((ran(),)), "a@b"))
    assert none == ["Proved: x-2 passed as a@b without any role, so there is nothing to request."]
    failed = list(as_least.verdict(Job("x-2", "FAILED"), "x-1", report, "a@b"))
    assert failed[1] == "What was denied: python -m iam used x-2"
