"""The job script: a Python file, and what its header says of it."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from pathlib import Path

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
    source = source_of(path)
    try:
        ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError) as fault:
        line = f":{fault.lineno}" if isinstance(fault, SyntaxError) and fault.lineno else ""
        reason = fault.msg if isinstance(fault, SyntaxError) else str(fault)
        raise UsageError(f"{path}{line} is not Python: {reason}.", f"python -m py_compile {path}") from None
    return Script(path, source, read_header(source, str(path)))


def source_of(path: Path) -> str:
    """The text of the script."""
    if path.suffix == ".ipynb":
        raise UsageError(f"{path} is a notebook, not a job script.", f"jupyter nbconvert --to script {path}")
    try:
        if path.exists() and not path.is_file():
            raise UsageError(
                f"{path} is not a file.", "give the job script itself, such as jobs/sklearn_joblib.py"
            )
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        raise UsageError(f"There is no job script {path}.", suggestion(path)) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not Python: it is not UTF-8 text.", "give a Python script") from None
    except OSError as fault:
        raise UsageError(f"{path} can't be read: {fault.strerror}.", f"ls -l {path}") from None


def suggestion(path: Path) -> str:
    """The script that was probably meant."""
    found = sorted({*path.parent.glob("*.py"), *Path("jobs").glob("*.py")})
    near = difflib.get_close_matches(path.name, [one.name for one in found], 1)
    meant = next((one for one in found if near and one.name == near[0]), None)
    return f"did you mean {meant}?" if meant else "ls jobs/"
