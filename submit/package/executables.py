"""Programs in the package that the job runs: Ray clears their executable bit when it unpacks (ray-facts 28)."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import cast

from raydock.jobscript.text import Text, name_of

from .contents import Contents, Entry, LostMode
from .errors import BrokenModule
from .imports import parse_module
from .reader import FileReader

_LAUNCHERS = frozenset({
    "run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput", "system", "popen",
    "execv", "execve", "execvp", "execl", "execlp", "execle", "posix_spawn", "create_subprocess_exec",
    "create_subprocess_shell",
})  # fmt: skip
_LAUNCHER_MODULES = ("subprocess", "os", "asyncio")
_PATHS = frozenset(
    {"str", "fspath", "Path", "PurePath", "join", "joinpath", "resolve", "absolute", "abspath", "as_posix"}
)
_UNKNOWN = "\0"
_SHELL = re.compile(r"&&|\|\||[;|\n]")


def lost_modes(contents: Contents, sources: Mapping[str, bytes]) -> tuple[LostMode, ...]:
    """The packaged executables that the job runs; none if the job calls chmod itself."""
    programs = {entry.name: entry for entry in contents.entries if entry.mode == 0o755}
    if not programs:
        return ()
    text, trees = Text(), {}
    for name, source in sources.items():
        with suppress(BrokenModule):
            trees[name] = parse_module(source, name)
            text.read(trees[name])
    calls = [
        (name, node) for name, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]
    if any(name_of(node.func) in ("chmod", "fchmod") or "chmod" in _words(node) for _, node in calls):
        return ()
    found: dict[str, LostMode] = {}
    for name, node in calls:
        for program in _launched(node, text, programs):
            found.setdefault(program, LostMode(program, name, node.lineno, _fix(contents, programs[program])))
    return tuple(found.values())


def _launched(node: ast.Call, text: Text, programs: Mapping[str, Entry]) -> Iterator[str]:
    """The packaged programs that a call to subprocess, os or asyncio runs."""
    whole = text.dotted(node.func)
    if whole.rpartition(".")[2] in _LAUNCHERS and whole.partition(".")[0] in _LAUNCHER_MODULES:
        given = [*node.args[:1], *(one.value for one in node.keywords if one.arg in ("args", "executable"))]
        for word in (word for argument in given for word in _first_words(argument, text)):
            yield from _matching(word, programs)


def _first_words(node: ast.expr, text: Text, depth: int = 3) -> Iterator[str]:
    """The first word of a command: a list's first item, or the first word of each part of a shell command."""
    if isinstance(node, ast.Name) and depth:
        for value in text.values.get(node.id, []):
            yield from _first_words(cast("ast.expr", value), text, depth - 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.left, (ast.List, ast.Tuple)):
        yield from _first_words(node.left, text)
    elif isinstance(node, (ast.List, ast.Tuple)):
        yield from (_path(item, text) for item in node.elts[:1])
    else:
        for command in _SHELL.split(_path(node, text)):
            yield _first(command)


def _path(node: ast.AST, text: Text, depth: int = 3) -> str:
    """The path that an expression builds, with _UNKNOWN for each part that the source does not determine."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_path(part, text, depth) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
        return _joined(node, text, depth)
    if isinstance(node, ast.Call) and name_of(node.func) in _PATHS:
        parts = [_UNKNOWN] if name_of(node.func) == "joinpath" else []
        parts += [_path(part, text, depth) for part in node.args]
        return "/".join(parts) or _method_path(node, text, depth)
    values = text.values.get(name_of(node), []) if isinstance(node, ast.Name) and depth else []
    return _path(values[0], text, depth - 1) if len(values) == 1 else _UNKNOWN


def _joined(node: ast.expr, text: Text, depth: int) -> str:
    """Any number of parts joined with + or /. Iterative, since they nest to the left."""
    parts: list[str] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
        parts += [_path(node.right, text, depth), "/" * isinstance(node.op, ast.Div)]
        node = node.left
    return "".join([_path(node, text, depth), *reversed(parts)])


def _method_path(node: ast.Call, text: Text, depth: int) -> str:
    return _path(node.func.value, text, depth) if isinstance(node.func, ast.Attribute) else _UNKNOWN


def _matching(word: str, programs: Mapping[str, Entry]) -> Iterator[str]:
    """The programs that a path may refer to: in the job's folder, or after an unknown part."""
    if "/" not in word:  # found through PATH
        return
    known = os.path.normpath(word.rpartition(_UNKNOWN)[2].lstrip("/") or ".")
    exact = [name for name in programs if name == known]
    yield from exact or [name for name in programs if _UNKNOWN in word and name.endswith("/" + known)]


def _first(command: str) -> str:
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return ""


def _words(node: ast.Call) -> set[str]:
    """The words in a call's string arguments, such as those of "chmod +x x.sh"."""
    texts = (
        one.value for argument in node.args for one in ast.walk(argument) if isinstance(one, ast.Constant)
    )
    return {word for text in texts if isinstance(text, str) for word in text.split()}


def _fix(contents: Contents, entry: Entry) -> str:
    with FileReader(contents) as reader:
        start = next(iter(reader.chunks(entry)), b"")[:200]
    line = start.partition(b"\n")[0].decode("utf-8", "replace")
    words = (
        [word.rpartition("/")[2] for word in line.removeprefix("#!").split()] if line.startswith("#!") else []
    )
    words = words[1:] if words[:1] == ["env"] else words
    if not words:
        return f"make it executable in the job first: os.chmod({entry.name!r}, 0o755)"
    interpreter = "sys.executable" if words[0].startswith("python") else f'"{words[0]}"'
    return f'run it with its interpreter: subprocess.run([{interpreter}, "{entry.name}", ...])'
