"""The modules beside a script that it imports, from module to module.

A name is looked up as Python looks in sys.path[0]: package, extension module or .py file, then namespace directory.
What is not beside the script is the standard library's or installed.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .errors import BrokenModule
from .imports import Import, imports_in, parsed
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
class ModuleUse:
    """Where a file is imported, and as which module."""

    module: str
    importer: str
    line: int
    guarded: bool


_File = tuple[str, tuple[str, ...], str]  # its name, the package that it belongs to, the module that it is


@dataclass(slots=True)
class LocalImports:
    """Finds modules beside a script. `read` gives the bytes of a file by its name from `root`, None if it stays.

    lenient: what is not Python has no imports, instead of raising BrokenModule.
    """

    root: str
    read: Callable[[str], bytes | None]
    lenient: bool = False
    paths: tuple[str, ...] = ("",)  # where modules are looked for, from `root`: "" or "sub/"
    found: dict[str, ModuleUse] = field(
        default_factory=dict
    )  # by name from the root, in the order of discovery
    elsewhere: dict[tuple[str, int, tuple[str, ...]], Import] = field(
        default_factory=dict
    )  # by file, line, module
    beyond: dict[tuple[str, int, tuple[str, ...]], Import] = field(default_factory=dict)
    _listings: dict[str, dict[str, bool]] = field(default_factory=dict)

    def follow(self, script: str) -> None:
        """Put the modules that `script` leads to into `found`, and imports of anything else into `elsewhere`."""
        waiting: list[tuple[str, tuple[str, ...], bool]] = [(script, (), False)]
        done: dict[str, bool] = {}  # by name, whether all ways to it were guarded
        while waiting:
            name, package, guarded = waiting.pop()
            if not (name == script or name.endswith(".py")) or (name in done and done[name] <= guarded):
                continue
            done[name] = guarded
            for one in self._imports(name, package):
                one = replace(one, guarded=one.guarded or guarded)
                waiting += self._import(one, name)

    def _imports(self, name: str, package: tuple[str, ...]) -> list[Import]:
        source = self.read(name)
        try:
            return imports_in(source, name, package) if source is not None else []
        except BrokenModule:
            if self.lenient:
                return []
            raise

    def _import(self, one: Import, importer: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """The files that an import loads, each with the package that it belongs to and whether it is guarded."""
        if one.beyond:
            self.beyond[importer, one.line, one.names] = one
        if not one.module or one.module[0] in _NEVER_FILES:
            return
        files = self._files(one)
        if not files:
            self.elsewhere[importer, one.line, one.module] = one
        for (file, package, module), sure in files:
            guarded = one.guarded or not sure
            before = self.found.get(file)
            if before is None or (before.guarded and not guarded):
                self.found[file] = ModuleUse(module, importer, one.line, guarded)
            yield file, package, guarded

    def _files(self, one: Import) -> list[tuple[_File, bool]]:
        """The files, each with whether the import surely loads it: a star import may mean less."""
        directory, files = self._resolve(one.module)
        if directory is None:
            return [(file, True) for file in files]
        named = [file for name in one.names for file in self._resolve((*one.module, name))[1]]
        starred = self._all(directory) if "*" in one.names else []
        maybe = [file for name in starred for file in self._resolve((*one.module, name))[1]]
        return [(file, True) for file in (*files, *named)] + [(file, False) for file in maybe]

    def _resolve(self, module: tuple[str, ...]) -> tuple[str | None, list[_File]]:
        """The directory of `module` if it is a package, and the files that importing it loads."""
        tried = [self._resolve_in(path, module) for path in self.paths]
        empty = next((one for one in tried if one[0] is not None), (None, []))  # directories without a module
        return next((one for one in tried if one[1]), empty)

    def _resolve_in(self, path: str, module: tuple[str, ...]) -> tuple[str | None, list[_File]]:
        directory, files = path, []
        for index, part in enumerate(module):
            inside, dotted = f"{directory}{part}/", ".".join(module[: index + 1])
            if self._is(f"{inside}__init__.py"):
                files.append((f"{inside}__init__.py", module[: index + 1], dotted))
            elif modules := self._modules(directory, part):
                return None, files + [(name, module[:index], dotted) for name in modules]
            elif self._is_broken(f"{directory}{part}"):
                return None, [*files, (f"{directory}{part}", module[:index], dotted)]
            elif not self._is(f"{directory}{part}", directory=True):
                return None, files
            elif index == 0 and part in sys.stdlib_module_names:  # comes before a namespace
                return None, []
            directory = inside
        return directory, files

    def _is_broken(self, name: str) -> bool:
        """Whether it is a link to a package that is not there."""
        path = os.path.join(self.root, name)
        return self._is(name) and os.path.islink(path) and not os.path.exists(path)

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
        for node in ast.walk(parsed(source, directory)) if source is not None else ():
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
