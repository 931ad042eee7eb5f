"""The end of a command that met something unforeseen: exit code 70, one sentence, and a file for a bug report.

The file says where in the code it happened and holds no values: no local variables, and of an error's text only what
can't carry any, since messages quote what they choke on (a token, a URL with its password, a job's argument).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # also by a stream that takes no more
ROOT = Path(__file__).resolve().parent.parent
FRAMES = 25  # of a long traceback, at each end


def guarded(tool: str, command: Callable[[], int]) -> int:
    """The exit code of a command, whose own error handling may not have been reached: it failed to start."""
    from raydock.streams import Sink, open_streams

    open_streams()
    out, err = Sink(sys.stdout), Sink(sys.stderr)
    sys.stdout, sys.stderr = out, err
    code = ended(tool, command)
    out.flush()
    if out.fault and not isinstance(out.fault, BrokenPipeError):  # `| head` has read enough
        why = getattr(out.fault, "strerror", None) or out.fault
        err.write(f"{tool}: the output can't be written: {why}.\n")
        code = code or INTERRUPTED
    err.flush()
    return code


def ended(tool: str, command: Callable[[], int]) -> int:
    """The exit code of a command, however it ends."""
    try:
        return command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as fault:
        told = sentence(tool, fault)
        sys.stderr.write(f"{told}\n")
        return EXIT_CODE


def sentence(tool: str, fault: BaseException, folder: Path | None = None) -> str:
    """What to tell: that it is our bug, and where the file is. Writes the file; never raises."""
    path = keep(tool, fault, folder)
    where = f"the traceback, without values, is in {path}" if path else "the traceback could not be kept"
    return f"{tool}: internal error ({type(fault).__name__}); this is a bug, please report it: {where}."


def keep(tool: str, fault: BaseException, folder: Path | None = None) -> Path | None:
    """Writes the file, in `folder` or where that can't be written in the folder for temporary files."""
    import tempfile

    text = "\n".join(lines(tool, fault)) + "\n"
    places: tuple[Callable[[], Path], ...] = (lambda: folder or state(), lambda: Path(tempfile.gettempdir()))
    for place_of in places:
        with suppress(Exception):  # whatever is broken here, the sentence must be told
            return written(place_of() / name_of(tool), text)
    return None


def name_of(tool: str) -> str:
    """A file's name that no other run has."""
    import time

    return f"{tool}-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"


def state() -> Path:
    """The folder for crashes in the state folder. The environment alone is read: `.env` may be what is broken."""
    return ROOT / Path(os.environ.get("RAYDOCK_STATE") or ".raydock").expanduser() / "crashes"


def written(path: Path, text: str) -> Path:
    """A new file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def lines(tool: str, fault: BaseException) -> Iterator[str]:
    """The file's text."""
    import platform

    yield f"raydock {tool}, Python {platform.python_version()} on {sys.platform}"
    for link in chain(fault):
        yield ""
        yield from frames(link)
        yield f"{type(link).__module__}.{type(link).__qualname__}{known(link)}"


def chain(fault: BaseException) -> list[BaseException]:
    """The error and what it came from, the first cause first."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [fault]
    while waiting and len(found) < 20:
        link = waiting.pop(0)
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return found[::-1]


def frames(fault: BaseException) -> Iterator[str]:
    """The traceback: files, lines, functions, the source of our own, and no values."""
    import traceback

    stack = traceback.extract_tb(fault.__traceback__)
    middle = [None] if len(stack) > 2 * FRAMES else []
    shown = [*stack[:FRAMES], *middle, *stack[-FRAMES:]] if middle else [*stack]
    for frame in shown:
        if frame is None:
            yield f"  … {len(stack) - 2 * FRAMES} more"
        else:
            source = frame.line if Path(frame.filename).is_relative_to(ROOT) else ""
            yield f"  {place(frame.filename)}:{frame.lineno} in {frame.name}: {source}".rstrip(" :")


def place(name: str) -> str:
    """A file's path in the project or in its package, without the folders of this user."""
    path = Path(name)
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-3:])


def known(fault: BaseException) -> str:
    """What of the error's text can't hold a value."""
    if isinstance(fault, OSError) and fault.errno:
        return f": {os.strerror(fault.errno)}"
    if isinstance(fault, UnicodeError):
        return f": {getattr(fault, 'encoding', '')} {getattr(fault, 'reason', '')}"
    if isinstance(fault, (ImportError, AttributeError, NameError)) and getattr(fault, "name", None):
        return f": {fault.name}"
    return ""
