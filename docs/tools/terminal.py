"""Runs a command in a terminal and returns the final screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from typing import Any

from raydock import settings

COLUMNS, ROWS = 80, 24
UNWRAPPED = 1000  # columns: none of our lines is longer
SCROLLBACK = 1000  # lines
# The key and the port differ between the lab used here and the reader's.
TOKEN = re.compile(r"token=[\w-]{20,}")
READERS_TOKEN = "token=ZohsMJcCZ3npOmtqCMILJeb9js4ljmNu2N-mfXHNHIg"


def screen_after(command: str, width: int = COLUMNS) -> list[list[Any]]:
    """The screen after a shell command: each line is a list of pyte characters, without trailing spaces.

    The command sees a terminal with 80 columns. With a larger `width`, long lines are not wrapped, as if copied.
    """
    import pyte

    screen = pyte.Screen(width, SCROLLBACK)
    pyte.ByteStream(screen).feed(output_of(command))
    lines = [[screen.buffer[row][column] for column in range(width)] for row in range(SCROLLBACK)]
    lines = [stripped(line) for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def output_of(command: str) -> bytes:
    """Everything that the command writes to its terminal, with the token and port shown to readers."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=settings.ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=side,
        stderr=side,
        start_new_session=True,
    )
    os.close(side)
    written = b"".join(iter(lambda: read(main), b""))
    os.close(main)
    process.wait()
    return as_readers(written.decode("utf-8", "replace")).encode()


def read(descriptor: int) -> bytes:
    """The next bytes, or none after the command has closed its terminal, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def as_readers(text: str) -> str:
    """The text with the key replaced by a meaningless one, and the lab's port by the default port."""
    port = settings.setting("RAYDOCK_PORT", "8265")
    return TOKEN.sub(READERS_TOKEN, text).replace(f"127.0.0.1:{port}", "127.0.0.1:8265")


def stripped(line: list[Any]) -> list[Any]:
    """A line's characters, up to the last one that is not a space."""
    length = max((place + 1 for place, char in enumerate(line) if char.data != " "), default=0)
    return line[:length]


def text_of(line: list[Any]) -> str:
    """A line's characters as text."""
    return "".join(char.data for char in line)
