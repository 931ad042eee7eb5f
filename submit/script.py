"""The job script: a Python file, and what its header says of it."""

from __future__ import annotations

import ast
import difflib
import warnings
from dataclasses import dataclass
from pathlib import Path

from . import package
from .errors import UsageError
from .header import Header, read_header


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
        raise UsageError(f"{path} is not Python: {fault.reason}.", fault.mend) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the script's own, shown when it runs
            ast.parse(data, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        line = f":{fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
        reason = fault.msg if isinstance(fault, SyntaxError) else str(fault) or "it is nested too deeply"
        raise UsageError(f"{path}{line} is not Python: {reason}.", f"python -m py_compile {path}") from None
    return Script(path, source, read_header(source, str(path)))


def bytes_of(path: Path) -> bytes:
    """The script as it lies there, and will travel."""
    if path.suffix == ".ipynb":
        raise UsageError(f"{path} is a notebook, not a job script.", f"jupyter nbconvert --to script {path}")
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
        raise UsageError(f"{path} can't be read: {fault.strerror}.", f"ls -l {path}") from None
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
