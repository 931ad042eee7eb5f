"""The time until a command's first connection. The commands are real processes."""

from __future__ import annotations

import sys

from bench.submission.start import until_request

TWO_CONNECTIONS = """
import socket, sys, time
from urllib.parse import urlsplit
time.sleep(0.3)
where = urlsplit(sys.argv[1])
held = [socket.create_connection((where.hostname, where.port)) for _ in range(2)]
time.sleep(30)
"""


def test_a_second_connection_of_one_command_is_not_the_first_of_the_next() -> None:
    taken = [
        until_request(lambda address: [sys.executable, "-c", TWO_CONNECTIONS, address]) for _ in range(2)
    ]
    assert all(0.3 < seconds < 29 for seconds in taken)  # the command ends after 30 s
