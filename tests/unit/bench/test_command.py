"""Arrival times of lines, and the end of commands. The commands are real processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.measure import command
from bench.measure.command import CompletedCommand, OutputLine, Piece, Unexpected, lines


def test_a_line_arrives_with_the_piece_that_holds_its_newline() -> None:
    pieces = [Piece(1, b"MA"), Piece(2, b"RK 7\nnext\nun"), Piece(3, b"finished")]
    assert list(lines(pieces)) == [OutputLine(2, b"MARK 7"), OutputLine(2, b"next")]


def test_marks_are_the_marked_lines_only() -> None:
    pieces = (Piece(1, b"Job submitted\nMARK 1.5\n  MARK 2\nMARK 3\n"),)
    assert [line.text for line in CompletedCommand(0, 2, 0, pieces, b"").marks] == [b"1.5", b"3"]


def test_no_mark_is_an_error_that_shows_the_output() -> None:
    with pytest.raises(Unexpected) as raised:
        _ = CompletedCommand(0, 1, 4, (Piece(1, b"out\n"),), b"why\n").marks
    assert str(raised.value) == "The command exited with code 4 without printing a MARK line.\nout\nwhy"


def test_pieces_and_the_exit_are_timestamped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second mark is printed once the first has been read."""
    source = f"""
import os, sys, time
print("MARK", time.time(), flush=True)
while not os.path.exists({str(tmp_path / "read")!r}):
    time.sleep(0.01)
print("MARK", time.time(), flush=True)
print("e", file=sys.stderr)
sys.exit(3)
"""
    read = os.read

    def reading(file: int, size: int) -> bytes:
        data = read(file, size)
        if b"\n" in data:
            (tmp_path / "read").touch()
        return data

    monkeypatch.setattr(os, "read", reading)
    done = command.run([sys.executable, "-c", source])
    first, second = done.marks
    printed = float(first.text), float(second.text)
    assert done.started <= printed[0] <= first.at <= printed[1] <= second.at <= done.ended
    assert (done.code, done.err) == (3, b"e\n")


def test_a_command_that_hangs_is_killed_and_reported() -> None:
    source = "import sys, time; print('waiting', file=sys.stderr, flush=True); time.sleep(60)"
    with pytest.raises(Unexpected, match=r"(?s)^The command did not finish in time\."):
        command.run([sys.executable, "-c", source], deadline=0.5)


def test_both_sides_get_the_same_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://elsewhere")
    monkeypatch.setenv("RAYDOCK_PORT", "1")
    monkeypatch.setenv("KEPT", "yes")
    env = command.environment()
    assert "RAY_ADDRESS" not in env
    assert "RAYDOCK_PORT" not in env
    assert (env["KEPT"], env["PYTHONUNBUFFERED"], env["NO_PROXY"]) == ("yes", "1", "127.0.0.1")
