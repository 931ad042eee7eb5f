"""The job script: a Python file, and what its header says of it."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from raydock.errors import UsageError
from raydock.jobscript.header import Header, read_header
from raydock.versions import PYTHON

from . import package

MAGIC = re.compile(
    r"[%!?]|(pip3?|conda|mamba|apt|apt-get) install\b|.*[\w)]\?\??$"
)  # lines that IPython understands


@dataclass(frozen=True, slots=True)
class Script:
    """A job script that was read: it is Python, and its header is understood."""

    path: Path
    source: str
    header: Header


def read_script(path: Path) -> Script:
    """Reads a job script. Raises UsageError where there is none, or where Ray could not run it."""
    data = bytes_of(path)
    try:
        source = package.decoded(data)
    except package.NotText as fault:
        raise UsageError(f"{path} is not Python: {fault.reason}.", fault.fix) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the script's own, shown when it runs
            ast.parse(data, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise not_python(path, source, fault) from None
    return Script(path, source, read_header(source, str(path)))


def not_python(path: Path, source: str, fault: Exception) -> UsageError:
    """The error for a script that can't be parsed: of a notebook's line what to do about it."""
    if not isinstance(fault, SyntaxError):
        reason = str(fault) or "it is nested too deeply"
        return UsageError(f"{path} is not Python: {reason}.", compiled(path))
    lines = source.splitlines()
    text = lines[fault.lineno - 1].strip() if fault.lineno and fault.lineno <= len(lines) else ""
    if MAGIC.match(text):
        return UsageError(
            f"{path}:{fault.lineno} is a notebook's line, which Python alone does not have: {text[:60]}",
            'remove the line; what %pip installs goes into the header: dependencies = ["…"]',
        )
    newer = tuple(map(int, PYTHON.split("."))) > sys.version_info[:2]
    hint = f"; if it is newer syntax, run submit.py with Python {PYTHON}" if newer else ""
    where = f":{fault.lineno}" if fault.lineno else ""
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return UsageError(f"{path}{where} is not {version}: {fault.msg}.", f"{compiled(path)}{hint}")


def compiled(path: Path) -> str:
    """The command that shows where a script is not Python."""
    return f"python -m py_compile {shlex.quote(str(path))}"


def bytes_of(path: Path) -> bytes:
    """The script as it lies there, and will travel."""
    if path.suffix == ".ipynb":
        raise UsageError(
            f"{path} is a notebook, not a job script.",
            f"jupyter nbconvert --to script {shlex.quote(str(path))}",
        )
    try:
        if path.exists() and not path.is_file():
            raise UsageError(
                f"{path} is not a file.", "give the job script itself, such as jobs/sklearn_joblib.py"
            )
        with open(path, "rb") as file:
            data = file.read(package.LIMITS.module + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no job script {path}.", suggestion(path)) from None
    except OSError as fault:
        raise UsageError(
            f"{path} can't be read: {fault.strerror}.", f"ls -l {shlex.quote(str(path))}"
        ) from None
    if len(data) > package.LIMITS.module:
        size = f"{package.LIMITS.module:,} bytes"
        raise UsageError(f"{path} is larger than {size}: it is no job script.", "keep data in data files")
    return data


def suggestion(path: Path) -> str:
    """The script that was probably meant."""
    found = sorted({*path.parent.glob("*.py"), *Path("jobs").glob("*.py")})
    near = difflib.get_close_matches(path.name, [one.name for one in found], 1)
    meant = next((one for one in found if near and one.name == near[0]), None)
    return f"did you mean {meant}?" if meant else "ls jobs/"
