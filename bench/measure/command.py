"""Runs a command as a person's shell would, and notes when each piece of its output arrived."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 120.0  # seconds: no command of a measurement takes nearly as long
HEADERS = "RAY_JOB_HEADERS"  # both ways read it: the gateway's key
MARK = b"MARK "  # stands before the time that a job of bench/jobs prints


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of stdout, and when they could be read. Times are seconds since the epoch, as in the jobs."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line of stdout, and when its newline arrived."""

    at: float
    text: bytes


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended. `ended` is when its pipes were closed and it was reaped."""

    started: float
    ended: float
    code: int
    pieces: tuple[Piece, ...]
    err: bytes

    @property
    def marks(self) -> list[OutputLine]:
        """The marked lines, the text being what follows the mark."""
        found = [line for line in lines(self.pieces) if line.text.startswith(MARK)]
        if not found:
            out = b"".join(piece.data for piece in self.pieces)
            raise Unexpected(f"The command ended with {self.code} and showed no mark.", out + self.err)
        return [OutputLine(line.at, line.text[len(MARK) :]) for line in found]


class Unexpected(Exception):
    """A command did not do what is measured: its end or its output is not what it has to be."""

    def __init__(self, message: str, output: bytes = b"") -> None:
        tail = output.decode(errors="replace").strip()[-2000:]
        super().__init__(f"{message}\n{tail}" if tail else message)


def lines(pieces: Sequence[Piece]) -> Iterator[OutputLine]:
    """The whole lines of the pieces; a line arrives with the piece that holds its newline."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece.data).split(b"\n")
        for text in whole:
            yield OutputLine(piece.at, text)


def environment() -> dict[str, str]:
    """For both ways alike: nothing that redirects them, no proxy, and output that Python does not hold back.

    `ray job submit` prints without flushing, so that through a pipe its lines would come in blocks of 8 KB:
    PYTHONUNBUFFERED gives it what it has in a terminal.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    key = {HEADERS: os.environ[HEADERS]} if os.environ.get(HEADERS) else {}
    return kept | key | {"PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def ours(*words: object) -> list[str]:
    """`python submit.py …`."""
    return [sys.executable, str(ROOT / "submit.py"), *map(str, words)]


def stock(*words: object) -> list[str]:
    """`ray job submit …` of the project's environment."""
    return [str(Path(sys.executable).with_name("ray")), "job", "submit", *map(str, words)]


def start(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts a command with pipes on both streams."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(env or environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def run(command: Sequence[str], deadline: float = DEADLINE) -> Ran:
    """Runs a command to its end. Raises Unexpected where it does not end by the deadline (seconds)."""
    started = time.time()
    process = start(command)
    try:
        pieces, err = read(process, started + deadline)
        code = process.wait(timeout=10)
        return Ran(started, time.time(), code, tuple(pieces), err)
    finally:
        end(process)


def read(process: subprocess.Popen[bytes], until: float) -> tuple[list[Piece], bytes]:
    """Both streams until they are closed, each piece of stdout with the time at which it could be read."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, pieces, err = process.stdout.fileno(), list[Piece](), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.time()))
            if not ready:
                raise Unexpected("The command has not ended in time.", bytes(err))
            at = time.time()
            for key, _ in ready:
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fd)
                elif key.fd == out:
                    pieces.append(Piece(at, data))
                else:
                    err += data
    return pieces, bytes(err)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a command that is still running, and closes its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
