"""Runs a command and records when each piece of its output arrives."""

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
DEADLINE = 120.0  # seconds; no benchmarked command takes nearly this long
HEADERS = "RAY_JOB_HEADERS"  # contains the gateway's key; both submit.py and `ray job submit` read it
MARK = b"MARK "  # precedes the times that the jobs in bench/jobs print


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes from stdout, and when they could be read, in seconds since 1970 as in the jobs."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line from stdout, and when its newline arrived, in seconds since 1970."""

    at: float
    text: bytes


@dataclass(frozen=True, slots=True)
class CompletedCommand:
    """A command that has exited. `ended` is when its pipes had been closed and it had been reaped."""

    started: float
    ended: float
    code: int
    pieces: tuple[Piece, ...]
    err: bytes

    @property
    def marks(self) -> list[OutputLine]:
        """The marked lines, without the mark. Raises Unexpected if there are none."""
        found = [line for line in lines(self.pieces) if line.text.startswith(MARK)]
        if not found:
            out = b"".join(piece.data for piece in self.pieces)
            raise Unexpected(
                f"The command exited with code {self.code} without printing a MARK line.", out + self.err
            )
        return [OutputLine(line.at, line.text[len(MARK) :]) for line in found]


class Unexpected(Exception):
    """A command did not do what the benchmark expects. The message quotes the last 2,000 characters of `output`."""

    def __init__(self, message: str, output: bytes = b"") -> None:
        tail = output.decode(errors="replace").strip()[-2000:]
        super().__init__(f"{message}\n{tail}" if tail else message)


def lines(pieces: Sequence[Piece]) -> Iterator[OutputLine]:
    """The complete lines. A line arrives with the piece that contains its newline."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece.data).split(b"\n")
        for text in whole:
            yield OutputLine(piece.at, text)


def environment() -> dict[str, str]:
    """The environment for both ours and stock: no Ray or raydock variables, no proxy, and unbuffered output.

    `ray job submit` does not flush its output, so its lines would pass through a pipe in 8 KB blocks. PYTHONUNBUFFERED
    makes it behave as in a terminal.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RAYDOCK_"))}
    key = {HEADERS: os.environ[HEADERS]} if os.environ.get(HEADERS) else {}
    return kept | key | {"PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def ours(*words: object) -> list[str]:
    """The command `python submit.py …`."""
    return [sys.executable, str(ROOT / "submit.py"), *map(str, words)]


def stock(*words: object) -> list[str]:
    """The command `ray job submit …`, from the project's environment."""
    return [str(Path(sys.executable).with_name("ray")), "job", "submit", *map(str, words)]


def start(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command with stdout and stderr connected to pipes."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(env or environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def run(command: Sequence[str], deadline: float = DEADLINE) -> CompletedCommand:
    """Run a command until it exits. Raises Unexpected if it takes longer than `deadline` seconds."""
    started = time.time()
    process = start(command)
    try:
        pieces, err = read(process, started + deadline)
        code = process.wait(timeout=10)
        return CompletedCommand(started, time.time(), code, tuple(pieces), err)
    finally:
        end(process)


def read(process: subprocess.Popen[bytes], until: float) -> tuple[list[Piece], bytes]:
    """Read both streams until they are closed, and record when each piece of stdout arrives.

    Raises Unexpected if they are still open at `until`, in seconds since 1970.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    out, pieces, err = process.stdout.fileno(), list[Piece](), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream.fileno(), selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.time()))
            if not ready:
                raise Unexpected("The command did not finish in time.", bytes(err))
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
    """Kill the command if it is still running, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
