"""How long the command itself takes to start: for its help, and until its first request."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

from bench.measure import command
from bench.measure.command import Unexpected
from bench.measure.commands import ran, sending
from bench.measure.paired_runs import Setting, alternated, seconds
from bench.measure.statistics import Aim, Comparison, Of

AIM = Aim(Of.OURS, 0.3, strict=True)


def measure(setting: Setting) -> list[Comparison]:
    setting.say("  --help:")
    ours, stock = alternated(
        setting, lambda: wall(command.ours("--help")), lambda: wall(command.stock("--help")), seconds
    )
    rows = [Comparison.of("`submit.py --help` beside `ray job submit --help`", "s", ours, stock, AIM)]
    setting.say("  until the first request:")
    with sending("marker", "") as ways:
        ours, stock = alternated(
            setting,
            lambda: until_request(lambda address: replace(ways, address=address).ours()),
            lambda: until_request(lambda address: replace(ways, address=address).stock()),
            seconds,
        )
    return [*rows, Comparison.of("start of the command → its first request", "s", ours, stock, AIM)]


def wall(words: list[str]) -> float:
    """Seconds that a command takes."""
    done = ran(words)
    return done.ended - done.started


def until_request(words: Callable[[str], list[str]]) -> float:
    """Seconds from the start of a command to its first connection to the address that it is given.

    The command is ended then. The listener is a new one each time: a command may have asked for more than one
    connection, and the next command must not be taken for having made it.
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
            raise Unexpected(f"{command_line[1]} made no connection within 30 s.") from None
        finally:
            command.end(process)
    return at - started
