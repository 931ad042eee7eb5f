"""Which files .dockerignore excludes, compared with the docker package."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from cluster.build import dockerignore
from raydock.settings import ROOT

FILES = (
    "a.txt",
    "b.md",
    "docs/a.txt",
    "docs/deep/b.md",
    "docs/deep/__pycache__/x.pyc",
    "src/lab.yaml",
    "src/lab-1.yaml",
)


@pytest.mark.parametrize(
    "text",
    [
        (ROOT / ".dockerignore").read_text(),
        "",
        "# a comment\n*.txt\n",
        "**/*.txt\n!docs/a.txt",
        "*\n!docs\ndocs/deep",
        "docs/\n!docs/deep/b.md",
        "src/lab*.yaml\n**/__pycache__",
        "src/lab-?.yaml\n/a.txt",
        "[ab].*",
    ],
)
def test_the_same_files_as_the_docker_package(tmp_path: Path, text: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    rules = dockerignore.rules(text)
    kept = {name for name in FILES if not dockerignore.excludes(rules, name)}
    assert kept == exclude_paths(str(tmp_path), patterns) & set(FILES)
