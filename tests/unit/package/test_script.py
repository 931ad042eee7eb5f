"""The contents of a script's package: the modules it imports and the files its header lists."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from submit.package import (
    LIMITS,
    Contents,
    Limits,
    PackageError,
    digest,
    errors,
    imports_elsewhere,
    script_contents,
    sources,
)
from submit.package.imports import Import, imports_in

from .build import link, outside, put, within

HEADER = 'in the header\'s "files"'


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path.resolve() / "jobs"
    here.mkdir()
    return here


def names(contents: Contents) -> set[str]:
    return {entry.name for entry in contents.entries}


def sent(here: Path, *files: str, script: str = "job.py", limits: Limits = LIMITS) -> set[str]:
    return names(within(10, lambda: script_contents(here / script, files, limits)))


def excluded(here: Path, *files: str) -> dict[str, str]:
    return {one.name: one.reason for one in script_contents(here / "job.py", files).excluded}


def refused(here: Path, *files: str, limits: Limits = LIMITS) -> PackageError:
    with pytest.raises(PackageError) as caught:
        sent(here, *files, limits=limits)
    return caught.value


# Imports

PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/one.py": "",
    "pkg/two.py": "",
    "pkg/sub/__init__.py": "",
    "pkg/sub/deep.py": "",
}
IMPORTS: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing": ({"job.py": "print(1)", "other.py": ""}, set()),
    "module": ({"job.py": "import a", "a.py": "", "b.py": ""}, {"a.py"}),
    "several at once": ({"job.py": "import a, b as c", "a.py": "", "b.py": ""}, {"a.py", "b.py"}),
    "name from a module": ({"job.py": "from a import b", "a.py": "", "b.py": ""}, {"a.py"}),
    "from module to module": ({"job.py": "import a", "a.py": "import b", "b.py": "import c", "c.py": ""},
                              {"a.py", "b.py", "c.py"}),
    "in a circle": ({"job.py": "import a", "a.py": "import b", "b.py": "import a, job"}, {"a.py", "b.py"}),
    "in functions, branches, try": (
        {"job.py": "def f():\n    import a\nif 0:\n    import b\ntry:\n    import c\nexcept ImportError:\n    import d",
         "a.py": "", "b.py": "", "c.py": "", "d.py": ""},
        {"a.py", "b.py", "c.py", "d.py"}),
    "in a string": ({"job.py": "'import a'\n# import a", "a.py": ""}, set()),
    "package": ({"job.py": "import pkg", **PACKAGE}, {"pkg/__init__.py"}),
    "module of a package": ({"job.py": "import pkg.sub.deep", **PACKAGE},
                            {"pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/deep.py"}),
    "from a package": ({"job.py": "from pkg import one, nothing", **PACKAGE}, {"pkg/__init__.py", "pkg/one.py"}),
    "package from a package": ({"job.py": "from pkg import sub", **PACKAGE},
                               {"pkg/__init__.py", "pkg/sub/__init__.py"}),
    "relative": ({"job.py": "import pkg.one", **PACKAGE, "pkg/one.py": "from . import two\nfrom .sub import deep"},
                 {"pkg/__init__.py", "pkg/one.py", "pkg/two.py", "pkg/sub/__init__.py", "pkg/sub/deep.py"}),
    "relative in __init__": ({"job.py": "import pkg", **PACKAGE, "pkg/__init__.py": "from .one import x"},
                             {"pkg/__init__.py", "pkg/one.py"}),
    "relative upwards": ({"job.py": "import pkg.sub.deep", **PACKAGE, "pkg/sub/deep.py": "from ..one import x"},
                         {"pkg/__init__.py", "pkg/one.py", "pkg/sub/__init__.py", "pkg/sub/deep.py"}),
    "relative beyond the top": ({"job.py": "from . import a\nfrom .. import b", "a.py": "", "b.py": ""}, set()),
    "absolute inside a package": ({"job.py": "import pkg.one", **PACKAGE, "pkg/one.py": "import two", "two.py": ""},
                                  {"pkg/__init__.py", "pkg/one.py", "two.py"}),
    "namespace directory": ({"job.py": "from ns.sub import a", "ns/sub/a.py": "", "ns/b.py": ""}, {"ns/sub/a.py"}),
    "namespace directory alone": ({"job.py": "import ns", "ns/a.py": ""}, set()),
    "star with __all__": ({"job.py": "from pkg import *", **PACKAGE, "pkg/__init__.py": "__all__ = ['one', 'x']"},
                          {"pkg/__init__.py", "pkg/one.py"}),
    "star with a computed __all__": (
        {"job.py": "from pkg import *", **PACKAGE, "pkg/__init__.py": "__all__ = [n for n in names]"},
        {"pkg/__init__.py", "pkg/one.py", "pkg/two.py", "pkg/sub/__init__.py"}),
    "star with an __all__ that grows": (
        {"job.py": "from pkg import *", **PACKAGE, "pkg/__init__.py": "__all__: list = ['one']\n__all__ += more"},
        {"pkg/__init__.py", "pkg/one.py"}),
    "star without __all__": ({"job.py": "from pkg import *", **PACKAGE}, {"pkg/__init__.py"}),
    "by literal name": (
        {"job.py": "import importlib\nimportlib.import_module('a')\n__import__('b.c')\nimport_module(name)",
         "a.py": "", "b/c.py": "", "name.py": ""},
        {"a.py", "b/c.py"}),
    "standard library": ({"job.py": "import os, json, ray, numpy.linalg\nfrom sklearn import svm"}, set()),
    "sibling of an installed package's name": ({"job.py": "import yaml", "yaml.py": ""}, {"yaml.py"}),
    "sibling of a standard module's name": ({"job.py": "import random", "random.py": ""}, {"random.py"}),
    "built-in modules": ({"job.py": "import sys, time, os", "sys.py": "", "time.py": "", "os.py": ""}, set()),
    "directory of a standard module's name": ({"job.py": "from json import tool", "json/tool.py": ""}, set()),
    "package before module": ({"job.py": "import a", "a.py": "", "a/__init__.py": ""}, {"a/__init__.py"}),
    "module before namespace directory": ({"job.py": "from a import b", "a.py": "", "a/b.py": ""}, {"a.py"}),
    "module has no modules": ({"job.py": "import a.b", "a.py": "", "b.py": ""}, {"a.py"}),
    "extension module": ({"job.py": "import fast", "fast.abi3.so": "", "fast.cpython-311-x86_64-linux-gnu.so": "",
                          "faster.so": "", "fast.py": ""},
                         {"fast.py", "fast.abi3.so", "fast.cpython-311-x86_64-linux-gnu.so"}),
    "directory named as a module": ({"job.py": "import x", "x.py/inner.py": ""}, set()),
    "case counts": ({"job.py": "import Helper", "helper.py": ""}, set()),
    "declared encoding": ({"job.py": "# coding: latin-1\nimport a", "a.py": ""}, {"a.py"}),
    "dubious escapes": ({"job.py": "x = '\\d'\nimport a", "a.py": ""}, {"a.py"}),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPORTS)
def test_imports(case: str, here: Path) -> None:
    tree, expected = IMPORTS[case]
    for name, text in tree.items():
        put(here, name, text)
    assert sent(here) == {"job.py", *expected}
    assert excluded(here) == {}


LOADS = {
    "job.py": "import json, sys\nfrom pathlib import Path\nimport a\nfrom pkg import *\nfrom ns.inner import deep\n"
    "def late():\n    import shadow.x, random\nlate()\n"
    "try:\n    import nowhere\nexcept ImportError:\n    __import__('spare')\n"
    "here = Path(__file__).parent\n"
    "files = {m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)}\n"
    "print(json.dumps(sorted(str(Path(f).relative_to(here)) for f in files if Path(f).is_relative_to(here))))\n",
    "a.py": "from pkg.sub import value\nimport pkg.one as one",
    "pkg/__init__.py": "from .one import first\n__all__ = ['two', 'first']",
    "pkg/one.py": "first = 1",
    "pkg/two.py": "from . import one\nfrom .sub.deep import bottom",
    "pkg/sub/__init__.py": "value = 1",
    "pkg/sub/deep.py": "from ..one import first\nbottom = first",
    "ns/inner/deep.py": "import importlib\nimportlib.import_module('helper')",
    "helper.py": "",
    "spare.py": "",
    "random.py": "",
    "shadow/__init__.py": "",
    "shadow/x.py": "",
    "shadow.py": "raise SystemExit('the package comes first')",
}
NOT_LOADED = ["pkg/three.py", "pkg/sub/other.py", "ns/other.py", "unused.py"]


def test_packages_exactly_what_python_loads(here: Path, tmp_path: Path) -> None:
    """Python, given only the packaged files, loads exactly those."""
    for name, text in LOADS.items():
        put(here, name, text)
    for name in NOT_LOADED:
        put(here, name, "raise SystemExit('not imported')")
    for entry in script_contents(here / "job.py", []).entries:
        put(tmp_path / "there", entry.name, entry.path.read_bytes())
    command = [sys.executable, "-B", str(tmp_path / "there" / "job.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == sent(here) == set(LOADS) - {"shadow.py"}


def test_imports_in_is_pure() -> None:
    source = b"import a.b\nfrom .c import d, e as f\nfrom .. import g\nfrom ... import h\n"
    assert imports_in(source, "x.py", ("p", "q")) == [
        Import(("a", "b"), line=1),
        Import(("p", "q", "c"), ("d", "e"), line=2),
        Import(("p",), ("g",), line=3),
        Import((), ("h",), line=4, escaping="from ... import h"),
    ]


GUARDED = {
    "try:\n    import x\nexcept ImportError:\n    x = None": True,
    "try:\n    import x\nexcept (KeyError, ModuleNotFoundError) as error:\n    print(error)": True,
    "try:\n    pass\nexcept Exception:\n    import x": True,
    "try:\n    import x\nexcept:\n    pass": True,
    "with contextlib.suppress(ImportError):\n    def f():\n        import x": True,
    "if TYPE_CHECKING:\n    import x": True,
    "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import x": True,
    "if sys.version_info >= (3, 11):\n    pass\nelse:\n    import x": True,
    "if os.name == 'nt':\n    import x": True,
    "if importlib.util.find_spec('x'):\n    __import__('x')": True,
    "try:\n    import x\nexcept ImportError as error:\n    raise SystemExit('install x') from error": False,
    "try:\n    import x\nexcept ImportError:\n    print('install x')\n    sys.exit(1)": False,
    "try:\n    import x\nexcept KeyError:\n    pass": False,
    "try:\n    pass\nexcept ImportError:\n    pass\nfinally:\n    import x": False,
    "if name == 'nt':\n    import x": False,
    "with open('f') as f:\n    import x": False,
    "def f():\n    import x": False,
}


@pytest.mark.parametrize("text", GUARDED)
def test_guarded_imports(text: str) -> None:
    (found,) = (one for one in imports_in(text.encode(), "x.py", ()) if one.module == ("x",))
    assert found.guarded is GUARDED[text]


def test_fifo_in_place_of_a_module_does_not_block(here: Path) -> None:
    put(here, "sub/job.py", "import pipe, lib\nimport numpy as np\nfrom . import x")
    put(here, "lib.py", "import os.path, torch\ntry:\n    import cupy\nexcept ImportError:\n    pass\n")
    os.mkfifo(here / "sub" / "pipe.py")
    script = here / "sub" / "job.py"
    assert list(within(10, lambda: sources(script, here))) == ["sub/job.py", "lib.py"]
    elsewhere = [
        (file, one.module[0], one.line, one.guarded) for file, one in imports_elsewhere(script, here)
    ]
    assert elsewhere == [
        ("sub/job.py", "numpy", 2, False),
        ("lib.py", "torch", 1, False),
        ("lib.py", "cupy", 3, True),
    ]


BROKEN = {
    "import (": "a.py line 1 is not valid Python",
    "\n\ndef f(:\n": "a.py line 3 is not valid Python",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_module(text: str, here: Path) -> None:
    put(here, "job.py", "import a")
    put(here, "a.py", text)
    error = refused(here)
    assert type(error) is errors.BrokenModule
    assert error.message.startswith(BROKEN[text])
    assert error.fix == "Fix that line, or run submit.py with the cluster's Python version."


def test_broken_module_in_full(here: Path) -> None:
    put(here, "job.py", "x = \n")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert refused(here).message == f"job.py line 1 is not valid Python {version}: invalid syntax."


def test_module_too_large_to_read(here: Path) -> None:
    put(here, "job.py", "import a")
    put(here, "a.py", "x = 1\n" * 100)
    error = refused(here, limits=Limits(module=100))
    assert error.message == "a.py is larger than 100 bytes, too large to scan for imports."
    assert error.fix == f"Keep data in separate files, and list them {HEADER}."


def test_excluded_modules(here: Path) -> None:
    put(here, "job.py", "import a, b, c, d\nfrom node_modules import e")
    put(outside(here), "a.py")
    link(here, "a.py", "../outside/a.py")
    link(here, "b.py", "nowhere.py")
    os.mkfifo(here / "c.py")
    link(here, "d.py", "node_modules/e.py")
    put(here, "node_modules/e.py")
    assert sent(here) == {"job.py"}
    assert excluded(here) == {
        "a.py": "a symlink that points outside the tree",
        "b.py": "a symlink to nowhere.py, which does not exist",
        "c.py": "a FIFO; only regular files are packaged",
        "d.py": "a symlink to node_modules/e.py: specific to this machine",
        "node_modules/e.py": "specific to this machine",
    }


def test_modules_through_symlinks_inside(here: Path) -> None:
    put(here, "job.py", "import a, pkg.b")
    put(here, "lib/a_real.py", "import c")
    put(here, "lib/b.py", "x = 1")
    put(here, "c.py")
    link(here, "a.py", "lib/a_real.py")
    link(here, "pkg", "lib")
    contents = script_contents(here / "job.py", [])
    assert names(contents) == {"job.py", "a.py", "c.py", "pkg/b.py"}
    assert len(digest(contents)) == 64


def test_unreadable_module(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(here, "job.py", "import a")
    put(here, "a.py")
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if os.path.basename(path) == "a.py":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    assert refused(here).message == "a.py cannot be read: Permission denied."


# The script itself


def test_no_such_script(here: Path) -> None:
    error = refused(here)
    assert type(error) is errors.NoSuchScript
    assert error.message == f"{here}/job.py cannot be read: No such file or directory."
    assert error.fix == "Pass an existing Python script."


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_script_is_not_a_file(make: object, here: Path) -> None:
    (os.mkfifo if make is os.mkfifo else os.mkdir)(here / "job.py")
    assert refused(here).message == f"{here}/job.py is not a regular file."


def test_script_is_a_symlink(here: Path) -> None:
    """As in Python, modules are looked up next to the symlink's target; the name is the one given."""
    put(outside(here), "real.py", "import a", mode=0o755)
    put(outside(here), "a.py", "theirs")
    put(here, "a.py", "ours")
    link(here, "job.py", "../outside/real.py")
    contents = script_contents(here / "job.py", [])
    assert {entry.name: (entry.path, entry.mode) for entry in contents.entries} == {
        "job.py": (outside(here) / "real.py", 0o755),
        "a.py": (outside(here) / "a.py", 0o644),
    }


def test_script_is_a_symlink_next_to_its_name(here: Path) -> None:
    put(outside(here), "real.py", "import job")
    put(outside(here), "job.py")
    link(here, "job.py", "../outside/real.py")
    error = refused(here, "job.py")
    assert type(error) is errors.BadName
    assert error.message == (
        f"The name job.py would refer to two files: {outside(here)}/real.py and {outside(here)}/job.py."
    )
    assert error.fix == "Rename the symlink to the script."


# Files in the header


@pytest.fixture
def data(here: Path) -> Path:
    for name in (
        "job.py",
        "data/a.csv",
        "data/b.csv",
        "data/c.txt",
        "data/deep/d.csv",
        "data/.env",
        "top.csv",
    ):
        put(here, name)
    put(here, ".gitignore", "*\n")
    return here


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["data/a.csv"], {"data/a.csv"}),
        (["./data//a.csv"], {"data/a.csv"}),
        (["*.csv"], {"top.csv"}),
        (["data/*.csv"], {"data/a.csv", "data/b.csv"}),
        (["data/[ab].*"], {"data/a.csv", "data/b.csv"}),
        (["data/?.txt", "top.csv"], {"data/c.txt", "top.csv"}),
        (["**/*.csv"], {"top.csv", "data/a.csv", "data/b.csv", "data/deep/d.csv"}),
        (["data/**"], {"data/a.csv", "data/b.csv", "data/c.txt", "data/deep/d.csv"}),
        (["*/deep/*"], {"data/deep/d.csv"}),
        (["data"], {"data/a.csv", "data/b.csv", "data/c.txt", "data/deep/d.csv"}),
        (["data/deep/"], {"data/deep/d.csv"}),
        (["data/a.csv", "data/*", "data/a.csv"], {"data/a.csv", "data/b.csv", "data/c.txt"}),
        ([".gitignore"], {".gitignore"}),
    ],
    ids=lambda names: " ".join(sorted(names)),  # the same in every process, since sets are unordered
)
def test_files_of_the_header(files: list[str], expected: set[str], data: Path) -> None:
    assert sent(data, *files) == {"job.py", *expected}


def test_glob_reports_excluded_files(data: Path) -> None:
    assert excluded(data, "data/*") == {"data/.env": "environment files are never packaged"}
    assert excluded(data, "data/*.csv") == {}


def test_name_that_looks_like_a_glob(data: Path) -> None:
    put(data, "data/[1].csv")
    assert sent(data, "data/[1].csv") == {"job.py", "data/[1].csv"}


def test_imported_module_in_the_header(data: Path) -> None:
    put(data, "job.py", "import a")
    put(data, "a.py")
    assert sent(data, "*.py") == {"job.py", "a.py"}


def test_glob_does_not_descend_where_it_cannot_match(data: Path) -> None:
    """A script in a home directory may list *.csv without having the whole directory walked."""
    for index in range(50):
        put(data, f"other/{index}")
    assert sent(data, "*.csv", limits=Limits(scanned=20)) == {"job.py", "top.csv"}
    assert type(refused(data, "**/*.csv", limits=Limits(scanned=20))) is errors.TooManyFiles


FIX = "Fix or remove that line; paths are relative to the script's directory."
MOVE = "Move it next to the script, or send the parent directory with --working-dir."
ROLE = "Remove it from the header; use the job's identity or an environment variable instead."
REFUSALS: dict[str, tuple[type[PackageError], str, str]] = {
    "nope.csv": (errors.UnmatchedFile, f"'nope.csv' {HEADER} matches no file.", FIX),
    "*.parquet": (errors.UnmatchedFile, f"'*.parquet' {HEADER} matches no file.", FIX),
    "none/*.csv": (errors.UnmatchedFile, f"'none/*.csv' {HEADER} matches no file.", FIX),
    "top.csv/*": (errors.UnmatchedFile, f"'top.csv/*' {HEADER} matches no file.", FIX),
    "[": (errors.UnmatchedFile, f"'[' {HEADER} matches no file.", FIX),
    "out/*": (errors.UnmatchedFile, f"'out/*' {HEADER} matches no file.", FIX),
    "empty": (errors.UnmatchedFile, f"'empty' {HEADER} matches no file.", FIX),
    "data/.e*": (
        errors.UnmatchedFile,
        f"'data/.e*' {HEADER} matches no file that can be packaged: data/.env: environment files are never packaged.",
        FIX,
    ),
    "../x.csv": (errors.EscapingFile, f"'../x.csv' {HEADER} is not in the script's directory.", MOVE),
    "data/../../x": (errors.EscapingFile, f"'data/../../x' {HEADER} is not in the script's directory.", MOVE),
    "../*": (errors.EscapingFile, f"'../*' {HEADER} is not in the script's directory.", MOVE),
    "/etc/passwd": (errors.EscapingFile, f"'/etc/passwd' {HEADER} is not in the script's directory.", MOVE),
    "": (errors.EscapingFile, f"'' {HEADER} is not in the script's directory.", MOVE),
    ".": (errors.EscapingFile, f"'.' {HEADER} is not in the script's directory.", MOVE),
    "out": (
        errors.EscapingFile,
        f"'out' {HEADER} is a symlink that points outside the script's directory.",
        "Copy the file next to the script.",
    ),
    "out/x.csv": (
        errors.EscapingFile,
        f"'out/x.csv' {HEADER} is a symlink that points outside the script's directory.",
        "Copy the file next to the script.",
    ),
    "data/.env": (
        errors.ForbiddenFile, f"'data/.env' {HEADER} is excluded: environment files are never packaged.", ROLE
    ),
    "hidden": (errors.ForbiddenFile, f"'hidden' {HEADER} is excluded: environment files are never packaged.", ROLE),
    ".git/config": (
        errors.ForbiddenFile, f"'.git/config' {HEADER} is excluded: version control data is never packaged.", ROLE
    ),
    ".git": (errors.ForbiddenFile, f"'.git' {HEADER} is excluded: version control data is never packaged.", ROLE),
    "pipe": (
        errors.ForbiddenFile,
        f"'pipe' {HEADER} is excluded: a FIFO; only regular files are packaged.",
        "Remove it from the header.",
    ),
    "sa.json": (
        errors.ForbiddenFile,
        f"'sa.json' {HEADER} is excluded: service account keys and user credentials are never packaged.",
        "Remove it from the header.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("pattern", REFUSALS)
def test_refused_files_of_the_header(pattern: str, data: Path) -> None:
    put(outside(data), "x.csv")
    link(data, "out", "../outside")
    link(data, "hidden", "data/.env")
    put(data, ".git/config")
    put(data, "sa.json", '{"type": "service_account", "private_key": "x"}')
    (data / "empty").mkdir()
    os.mkfifo(data / "pipe")
    error = refused(data, pattern)
    assert (type(error), error.message, error.fix) == REFUSALS[pattern]


def test_digest_does_not_depend_on_location(data: Path, tmp_path: Path) -> None:
    before = digest(script_contents(data / "job.py", ["data"]))
    shutil.copytree(data, tmp_path / "copy")
    assert digest(script_contents(tmp_path / "copy" / "job.py", ["data"])) == before
    put(tmp_path / "copy", "not-imported.py", "other")
    assert digest(script_contents(tmp_path / "copy" / "job.py", ["data"])) == before


def test_relative_path_of_the_script(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    assert names(script_contents(Path("job.py"), ["top.csv"])) == {"job.py", "top.csv"}
    assert script_contents(Path("job.py"), []).root == data
