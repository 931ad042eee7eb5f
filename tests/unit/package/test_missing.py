"""Imports of local modules that are not packaged: each is reported before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from submit.package import Contents, MissingImport, script_contents, tree_contents

from .build import link, outside, put


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path.resolve() / "jobs"
    here.mkdir()
    return here


Builders = list[Callable[[Path], Contents]]
SCRIPT: Builders = [lambda here: script_contents(here / "job.py", [])]
TREE: Builders = [lambda here: tree_contents(here, script="job.py")]


def missing(here: Path, builders: Builders) -> tuple[MissingImport, ...]:
    (found,) = {build(here).missing for build in builders}
    return found


OUT = "a symlink that points outside the tree"
PLACE = "replace the symlink with a copy: rm {here}/{link} && cp -R {real} {here}/{link}"


def test_package_that_is_a_symlink_out_of_the_folder(here: Path) -> None:
    put(here, "job.py", "import os\nfrom lib.deep import x\nimport lib\n")
    put(outside(here), "lib/__init__.py")
    put(outside(here), "lib/deep.py", "x = 1")
    link(here, "lib", "../outside/lib")
    fix = PLACE.format(here=here, link="lib", real=outside(here) / "lib")
    (found,) = missing(here, SCRIPT + TREE)
    assert (found.message, found.fix) == (f"job.py:2 imports lib, which is not packaged: {OUT}.", fix)


def test_module_that_is_a_symlink_out_of_the_folder(here: Path) -> None:
    put(here, "job.py", "import pkg.tool\n")
    put(here, "pkg/__init__.py", "from . import other")
    put(here, "pkg/other.py")
    put(outside(here), "tool.py")
    link(here, "pkg/tool.py", "../../outside/tool.py")
    (found,) = missing(here, SCRIPT + TREE)
    assert found.message == f"job.py:1 imports pkg.tool, which is not packaged: {OUT}."
    copied = PLACE.format(here=here, link="pkg/tool.py", real=outside(here) / "tool.py")
    assert found.fix == f"{copied}\nor send their common parent folder: --working-dir {here.parent}"


def test_namespace_directories_and_modules_of_modules(here: Path) -> None:
    put(here, "job.py", "import near\n")
    put(here, "near.py", "import ns.far\n")
    put(outside(here), "far.py")
    link(here, "ns", outside(here))
    (found,) = missing(here, SCRIPT + TREE)
    assert (found.importer, found.line, found.module, found.why) == ("near.py", 1, "ns.far", OUT)


def test_dangling_symlinks(here: Path) -> None:
    put(here, "job.py", "import a, b\n")
    link(here, "a", "../gone")
    link(here, "b.py", "gone.py")
    assert [(one.module, one.fix) for one in missing(here, SCRIPT + TREE)] == [
        ("a", "point a at the module, or replace it with the module itself"),
        ("b", "point b.py at the module, or replace it with the module itself"),
    ]


def test_symlinked_folder_inside_the_tree(here: Path) -> None:
    """A script's package includes imports through such a symlink; a tree includes each file once."""
    put(here, "job.py", "import lib.a\n")
    put(here, "real/lib/a.py")
    link(here, "lib", "real/lib")
    assert missing(here, SCRIPT) == ()
    (found,) = missing(here, TREE)
    assert found.why == "a symlink to real/lib/: directories are packaged under their own name only"
    assert found.fix == PLACE.format(here=here, link="lib", real=here / "real/lib")


def test_ignored_modules_of_a_tree(here: Path) -> None:
    put(here, "job.py", "import build.made\nimport local\n")
    put(here, "build/made.py")
    put(here, "local.py")
    put(here, ".gitignore", "build/\n")
    put(here, ".rayignore", "local*\n")
    assert missing(here, SCRIPT) == ()
    assert [(one.module, one.why, one.fix) for one in missing(here, TREE)] == [
        ("build.made", "ignored by .gitignore line 1: build/", f"echo '!/build/' >> {here}/.rayignore"),
        ("local", "ignored by .rayignore line 1: local*", f"echo '!/local.py' >> {here}/.rayignore"),
    ]
    put(here, ".rayignore", "local*\n!/build/\n!/local.py\n")
    assert missing(here, TREE) == ()


def test_module_with_a_name_that_is_never_packaged(here: Path) -> None:
    put(here, "job.py", "from node_modules import e\n")
    put(here, "node_modules/e.py")
    (found,) = missing(here, SCRIPT + TREE)
    assert (
        found.message == "job.py:1 imports node_modules.e, which is not packaged: specific to this machine."
    )
    assert found.fix == "rename node_modules/e.py to a name that can be packaged, and change the import"


def test_guarded_imports_are_not_missing(here: Path) -> None:
    put(here, "job.py", "try:\n    import lib\nexcept ImportError:\n    lib = None\nimport fast\n")
    put(outside(here), "lib.py")
    link(here, "lib.py", "../outside/lib.py")
    put(here, "fast.py")
    put(outside(here), "fast.abi3.so")
    link(here, "fast.abi3.so", "../outside/fast.abi3.so")
    assert missing(here, SCRIPT + TREE) == ()
    assert len(script_contents(here / "job.py", []).excluded) == 2


def test_guarded_in_one_place_and_needed_in_another(here: Path) -> None:
    put(here, "job.py", "try:\n    import a\nexcept ImportError:\n    pass\nimport b\n")
    put(here, "a.py", "import lib")
    put(here, "b.py", "import os, a\n")
    link(here, "lib.py", "gone")
    (found,) = missing(here, SCRIPT + TREE)
    assert (found.importer, found.line, found.module) == ("a.py", 1, "lib")


RELATIVE = {
    "import os\nfrom . import tool": (2, "from . import tool", "write it as: import tool"),
    "from .tool import a as b": (1, "from .tool import a as b", "write it as: from tool import a as b"),
    "def f():\n    from ..lib import x": (2, "from ..lib import x",
                                          "import it by its full name from the folder you send"),
}  # fmt: skip


@pytest.mark.parametrize("text", RELATIVE)
def test_relative_imports_in_a_script(text: str, here: Path) -> None:
    put(here, "job.py", text)
    put(here, "tool.py", "a = 1")
    line, written, fix = RELATIVE[text]
    (found,) = missing(here, SCRIPT + TREE)
    assert (
        found.message
        == f"job.py:{line}: `{written}` will fail: job.py is not inside the package it refers to."
    )
    assert found.fix == fix


def test_script_in_a_folder_of_the_tree(here: Path) -> None:
    """The tree's root is on the path only on the cluster, so ignored modules in it are not importable here either."""
    put(
        here,
        "src/job.py",
        "import lib, top, torch\ntry:\n    from . import x\nexcept ImportError:\n    pass\n",
    )
    put(here, "top/__init__.py")
    put(here, ".gitignore", "top/\n")
    link(here, "src/lib.py", "gone")
    found = tree_contents(here, script="src/job.py").missing
    assert [(one.importer, one.module) for one in found] == [("src/job.py", "lib")]
