"""Which calls a fault hits, and when it ends."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cloud.faults.active import MAX_ACTIVE, Faults, load
from raydock.faults import Fault

CALLS = 20_000


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("503", 10),
        Fault("429", 1, seed=7),
        Fault("slow", 50, delay=1, seed=8),
        Fault("cut", 10, at="request", seed=9),
        Fault("cut", 10, at="body", seed=10),
        Fault("cut", 33.3, at="response", bucket="b", seed=11),
        Fault("control-plane", 10, seed=12),
    ],
    ids=str,
)
def test_each_kind_occurs_as_often_as_requested(fault: Fault) -> None:
    faults = Faults()
    found = faults.add(fault, 60)
    decide = faults.control_plane if fault.kind == "control-plane" else lambda: faults.storage(["b"])
    hits = sum(decide() == [fault] for _ in range(CALLS))
    assert hits == found.hits
    assert found.calls == CALLS
    assert math.isclose(hits / CALLS, fault.share / 100, rel_tol=0.1)


def test_the_same_seed_hits_the_same_calls() -> None:
    def sequence(seed: int) -> list[bool]:
        faults = Faults()
        faults.add(Fault("503", 30, seed=seed), 60)
        return [bool(faults.storage(())) for _ in range(100)]

    assert sequence(1) == sequence(1) != sequence(2)


def test_a_limited_number_of_hits() -> None:
    faults = Faults()
    faults.add(Fault("503", times=2), 60)
    assert [bool(faults.storage(())) for _ in range(4)] == [True, True, False, False]


def test_a_fault_ends_by_itself(clock: Clock) -> None:
    faults = Faults(clock=clock)
    faults.add(Fault("503"), 60)
    faults.add(Fault("tokens", lifetime=30), 120)
    assert faults.storage(())
    assert faults.token_seconds() == 30
    clock.now += 60
    assert not faults.storage(())
    assert [one.fault.kind for one in faults.active()] == ["tokens"]
    clock.now += 60
    assert faults.token_seconds() == math.inf
    assert faults.active() == []


def test_a_bucket_is_the_one_that_the_call_acts_on() -> None:
    faults = Faults()
    faults.add(Fault("503", bucket="b"), 60)
    assert faults.storage(["b"])
    assert faults.storage(["a", "b"])
    assert not faults.storage(["a"])
    assert not faults.storage([])


def test_this_projects_commands_are_spared_unless_asked() -> None:
    faults = Faults()
    spares = faults.add(Fault("503"), 60)
    assert not faults.storage((), is_command=True)
    assert spares.calls == 0
    faults.add(Fault("503", commands=True), 60)
    assert faults.storage((), is_command=True)


def test_several_faults_at_a_time_keep_their_own_sequences() -> None:
    alone, both = Faults(), Faults()
    alone.add(Fault("503", 10, seed=1), 60)
    both.add(Fault("429", 10, seed=2), 60)
    both.add(Fault("503", 10, seed=1), 60)
    expected = [alone.storage(()) for _ in range(1000)]
    found = [both.storage(()) for _ in range(1000)]
    assert {len(hits) for hits in found} == {0, 1}  # of two, the first takes effect
    assert all(hits for hits, hit in zip(found, expected, strict=True) if hit)
    assert sum(one.hits for one in both.active()) == sum(map(len, found))


def test_slow_faults_add_up_and_precede_another() -> None:
    faults = Faults()
    for fault in (Fault("503"), Fault("slow", delay=1), Fault("slow", delay=2)):
        faults.add(fault, 60)
    assert [str(fault.delay) for fault in faults.storage(())] == ["1", "2", "0.0"]


def test_clearing_one_all_or_an_unknown_one() -> None:
    faults = Faults()
    first, second = (faults.add(Fault("503"), 60) for _ in range(2))
    with pytest.raises(LookupError):
        faults.clear([first.id, "none"])
    assert len(faults.active()) == 2
    assert faults.clear([first.id]) == [first]
    assert faults.clear([]) == [second]
    assert faults.active() == []


def test_too_many() -> None:
    faults = Faults()
    for _ in range(MAX_ACTIVE):
        faults.add(Fault("503"), 60)
    with pytest.raises(ValueError, match="32 faults are active"):
        faults.add(Fault("503"), 60)


def test_a_restart_keeps_the_end_and_another_process_follows(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "faults.json"
    faults, follower = load(file), load(file, follows=True)
    faults.clock = follower.clock = clock
    assert not follower.control_plane()
    made = faults.add(Fault("control-plane", 50, seed=3), 60)
    again = load(file)
    again.clock = clock
    assert [(one.id, one.until, one.fault) for one in again.active()] == [(made.id, made.until, made.fault)]
    hits = [bool(follower.control_plane()) for _ in range(50)]
    faults.add(Fault("503"), 60)  # the file changes, the sequence continues
    hits += [bool(follower.control_plane()) for _ in range(50)]
    assert hits == [bool(faults.control_plane()) for _ in range(100)]
    faults.clear([])
    assert not follower.active()


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"id": "a"}]', '[{"id": "a", "until": 1, "fault": {"x": 1}}]']
)
def test_a_file_of_another_version_does_not_stop_the_cloud(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(text)
    assert load(file).active() == []
