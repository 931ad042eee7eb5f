"""The modules beside a script that it imports, found in the text and never by importing.

Follows `import a`, `from a import b`, relative imports inside packages, `import_module("a")` and `__import__("a")`
with a literal name, in functions, branches and try blocks too, from module to module. A name is looked up as Python
looks in sys.path[0]: package, extension module or .py file, then namespace directory. What is not beside the script is
the standard library's or installed, and no business of ours.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .errors import BrokenModule
from .reader import unreadable

# Built into or frozen in every CPython: a file of that name is never loaded.
_NEVER_FILES = frozenset({
    "__main__", "_abc", "_codecs", "_collections", "_functools", "_imp", "_io", "_operator", "_signal", "_sre",
    "_stat", "_string", "_thread", "_tracemalloc", "_warnings", "_weakref", "abc", "atexit", "builtins", "codecs",
    "errno", "faulthandler", "gc", "io", "itertools", "marshal", "os", "posix", "posixpath", "site", "stat", "sys",
    "time", "zipimport",
})  # fmt: skip
_EXTENSION = re.compile(r"(\.cpython-[\w-]+|\.abi3)?\.so")


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the module, and the names taken from it (which may be modules); "*" is one of them."""

    module: tuple[str, ...]
    names: tuple[str, ...] = ()


def imports_in(source: bytes, name: str, package: tuple[str, ...]) -> list[Import]:
    """The imports of a module that belongs to `package`; `name` is for the message.

    Raises BrokenModule if it is not Python.
    """
    found = []
    for node in ast.walk(_parse(source, name)):
        if isinstance(node, ast.Import):
            found += [Import(tuple(alias.name.split("."))) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = _above(package, node.level)
            if above is not None:
                module = above + tuple(node.module.split(".") if node.module else ())
                found.append(Import(module, tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Call):
            found += _called(node, package)
    return found


def _above(package: tuple[str, ...], level: int) -> tuple[str, ...] | None:
    """The package that a relative import starts from; None if it leads out of the top."""
    if level == 0:
        return ()
    return package[: len(package) - level + 1] if level <= len(package) else None


def _called(node: ast.Call, package: tuple[str, ...]) -> Iterator[Import]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if called not in ("import_module", "__import__") or not node.args:
        return
    argument = node.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        dotted = argument.value.lstrip(".")
        above = _above(package, len(argument.value) - len(dotted))
        if above is not None and all(part.isidentifier() for part in dotted.split(".")):
            yield Import(above + tuple(dotted.split(".")))


def _parse(source: bytes, name: str) -> ast.Module:
    mend = "Mend that line, or run submit.py with the Python of the cluster."
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the module's own, shown when it runs
            return ast.parse(source)
    except SyntaxError as error:
        raise BrokenModule(f"{name} line {error.lineno} is not {version}: {error.msg}.", mend) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise BrokenModule(f"{name} is not {version}: {error}.", mend) from error


@dataclass(slots=True)
class Siblings:
    """Finds modules beside a script. `read` gives the bytes of a file by its name from `root`, None if it stays."""

    root: str
    read: Callable[[str], bytes | None]
    found: dict[str, None] = field(default_factory=dict)  # names from the root, in the order of discovery
    _listings: dict[str, dict[str, bool]] = field(default_factory=dict)

    def follow(self, script: str) -> None:
        """Put the modules that `script` leads to into `found`."""
        waiting: list[tuple[str, tuple[str, ...]]] = [(script, ())]
        done = set()
        while waiting:
            name, package = waiting.pop()
            source = self.read(name) if name not in done and name.endswith(".py") else None
            done.add(name)
            if source is not None:
                for one in imports_in(source, name, package):
                    waiting += self._import(one)

    def _import(self, one: Import) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The files that an import loads, each with the package that it belongs to."""
        if not one.module or one.module[0] in _NEVER_FILES:
            return
        directory, files = self._resolve(one.module)
        names = list(one.names)
        if directory is not None and "*" in names:
            names = [*names, *self._all(directory)]
        for name in names if directory is not None else ():
            files += self._resolve((*one.module, name))[1]
        for file, package in files:
            self.found[file] = None
            yield file, package

    def _resolve(self, module: tuple[str, ...]) -> tuple[str | None, list[tuple[str, tuple[str, ...]]]]:
        """The directory of `module` if it is a package, and the files that importing it loads."""
        directory, files = "", []
        for index, part in enumerate(module):
            inside = f"{directory}{part}/"
            if self._is(f"{inside}__init__.py"):
                files.append((f"{inside}__init__.py", module[: index + 1]))
            elif modules := self._modules(directory, part):
                return None, files + [(name, module[:index]) for name in modules]
            elif not self._is(f"{directory}{part}", directory=True):
                return None, files
            elif index == 0 and part in sys.stdlib_module_names:  # comes before a namespace
                return None, []
            directory = inside
        return directory, files

    def _modules(self, directory: str, part: str) -> list[str]:
        """The .py file, and the extension modules: which of these is loaded is the cluster's choice."""
        return [
            directory + name
            for name, is_directory in self._listing(directory).items()
            if not is_directory
            and (name == f"{part}.py" or (name.startswith(part) and _EXTENSION.fullmatch(name[len(part) :])))
        ]

    def _all(self, directory: str) -> list[str]:
        """What a star import loads from a package: the modules in `__all__`, every one if that is computed."""
        source = self.read(f"{directory}__init__.py") if self._is(f"{directory}__init__.py") else None
        for node in ast.walk(_parse(source, directory)) if source is not None else ():
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in _targets(node)):
                value = getattr(node, "value", None)
                listed = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [None]
                names = [item.value for item in listed if isinstance(item, ast.Constant)]
                if isinstance(node, ast.AugAssign) or len(names) < len(listed):
                    return [name.partition(".")[0] for name in self._listing(directory)]
                return [str(name) for name in names]
        return []

    def _is(self, name: str, directory: bool = False) -> bool:
        above, _, last = name.rpartition("/")
        return self._listing(above + "/" if above else "").get(last) is directory

    def _listing(self, directory: str) -> dict[str, bool]:
        """Names in a directory, whether each is one: listed, for a file system may not care for case."""
        if directory not in self._listings:
            try:
                with os.scandir(os.path.join(self.root, directory)) as items:
                    self._listings[directory] = {item.name: item.is_dir() for item in items}
            except (FileNotFoundError, NotADirectoryError):
                self._listings[directory] = {}
            except OSError as error:
                raise unreadable(directory or self.root, error) from error
        return self._listings[directory]


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []
