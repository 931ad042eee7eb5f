"""Compare ignore files with Git itself: random trees and patterns must give the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from submit.package import tree_contents
from submit.package.errors import EmptyPackage

from .build import put

NAMES = st.sampled_from(["a", "b", "ab", "foo", "foobar", "a b", "é", "x.py", ".h", "[", "-", "a]"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from([
    "a", "b", "foo", "bar", ".py", "é", "*", "**", "**/", "?", "/", "/", "[ab]", "[!a]", "[a-c]", "[[:alpha:]]",
    "[]a]", "\\", "\\/", "\\*", "!", " ", "[", "***", "#", ".", "a\t", "[^/]", "[a/]", "[[:nope:]]", "[b-a]", "[\\]]",
])  # fmt: skip
LINES = st.builds(
    lambda start, pieces, end: start + "".join(pieces) + end,
    st.sampled_from(["", "", "", "!", "/"]),
    st.lists(PIECES, min_size=1, max_size=5),
    st.sampled_from(["", "", "/", " ", "\r"]),
)
IGNORES = st.dictionaries(
    st.one_of(st.just(""), PATHS), st.lists(LINES, min_size=1, max_size=5).map("\n".join), max_size=3
)


@pytest.fixture(scope="module")
def git() -> dict[str, str]:
    """An environment in which Git uses only its default settings."""
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def build(tree: Path, paths: set[str], ignores: dict[str, str]) -> None:
    for path in sorted(paths):
        if not any(parent.is_file() for parent in (tree / path).parents) and not (tree / path).is_dir():
            put(tree, path)
    for directory, text in ignores.items():
        if (tree / directory).is_dir():
            put(tree, f"{directory}/.gitignore" if directory else ".gitignore", text)


def ours(root: Path) -> set[str]:
    try:
        return {entry.name for entry in tree_contents(root).entries}
    except EmptyPackage:
        return set()


def gits(root: Path, environment: dict[str, str], *arguments: str) -> set[str]:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return {name for name in done.stdout.decode().split("\0") if name}


@settings(suppress_health_check=list(HealthCheck))
@given(st.sets(PATHS, min_size=1, max_size=12), IGNORES, st.data())
@example({"foo/x.py", "foobar/a/bar", "foobar"}, {"": "foo**/bar\n!foo**/x.py"}, None)
@example({"a/b", "a/foo", "b"}, {"": "*\n!a\n!a/b"}, None)
def test_same_files_as_git(
    git: dict[str, str], paths: set[str], ignores: dict[str, str], data: st.DataObject | None
) -> None:
    top = Path(tempfile.mkdtemp()).resolve()
    try:
        subprocess.run(["git", "init", "-q", "--template=", str(top)], env=git, timeout=60, check=True)
        build(top, paths, ignores)
        assert ours(top) == gits(top, git, "ls-files", "-o", "-z", "--exclude-standard")
        below = sorted(
            str(path.relative_to(top))
            for path in top.rglob("*")
            if path.is_dir() and ".git" not in path.parts
        )
        if data is not None and below:
            root = top / data.draw(st.sampled_from(below))
            assume(not gits(root.parent, git, "check-ignore", root.name))
            assert ours(root) == gits(root, git, "ls-files", "-o", "-z", "--exclude-standard")
    finally:
        shutil.rmtree(top)
