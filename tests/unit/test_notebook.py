"""notebooks/ray_on_vertex.ipynb without running it: its form, its cells, and the commands in them."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any

import pytest

from iam.options import parse as parse_iam
from submit.options import parse as parse_submit
from tests.command import ROOT

NOTEBOOK = ROOT / "notebooks" / "ray_on_vertex.ipynb"
MAGIC = re.compile(r"^(\s*)[!%](.*)$", re.MULTILINE)
NAME = re.compile(r"\{(\w+)\}")
COMMON = {"cell_type", "id", "metadata", "source"}


CONTINUED = re.compile(r" \\\n\s*")


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def cells(kind: str = "code") -> dict[str, str]:
    """Their sources by id, in their order; a line that goes on in the next is one."""
    found = [one for one in read()["cells"] if one["cell_type"] == kind]
    return {one["id"]: CONTINUED.sub(" ", "".join(one["source"])) for one in found}


def plain(source: str) -> str:
    """The source as Python: a line of the shell does nothing."""
    return MAGIC.sub(r"\1pass", source)


def commands() -> list[list[str]]:
    """The words of every line of the shell, a parameter as its own name in small letters."""
    lines = [match[2] for source in cells().values() for match in MAGIC.finditer(source)]
    return [
        shlex.split(NAME.sub(lambda name: "7" if name[1] == "CANDIDATES" else name[1].lower(), line))
        for line in lines
    ]


def test_it_is_a_notebook_of_version_4_5() -> None:
    """Google's and Jupyter's editors both take it; nbclient holds it against the schema in the lab."""
    found = read()
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    for cell in found["cells"]:
        more = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == COMMON | more, cell["id"]
        assert re.fullmatch(r"[a-z-]{1,64}", cell["id"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    ids = [cell["id"] for cell in found["cells"]]
    assert len(ids) == len(set(ids))


def test_it_was_not_run() -> None:
    assert all(
        (cell["outputs"], cell["execution_count"]) == ([], None)
        for cell in read()["cells"]
        if cell["cell_type"] == "code"
    )


def test_it_names_no_place_of_a_machine() -> None:
    text = "\n".join([*cells().values(), *cells("markdown").values()])
    assert not re.search(r"(?<![\w/.:])/(?:home|work|root|tmp|usr|opt|etc|content)\b", text)
    assert not re.search(r"https?://(?!github\.com/googleapis/|\{)", text)


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_a_cell_is_python(cell: str) -> None:
    ast.parse(plain(cells()[cell]))


def test_every_name_in_a_command_is_set_before_it() -> None:
    known: set[str] = set()
    for identifier, source in cells().items():
        tree = ast.parse(plain(source))
        known |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        asked = {name[1] for line in MAGIC.finditer(source) for name in NAME.finditer(line[2])}
        assert asked <= known, identifier


def test_each_command_s_end_is_looked_at() -> None:
    """A line of the shell that fails does not stop a notebook by itself."""
    for identifier, source in cells().items():
        lines = source.splitlines()
        for number, line in enumerate(lines):
            if MAGIC.match(line) and not line.strip().startswith("%cd"):
                assert "_exit_code" in lines[number + 1], (identifier, line)


def test_submit_s_commands_are_commands_of_submit_py() -> None:
    found = [parse_submit(words[2:]) for words in commands() if words[:2] == ["python", "submit.py"]]
    assert [(one.verb, one.operand) for one in found] == [
        ("run", "jobs/sklearn_joblib.py"),
        ("check", "jobs/whoami.py"),
        ("run", "jobs/whoami.py"),
    ]
    assert {one.target for one in found} == {"vertex"}
    assert all((ROOT / one.operand).is_file() for one in found)


def test_iam_s_commands_are_commands_of_iam() -> None:
    found = [parse_iam(words[3:]) for words in commands() if words[:3] == ["python", "-m", "iam"]]
    assert [one.verb for one in found] == ["whoami", "provision", "grant", "check", "deprovision"]
    assert {(one.target, one.project) for one in found} == {("google", "project")}


def test_other_commands_are_few() -> None:
    others = [words[0] for words in commands() if words[0] != "python"]
    assert others == ["pip", "git", "cd"]


def test_jobs_get_the_arguments_that_they_take() -> None:
    for words in commands():
        if words[:2] == ["python", "submit.py"]:
            job = next(word for word in words if word.startswith("jobs/"))
            flags = [word for word in words[words.index("--") + 1 :] if word.startswith("--")]
            assert all(f'"{flag}"' in (ROOT / job).read_text() for flag in flags), job


def test_ray_is_the_cluster_s() -> None:
    """One version, and asked for by name: the SDK's extra brings none on a newer Python."""
    asked = re.search(r"^ray\[.*\]==(\S+)$", (ROOT / "requirements" / "image.in").read_text(), re.MULTILINE)
    assert asked
    assert f'"ray[default]=={asked[1]}"' in cells()["install"]
    assert f"\nray=={asked[1]} " in (ROOT / "requirements" / "notebook.txt").read_text()
