"""Measures the command's startup time: for --help, and until its first request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

from bench.measure import command
from bench.measure.command import Unexpected
from bench.measure.commands import run_checked, sending
from bench.measure.paired_runs import Setting, alternate, seconds
from bench.measure.statistics import Aim, Comparison, Of

AIM = Aim(Of.OURS, 0.3, strict=True)


def measure(setting: Setting) -> list[Comparison]:
    """Compare --help, then the time to the first request."""
    setting.say("  --help:")
    ours, stock = alternate(
        setting, lambda: wall(command.ours("--help")), lambda: wall(command.stock("--help")), seconds
    )
    rows = [Comparison.of("`submit.py --help` vs. `ray job submit --help`", "s", ours, stock, AIM)]
    setting.say("  until the first request:")
    with sending("marker", "") as commands:
        ours, stock = alternate(
            setting,
            lambda: until_request(lambda address: replace(commands, address=address).ours()),
            lambda: until_request(lambda address: replace(commands, address=address).stock()),
            seconds,
        )
    return [*rows, Comparison.of("command starts → first request", "s", ours, stock, AIM)]


def wall(words: list[str]) -> float:
    """Run a command and return its duration in seconds."""
    done = run_checked(words)
    return done.ended - done.started


def until_request(words: Callable[[str], list[str]]) -> float:
    """The seconds from starting a command until its first connection. `words` builds the command for an address.

    The command is then killed. Each call uses a new listener, so that one command's second connection is not mistaken
    for the next command's first.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        command_line = words(f"http://127.0.0.1:{server.getsockname()[1]}")
        started = time.time()
        process = command.start(command_line)
        try:
            connection, _ = server.accept()
            at = time.time()
            connection.close()
        except TimeoutError:
            raise Unexpected(f"{command_line[1]} did not connect within 30 s.") from None
        finally:
            command.end(process)
    return at - started
