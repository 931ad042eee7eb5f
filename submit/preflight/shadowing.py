"""The shadowing check: no packaged file may shadow a module that Ray's own processes import.

The job's folder comes first on every worker's path, before the standard library (ray#58772): with a `queue.py` in it,
no worker can import Ray, and the job stays PENDING.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from ..findings import Finding, denied
from ..plan import JobPlan

# What a worker and a job supervisor of Ray 2.47.1 import, except modules frozen into or built into Python 3.11.
STANDARD = frozenset({
    "__future__", "_asyncio", "_bisect", "_blake2", "_bz2", "_compat_pickle", "_compression", "_contextvars",
    "_csv", "_ctypes", "_datetime", "_decimal", "_hashlib", "_heapq", "_json", "_lzma", "_opcode", "_pickle",
    "_posixsubprocess", "_queue", "_random", "_socket", "_ssl", "_struct", "_uuid", "_weakrefset", "argparse",
    "array", "ast", "asyncio", "base64", "bdb", "binascii", "bisect", "bz2", "calendar", "cmd", "code", "codeop",
    "collections", "colorsys", "concurrent", "contextlib", "contextvars", "copy", "copyreg", "csv", "ctypes",
    "dataclasses", "datetime", "decimal", "dis", "email", "encodings", "enum", "fcntl", "fnmatch", "fractions",
    "functools", "getpass", "gettext", "glob", "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http", "inspect",
    "ipaddress", "json", "keyword", "linecache", "locale", "logging", "lzma", "math", "mimetypes", "mmap",
    "multiprocessing", "netrc", "numbers", "opcode", "operator", "pathlib", "pdb", "pickle", "pkgutil", "platform",
    "pprint", "queue", "quopri", "random", "re", "reprlib", "resource", "secrets", "select", "selectors", "shlex",
    "shutil", "signal", "socket", "socketserver", "ssl", "string", "stringprep", "struct", "subprocess", "tarfile",
    "tempfile", "termios", "textwrap", "threading", "timeit", "token", "tokenize", "traceback", "tracemalloc",
    "types", "typing", "unicodedata", "urllib", "uuid", "warnings", "weakref", "wsgiref", "zipfile", "zlib",
})  # fmt: skip
INSTALLED = frozenset({
    "aiohappyeyeballs", "aiohttp", "aiosignal", "attr", "attrs", "certifi", "charset_normalizer", "click",
    "colorama", "colorful", "filelock", "frozenlist", "fsspec", "google", "grpc", "idna", "jsonschema",
    "jsonschema_specifications", "msgpack", "multidict", "numpy", "opencensus", "opentelemetry", "packaging",
    "pandas", "prometheus_client", "propcache", "psutil", "pyarrow", "pydantic", "pydantic_core", "ray",
    "referencing", "requests", "rpds", "setproctitle", "smart_open", "typing_extensions", "typing_inspection",
    "urllib3", "virtualenv", "yaml", "yarl",
})  # fmt: skip


def check_shadowing(plan: JobPlan) -> Iterable[Finding]:
    """Check that no file shadows a module that Ray imports, and that the script does not shadow its own imports."""
    for name, module in sorted(importable(plan)):
        if module in STANDARD:
            yield shadows(name, f"the standard library's {module}")
        elif module in INSTALLED:
            yield shadows(name, f"the package {module}")
    script = PurePosixPath(plan.name).stem
    if script not in STANDARD | INSTALLED:
        own = (one for name, one in plan.imports if name == plan.name)
        if line := next((one.line for one in own if one.module[:1] == (script,)), 0):
            yield denied(
                "shadowing",
                f"{plan.name}:{line} imports {script}, but Python finds the script itself, which has the same name.",
                f"rename {plan.name}",
            )


def shadows(name: str, what: str) -> Finding:
    """The finding for a file that shadows a module."""
    return denied(
        "shadowing",
        f"{name} shadows {what} in Ray's workers, so none of them could start.",
        f"rename {name}",
    )


def importable(plan: JobPlan) -> Iterator[tuple[str, str]]:
    """The packaged files that can be imported from the job's or the script's folder, with their top-level modules."""
    above = PurePosixPath(plan.name).parent
    for entry in plan.contents.entries:
        path = PurePosixPath(entry.name)
        for folder in dict.fromkeys((PurePosixPath("."), above)):
            if path.parent == folder and (module := module_of(path.name)):
                yield entry.name, module
            elif path.parent.parent == folder and path.name == "__init__.py":
                yield f"{path.parent}/", path.parent.name


def module_of(file: str) -> str:
    """The name of the module in a file; "" if it is not a module."""
    stem, dot, rest = file.partition(".")
    return stem if dot and (rest in ("py", "so") or rest.endswith(".so")) else ""
