"""The local modules that a script imports, directly or through other local modules.

Names are resolved as Python resolves them in sys.path[0]: package, extension module or .py file, then namespace
directory. Anything else is in the standard library or installed.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .errors import BrokenModule
from .imports import Import, imports_in, parse_module
from .reader import unreadable

# Built into or frozen in every CPython: a local file of that name is never loaded.
_NEVER_FILES = frozenset({
    "__main__", "_abc", "_codecs", "_collections", "_functools", "_imp", "_io", "_operator", "_signal", "_sre",
    "_stat", "_string", "_thread", "_tracemalloc", "_warnings", "_weakref", "abc", "atexit", "builtins", "codecs",
    "errno", "faulthandler", "gc", "io", "itertools", "marshal", "os", "posix", "posixpath", "site", "stat", "sys",
    "time", "zipimport",
})  # fmt: skip
_EXTENSION = re.compile(r"(\.cpython-[\w-]+|\.abi3)?\.so")


@dataclass(frozen=True, slots=True)
class ModuleUse:
    """Where a file is imported, and under which module name."""

    module: str
    importer: str
    line: int
    guarded: bool


_File = tuple[str, tuple[str, ...], str]  # path, package, module name


@dataclass(slots=True)
class LocalImports:
    """Follow imports to the modules next to a script.

    read: returns the bytes of a file by its path relative to `root`, or None if it is excluded.
    lenient: treat a module that is not valid Python as one without imports, instead of raising BrokenModule.
    """

    root: str
    read: Callable[[str], bytes | None]
    lenient: bool = False
    paths: tuple[str, ...] = ("",)  # search path, relative to `root`: "" or "sub/"
    found: dict[str, ModuleUse] = field(default_factory=dict)  # by path, in the order of discovery
    # Imports of modules that are not local, by file, line and module.
    elsewhere: dict[tuple[str, int, tuple[str, ...]], Import] = field(default_factory=dict)
    # Relative imports beyond the top-level package, by file, line and names.
    escaping: dict[tuple[str, int, tuple[str, ...]], Import] = field(default_factory=dict)
    _listings: dict[str, dict[str, bool]] = field(default_factory=dict)

    def follow(self, script: str) -> None:
        """Collect in `found` the local modules that `script` imports, and in `elsewhere` all its other imports."""
        pending: list[tuple[str, tuple[str, ...], bool]] = [(script, (), False)]
        done: dict[str, bool] = {}  # by path, whether every import of it so far was guarded
        while pending:
            name, package, guarded = pending.pop()
            if not (name == script or name.endswith(".py")) or (name in done and done[name] <= guarded):
                continue
            done[name] = guarded
            for one in self._imports(name, package):
                one = replace(one, guarded=one.guarded or guarded)
                pending += self._import(one, name)

    def _imports(self, name: str, package: tuple[str, ...]) -> list[Import]:
        source = self.read(name)
        try:
            return imports_in(source, name, package) if source is not None else []
        except BrokenModule:
            if self.lenient:
                return []
            raise

    def _import(self, one: Import, importer: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """The files that an import loads, as (path, package, guarded) tuples."""
        if one.escaping:
            self.escaping[importer, one.line, one.names] = one
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
        """The files that an import may load, as (file, certain) pairs: a star import may load fewer."""
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
        empty = next((one for one in tried if one[0] is not None), (None, []))  # a directory without modules
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
            elif index == 0 and part in sys.stdlib_module_names:  # takes precedence over a namespace package
                return None, []
            directory = inside
        return directory, files

    def _is_broken(self, name: str) -> bool:
        """Whether it is a dangling symlink to a package."""
        path = os.path.join(self.root, name)
        return self._is(name) and os.path.islink(path) and not os.path.exists(path)

    def _modules(self, directory: str, part: str) -> list[str]:
        """The .py file and the extension modules: which one is loaded depends on the cluster's Python."""
        return [
            directory + name
            for name, is_directory in self._listing(directory).items()
            if not is_directory
            and (name == f"{part}.py" or (name.startswith(part) and _EXTENSION.fullmatch(name[len(part) :])))
        ]

    def _all(self, directory: str) -> list[str]:
        """The names that a star import loads from a package: those in `__all__`, or all if it is computed."""
        source = self.read(f"{directory}__init__.py") if self._is(f"{directory}__init__.py") else None
        for node in ast.walk(parse_module(source, directory)) if source is not None else ():
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
        """The names in a directory, mapped to whether they are directories.

        Listed rather than tested one by one, since the file system may be case-insensitive.
        """
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
