"""The journal: bounded size, crashes, and what a reader gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.decisions.call import begin
from cloud.decisions.journal import KEEP, SEGMENT, Journal
from cloud.decisions.recorder import MOST, Recorder, read


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_the_size_is_bounded_and_the_newest_lines_stay(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment=1000, keep=3)
    for n in range(500):
        journal.append([b"%05d %s\n" % (n, b"x" * (n % 300))])
        assert size_of(journal.folder) <= 3000
    assert journal.dropped
    numbers = [int(line[:5]) for line in journal.lines()]
    assert numbers == list(range(numbers[0], 500))
    assert len(numbers) > 10


def test_one_block_may_fill_several_files(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", segment=1000, keep=3)
    journal.append(b"%0299d\n" % n for n in range(50))
    assert size_of(journal.folder) <= 3000
    assert [int(line) for line in journal.lines()] == list(range(42, 50))


def test_the_bound_is_50_mb() -> None:
    assert SEGMENT * KEEP <= 50_000_000


def test_a_restart_continues_and_a_cut_line_is_skipped(tmp_path: Path) -> None:
    first = Journal(tmp_path / "j")
    first.append([b"1\n", b"2\n"])
    second = Journal(tmp_path / "j")
    second.append([b"3\n"])
    with open(second.path(second.number), "ab") as file:
        file.write(b"4 cut sho")
    third = Journal(tmp_path / "j")
    third.append([b"5\n"])
    assert list(third.lines()) == [b"1\n", b"2\n", b"3\n", b"5\n"]
    assert (first.number, second.number, third.number) == (1, 1, 2)
    assert not third.dropped


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def recorder(folder: Path, **more: int) -> tuple[Recorder, Clock]:
    clock = Clock()
    return Recorder(Journal(folder / "j", **more), clock), clock


def test_a_check_that_a_call_repeats_counts_once_and_a_full_memory_is_written(tmp_path: Path) -> None:
    record, _ = recorder(tmp_path)
    begin("10.0.0.1")
    for _ in range(3):
        record.decided("user:a@example.com", "storage.objects.get", "projects/_/buckets/b/objects/x", True)
    assert [tally.count for tally in record.entries.values()] == [1]
    for n in range(MOST):
        begin("10.0.0.1")
        record.decided("user:a@example.com", "storage.objects.get", f"projects/_/buckets/b/objects/{n}", True)
    assert len(record.entries) <= MOST
    assert record.journal
    assert len(list(record.journal.lines())) == MOST


def test_the_bound_holds_for_names_of_any_length(tmp_path: Path) -> None:
    """A prefix in a batch request may have megabytes."""
    record, _ = recorder(tmp_path, segment=10_000, keep=3)
    for n in range(40):
        begin("10.0.0.1")
        resource = f"projects/_/buckets/{n}/objects/" + "x" * 1_000_000
        record.decided("user:a@example.com", "storage.objects.list", resource, True, "p" * 1_000_000)
        record.flush()
    assert record.journal
    assert size_of(record.journal.folder) <= 30_000


def test_outside_of_a_call_nothing_is_recorded(tmp_path: Path) -> None:
    import contextvars

    record, _ = recorder(tmp_path)
    contextvars.Context().run(record.decided, "user:a@example.com", "p", "r", True)
    contextvars.Context().run(record.moved, "p", "r", 5)
    assert not record.entries


def test_bytes_after_the_decision_was_written_are_not_lost(tmp_path: Path) -> None:
    record, clock = recorder(tmp_path)
    begin("10.0.0.1")
    record.decided("user:a@example.com", "storage.objects.create", "r", True)
    record.flush()
    clock.now += 60
    record.moved("storage.objects.create", "r", 7)
    record.moved("storage.objects.get", "r", 9)  # not part of this call
    record.flush()
    assert record.journal
    (row,) = read(record.journal, 0, 2000, 0)["decisions"]
    assert (row["count"], row["bytes"], row["first"], row["last"]) == (1, 7, 1000, 1060)


def test_a_reader_gets_the_period_and_learns_what_is_missing(tmp_path: Path) -> None:
    record, clock = recorder(tmp_path, segment=2000, keep=2)
    for n in range(100):
        clock.now = 1000 + n
        begin("10.0.0.1")
        record.decided("user:a@example.com", "storage.objects.get", f"object-{n}", n % 2 == 0)
        record.flush()
    assert record.journal
    late = read(record.journal, 1095, 1097, 0)
    assert [row["resource"] for row in late["decisions"]] == ["object-95", "object-96", "object-97"]
    assert [row["granted"] for row in late["decisions"]] == [False, True, False]
    assert late["complete"]
    assert not read(record.journal, 1000, 1097, 0)["complete"]
    assert not read(record.journal, 1095, 1097, 1)["complete"]


def test_a_full_disk_fails_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = recorder(tmp_path)

    def full(self: Journal, block: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "write", full)
    begin("10.0.0.1")
    record.decided("user:a@example.com", "storage.objects.get", "r", True)
    record.flush()
    assert (record.lost, record.entries) == (1, {})


def test_hostile_names_stay_one_line_each(tmp_path: Path) -> None:
    record, _ = recorder(tmp_path)
    names = ["a\nb", "\x1b[2J", "../..", "ü" * 400, "$(reboot)", '"],["', "\ud800", "\u2028"]
    for name in names:
        begin("10.0.0.1")
        record.decided("user:a@example.com", "storage.objects.get", name, True)
    record.flush()
    assert record.journal
    found = [row["resource"] for row in read(record.journal, 0, 2000, 0)["decisions"]]
    assert found == [name.replace("\ud800", "?") for name in names]
