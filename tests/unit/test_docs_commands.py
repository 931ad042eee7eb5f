"""The commands in the docs on Vertex AI can be parsed. tests/integration/test_docker_vertex_submit.py runs some."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from cluster import cli as cluster
from cluster.targets.flags import chosen
from iam.options import parse as parse_iam
from raydock.settings import ROOT
from submit.options import parse as parse_submit

PAGES = ("vertex-in-the-lab.md", "vertex-clusters.md", "vertex-ai.md", "notebook.md")
PROGRAM = re.compile(r"(?:\$ )?python (submit\.py|-m cluster|-m iam) (.*)")


def commands() -> Iterator[str]:
    """Each command of ours in a code block or span, without its comment, and with and without its optional parts."""
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        spans = re.findall(r"`(python (?:submit\.py|-m cluster|-m iam) [^`]*)`", text)
        for line in (*text.splitlines(), *spans):
            if found := PROGRAM.fullmatch(re.sub(r"\s+", " ", line.partition("  #")[0]).strip()):
                words = re.split(r"\[([^\]]*)\]", f"{found[1]} {found[2]}")
                yield "".join(words[::2])
                yield "".join(words)


COMMANDS = sorted(command for command in set(commands()) if "…" not in command and "|" not in command)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_docs_is_understood(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "submit.py":
        parse_submit(words)
    elif words[0] == "cluster":
        chosen(cluster.parse(words[1:]))
    else:
        parse_iam(words[1:])


def test_commands_were_found() -> None:
    """Otherwise a change of the pages' form would turn the test off."""
    assert any(command.startswith("submit.py --target vertex --lab") for command in COMMANDS)
    assert any(command.startswith("-m cluster down") for command in COMMANDS)
