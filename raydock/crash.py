"""Handle unexpected errors in a command: exit code 70, one sentence, and a file for the bug report.

The file shows where in the code the error occurred and contains no values: no local variables, and only those parts of
an error's text that can't contain any, since messages quote their input (a token, a URL with a password, a job's
argument).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raydock import interrupts

EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = interrupts.CODE  # also if stdout can't be written
ROOT = Path(__file__).resolve().parent.parent
FRAMES = 25  # kept at each end of a long traceback


def guarded(tool: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code, even if it fails before its own error handling starts.

    SIGTERM interrupts it as Ctrl-C does: raydock/interrupts.py.
    """
    if not interrupts.owned:
        interrupts.starting(f"{tool}: interrupted before anything was done.")
    from raydock.terminal.streams import Sink, open_streams

    open_streams()
    out, err = Sink(sys.stdout), Sink(sys.stderr)
    sys.stdout, sys.stderr = out, err
    code = ended(tool, command)
    interrupts.ending(code)
    out.flush()
    if out.fault and not isinstance(out.fault, BrokenPipeError):  # `| head` has read enough
        why = getattr(out.fault, "strerror", None) or out.fault
        err.write(f"{tool}: could not write the output: {why}.\n")
        code = code or INTERRUPTED
    err.flush()
    if interrupts.received:
        os._exit(code)  # during the rest of Python's exit, a second signal would show a traceback
    return code


def ended(tool: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code, however it exits."""
    try:
        with interrupts_kept():
            return command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as fault:
        sys.stderr.write(f"{sentence(tool, fault)}\n")
        return EXIT_CODE


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt instead of an unexpected error that it led to, as it may in a lock or an import."""
    from raydock.errors import RaydockError

    try:
        yield
    except RaydockError:
        raise
    except Exception as fault:
        if interrupts.received or any(isinstance(link, KeyboardInterrupt) for link in chain(fault)):
            raise KeyboardInterrupt from None
        raise


def sentence(tool: str, fault: BaseException, folder: Path | None = None) -> str:
    """The message that reports the bug and the path of the file. Writes the file; never raises."""
    path = keep(tool, fault, folder)
    where = f"the traceback, without values, is in {path}" if path else "the traceback could not be kept"
    return f"{tool}: internal error ({type(fault).__name__}); this is a bug, please report it: {where}."


def keep(tool: str, fault: BaseException, folder: Path | None = None) -> Path | None:
    """Write the file to `folder`, or to the temporary folder if that fails. None if both fail."""
    import tempfile

    text = "\n".join(lines(tool, fault)) + "\n"
    places: tuple[Callable[[], Path], ...] = (lambda: folder or state(), lambda: Path(tempfile.gettempdir()))
    for place_of in places:
        with suppress(Exception):  # the sentence must be shown even if this fails
            return written(place_of() / name_of(tool), text)
    return None


def name_of(tool: str) -> str:
    """A file name that is unique to this run."""
    import time

    return f"{tool}-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"


def state() -> Path:
    """The crash folder in the state folder. Reads only the environment, because `.env` may be the cause."""
    return ROOT / Path(os.environ.get("RAYDOCK_STATE") or ".raydock").expanduser() / "crashes"


def written(path: Path, text: str) -> Path:
    """Create a file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def lines(tool: str, fault: BaseException) -> Iterator[str]:
    """The lines of the file."""
    import platform

    yield f"raydock {tool}, Python {platform.python_version()} on {sys.platform}"
    for link in chain(fault):
        yield ""
        yield from frames(link)
        yield f"{type(link).__module__}.{type(link).__qualname__}{known(link)}"


def chain(fault: BaseException) -> list[BaseException]:
    """The error and its causes, starting with the first cause; up to 20."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [fault]
    while waiting and len(found) < 20:
        link = waiting.pop(0)
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return found[::-1]


def frames(fault: BaseException) -> Iterator[str]:
    """The traceback without values: files, lines, functions, and the source lines of this project."""
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
    """A file's path within the project or its package, without the user's own folders."""
    path = Path(name)
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-3:])


def known(fault: BaseException) -> str:
    """The part of an error's text that can't contain a value."""
    if isinstance(fault, OSError) and fault.errno:
        return f": {os.strerror(fault.errno)}"
    if isinstance(fault, UnicodeError):
        return f": {getattr(fault, 'encoding', '')} {getattr(fault, 'reason', '')}"
    if isinstance(fault, (ImportError, AttributeError, NameError)) and getattr(fault, "name", None):
        return f": {fault.name}"
    return ""
