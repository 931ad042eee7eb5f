"""Run a command on a terminal, and return what its screen shows in the end."""

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
UNWRAPPED = 1000  # columns: no line of ours is longer
SCROLLBACK = 1000  # lines
# What differs between the lab that was used and the reader's: the key, and the default port.
TOKEN = re.compile(r"token=[\w-]{20,}")
READERS_TOKEN = "token=ZohsMJcCZ3npOmtqCMILJeb9js4ljmNu2N-mfXHNHIg"


def screen_after(command: str, width: int = COLUMNS) -> list[list[Any]]:
    """The lines of the screen after a shell command, each a list of pyte characters, without trailing spaces.

    The command sees a terminal of 80 columns. With a larger `width`, its long lines stay whole, as if copied.
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
    """Everything that the command writes to its terminal, with the reader's token and port."""
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
    """Some bytes, or none after the command has closed its terminal (Linux reports an error then)."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def as_readers(text: str) -> str:
    """The text with the key replaced by one that opens nothing, and the lab's port by the default."""
    port = settings.setting("RAYDOCK_PORT", "8265")
    return TOKEN.sub(READERS_TOKEN, text).replace(f"127.0.0.1:{port}", "127.0.0.1:8265")


def stripped(line: list[Any]) -> list[Any]:
    """The characters of a line up to the last one that is not a space."""
    length = max((place + 1 for place, char in enumerate(line) if char.data != " "), default=0)
    return line[:length]


def text_of(line: list[Any]) -> str:
    """The characters of a line as text."""
    return "".join(char.data for char in line)
