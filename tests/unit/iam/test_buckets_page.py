"""docs/buckets.md: every command of the page is run, and prints what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.gateway.job_limit import RunningJob
from raydock.settings import ROOT
from tests.unit.iam.conftest import Lab

PAGE = (ROOT / "docs" / "buckets.md").read_text(encoding="utf-8")
FILES = {"train.csv": "feature,label\n1,2\n3,", "images/a.png": "12345\n", "images/b.png": "67890\n"}
FILES["images/notes.txt"] = "notes\n"
IAM = "$ python -m iam "


def examples() -> Iterator[tuple[str, str]]:
    """The commands of the page, each with the output below it."""
    for block in re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
            if part:
                command, _, output = part.partition("\n")
                yield command, output


def dateless(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?", "DATE", text)


def test_the_page_shows_what_its_commands_print(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_jobs(*_: object) -> list[RunningJob]:
        return []

    monkeypatch.setattr("cloud.identity.job_account.active", no_jobs)
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = list(examples())
    assert len(found) > 15
    for command, output in found:
        assert command.startswith(IAM), command
        result = lab.iam(*shlex.split(command.removeprefix(IAM)))
        assert dateless(result.out + result.err) == dateless(output), command
