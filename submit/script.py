"""The job script: a Python file and its header."""

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

NOTEBOOK_SYNTAX = re.compile(
    r"[%!?]|(pip3?|conda|mamba|apt|apt-get) install\b|.*[\w)]\?\??$"
)  # lines that only IPython understands


@dataclass(frozen=True, slots=True)
class Script:
    """A job script that parses as Python and has a valid header or no header."""

    path: Path
    source: str
    header: Header


def read_script(path: Path) -> Script:
    """Read a job script. Raises UsageError if it does not exist or Python can't run it."""
    data = read_bytes(path)
    try:
        source = package.decoded(data)
    except package.NotText as fault:
        raise UsageError(f"{path} is not Python: {fault.reason}.", fault.fix) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the script's own warnings; they appear when it runs
            ast.parse(data, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise not_python(path, source, fault) from None
    return Script(path, source, read_header(source, str(path)))


def not_python(path: Path, source: str, fault: Exception) -> UsageError:
    """The error for a script that does not parse, with advice if the line is notebook syntax."""
    if not isinstance(fault, SyntaxError):
        reason = str(fault) or "it is nested too deeply"
        return UsageError(f"{path} is not Python: {reason}.", compile_command(path))
    lines = source.splitlines()
    text = lines[fault.lineno - 1].strip() if fault.lineno and fault.lineno <= len(lines) else ""
    if NOTEBOOK_SYNTAX.match(text):
        return UsageError(
            f"{path}:{fault.lineno} is notebook syntax, not plain Python: {text[:60]}",
            'remove the line; list what %pip installs in the header: dependencies = ["…"]',
        )
    newer = tuple(map(int, PYTHON.split("."))) > sys.version_info[:2]
    hint = f"; if it uses newer syntax, run submit.py with Python {PYTHON}" if newer else ""
    where = f":{fault.lineno}" if fault.lineno else ""
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    return UsageError(f"{path}{where} is not valid {version}: {fault.msg}.", f"{compile_command(path)}{hint}")


def compile_command(path: Path) -> str:
    """The command that shows where a script fails to parse."""
    return f"python -m py_compile {shlex.quote(str(path))}"


def read_bytes(path: Path) -> bytes:
    """The script's bytes, unchanged, as they will be packaged. Raises UsageError."""
    if path.suffix == ".ipynb":
        raise UsageError(
            f"{path} is a notebook, not a job script.",
            f"jupyter nbconvert --to script {shlex.quote(str(path))}",
        )
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file.", "pass a job script, such as jobs/sklearn_joblib.py")
        with open(path, "rb") as file:
            data = file.read(package.LIMITS.module + 1)
    except FileNotFoundError:
        raise UsageError(f"Job script {path} does not exist.", suggestion(path)) from None
    except OSError as fault:
        raise UsageError(f"Can't read {path}: {fault.strerror}.", f"ls -l {shlex.quote(str(path))}") from None
    if len(data) > package.LIMITS.module:
        size = f"{package.LIMITS.module:,} bytes"
        raise UsageError(
            f"{path} is larger than {size}, too large for a job script.", "keep data in separate files"
        )
    return data


def suggestion(path: Path) -> str:
    """The existing script that was probably meant, or the command that lists all scripts."""
    scripts = sorted({*path.parent.glob("*.py"), *Path("jobs").glob("*.py")})
    near = difflib.get_close_matches(path.name, [script.name for script in scripts], 1)
    closest = next((script for script in scripts if near and script.name == near[0]), None)
    return f"did you mean {closest}?" if closest else "ls jobs/"
