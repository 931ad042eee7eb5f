"""What is drawn on a terminal, and what is said elsewhere."""

from __future__ import annotations

import io
import threading

import pytest

from raydock.terminal.status_line import ERASE, StatusLine
from raydock.terminal.steps import Steps, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


NEVER = 3600.0  # seconds; tests redraw by hand


class Clock:
    """Time that passes only when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawn(stream: Terminal) -> list[str]:
    """Every state of the line, without repetitions."""
    states = stream.getvalue().split(ERASE)
    return [state for number, state in enumerate(states) if state and state not in states[:number]]


def test_a_terminal_has_one_updated_line_below_what_is_said() -> None:
    stream, clock = Terminal(), Clock()

    def say(text: str) -> None:
        stream.write(f"{text}\n")

    steps = Steps(say, StatusLine(stream), "cluster: ", clock, NEVER)
    with steps.step("building 2 images"):
        clock.now = 3.0
        steps.update("head 1/5")
        steps.say("a warning")
        steps.status("head\x1b[2J")
    assert [state for state in drawn(stream) if "(0 s)" not in state] == [
        "cluster: building 2 images: head 1/5 (3 s)",
        "a warning\n",
        "cluster: building 2 images: head\\x1b[2J (3 s)",
        "building 2 images: done in 3 s\n",
    ]
    steps.update("ignored")
    assert "ignored" not in stream.getvalue()


def test_the_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    steps = Steps(lambda text: None, StatusLine(stream), clock=Clock(), tick=NEVER)
    with steps.step("building"):
        steps.update("x" * 100)
    assert drawn(stream)[-1] == "building: " + "x" * 22 + "… (0 s)"
    assert len(drawn(stream)[-1]) == 39


def test_elsewhere_there_are_plain_lines_only() -> None:
    said, clock = list[str](), Clock()
    steps = Steps(said.append, clock=clock)
    with steps.step("starting"):
        steps.update("a detail")
        steps.status("waiting for head")
        clock.now = 130.0
    assert said == ["starting", "waiting for head", "starting: done in 2 min 10 s"]


def test_a_failed_step_leaves_the_last_word_to_the_error() -> None:
    stream, said = Terminal(), list[str]()
    steps = Steps(said.append, StatusLine(stream), tick=NEVER)
    with pytest.raises(ValueError, match="no"), steps.step("building"):
        raise ValueError("no")
    assert said == []
    assert stream.getvalue().endswith(ERASE)
    steps.status("afterwards")
    assert said == ["afterwards"]


def test_a_step_within_a_step_is_a_detail_of_it() -> None:
    stream, said, clock = Terminal(), list[str](), Clock()
    for line in (StatusLine(stream), StatusLine(io.StringIO())):
        steps = Steps(said.append, line, clock=clock, tick=NEVER)
        with steps.step("scaling"):
            with steps.step("starting"):
                clock.now += 2.0
            steps.status("waiting")
    assert drawn(stream) == ["scaling (0 s)", "scaling: starting (0 s)", "scaling: waiting (2 s)"]
    assert said == ["scaling: done in 2 s", "scaling", "starting", "waiting", "scaling: done in 2 s"]


def test_durations() -> None:
    assert [duration(one) for one in (0.4, 119.4, 120, 3725)] == ["0 s", "119 s", "2 min 0 s", "62 min 5 s"]


def test_the_line_is_redrawn_while_nothing_happens() -> None:
    redrawn = threading.Event()

    class Watched(Terminal):
        def write(self, text: str) -> int:
            if "(7 s)" in text:
                redrawn.set()
            return super().write(text)

    clock = Clock()
    with Steps(lambda text: None, StatusLine(Watched()), clock=clock, tick=0.001).step("building"):
        clock.now = 7.0
        assert redrawn.wait(60)
