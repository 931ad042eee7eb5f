"""What the docs say exists: files, tests, links, commands and their options; and what is generated is fresh."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench.cli
import bench.lessons
from cluster import options as cluster_options
from cluster.cli import COMMANDS as CLUSTER_COMMANDS
from docs.tools import reference
from iam import options as iam_options
from raydock.settings import ROOT
from submit import options as submit_options

DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMANDS = [page for page in DOCS if page.name not in ("CHANGELOG.md", "reference.md")]
EXAMPLES = {"test_x", "tests/….py", "jobs/x.py"}  # the form of a reference, not one
# Placeholders for the reader's own script, which does not exist.
OWN_SCRIPTS = {"x.py", "jobs/x.py", "best_depth.py"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")


def by_name(path: Path) -> str:
    return path.name


def names_of_tests() -> set[str]:
    found = set[str]()
    for path in (ROOT / "tests").rglob("*.py"):
        found |= set(re.findall(r"\bdef (test_\w+)", path.read_text("utf-8", "replace")))
    return found


@pytest.mark.parametrize("page", DOCS, ids=by_name)
def test_the_files_and_tests_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|yaml|in|ipynb))\b", text)) - EXAMPLES
    ours = {name for name in files if (ROOT / name.partition("/")[0]).is_dir()}
    assert [name for name in sorted(ours) if not (ROOT / name).exists()] == []
    tests = set(re.findall(r"::(test_\w+)", text)) - EXAMPLES
    assert sorted(tests - names_of_tests()) == []


@pytest.mark.parametrize("page", DOCS, ids=by_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        name, _, anchor = target.partition("#")
        if re.match(r"https?:", target):
            continue
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The ids that GitHub and MkDocs give to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("## If it fails", "if-it-fails"), ("## 6. How the check decides", "6-how-the-check-decides")],
)
def test_anchors_are_those_of_github_and_mkdocs(tmp_path: Path, heading: str, anchor: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{heading}\n```\n# no heading\n```\n")
    assert anchors(page) == {anchor}


@pytest.mark.parametrize("page", COMMANDS, ids=by_name)
def test_every_command_is_valid(page: Path) -> None:
    wrong = {}
    for command in commands(page.read_text(encoding="utf-8")):
        try:
            check(command)
        except (Exception, SystemExit) as fault:
            wrong[command] = f"{type(fault).__name__}: {fault}"
    assert wrong == {}


def commands(text: str) -> Iterator[str]:
    """The commands in a page's blocks, and those in the text that are whole commands."""
    for language, block in FENCE.findall(text):
        if not language:
            yield from filter(None, map(command_in, block.splitlines()))
    for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        if found := command_in(span):
            yield found


def command_in(line: str) -> str:
    """The command on a line, without prompt, explanation and redirection; empty if there is none."""
    line = re.sub(r"\s+#.*|\s{3,}\S.*|\s>\s\S+$", "", line.removeprefix("$ ")).strip()
    runs = re.match(
        r"(?:[A-Z_]+=\S+ )*(?:make [a-z-]+|python (?:submit\.py|-m (?:cluster|iam|bench|tests|docs))\b)", line
    )
    shortened = re.search(r"…|\.\.\.|\||--its own", line)
    return line if runs and not shortened else ""


def check(command: str) -> None:
    """Raises for a command that does not exist or has an option that does not exist."""
    for part in command.split(" && "):
        words = shlex.split(re.sub(r"\[[^\]]*\]", "", part))
        while re.match(r"[A-Z_]+=", words[0]):
            words.pop(0)
        if words[0] == "make":
            assert all(f"\n{target}:" in MAKEFILE for target in words[1:] if "=" not in target), words
        elif words[1] == "submit.py":
            check_submit(words[2:])
        else:
            check_module(words[2], words[3:])


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def check_submit(words: list[str]) -> None:
    options = submit_options.parse(words)
    if options.verb in ("run", "check") and options.operand not in OWN_SCRIPTS:
        script = ROOT / options.operand
        assert script.is_file(), f"there is no {options.operand}"
        flags = {word.partition("=")[0] for word in options.arguments if word.startswith("--")}
        assert flags <= flags_of(script), f"{options.operand} has no {flags - flags_of(script)}"


def flags_of(script: Path) -> set[str]:
    """The options that a job script adds to its parser."""
    calls = [node for node in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(node, ast.Call)]
    added = [
        call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
    ]
    words = [word.value for call in added for word in call.args if isinstance(word, ast.Constant)]
    return {word for word in words if isinstance(word, str)}


def check_module(module: str, words: list[str]) -> None:
    if module == "cluster" and words:
        cluster_options.parse(words, CLUSTER_COMMANDS)
    elif module == "iam" and words[1:]:
        iam_options.parse(words)
    elif module == "iam":  # in a sentence, a command is named without its arguments
        assert set(words) <= set(iam_options.VERBS), words
    elif module == "bench":
        bench.cli.parser().parse_args(words)
    elif module == "bench.lessons":
        bench.lessons.parser().parse_args(words)
    else:
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), f"there is no module {module}"


@pytest.mark.parametrize(
    "command",
    [
        "make cluster-upp",
        "python submit.py --wroking-dir . jobs/whoami.py",
        "python submit.py jobs/nosuch.py",
        "python submit.py jobs/whoami.py -- --reed gs://b/x",
        "python -m cluster up --kind docker",
        "python -m iam shwo gs://b",
        "python -m docs.tools.nosuch",
    ],
)
def test_an_invalid_command_is_found(command: str) -> None:
    assert command_in(command) == command
    with pytest.raises((Exception, SystemExit)):
        check(command)


@pytest.mark.parametrize("page", DOCS, ids=by_name)
def test_no_block_waits_for_its_output(page: Path) -> None:
    blocks = re.findall(r"^<!-- output.* -->\n```\w*\n(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [line for line in blocks if not line.startswith("$ ")] == []


def test_the_readme_has_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_reference_is_fresh() -> None:
    written = reference.PAGE.read_text(encoding="utf-8")
    assert written == reference.page(), "write it again: python -m docs.tools.reference"


def test_every_page_is_in_the_sites_menu() -> None:
    menu = re.findall(
        r"^ +- .*: ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(menu) == [page.name for page in sorted(ROOT.glob("docs/*.md"))]


def test_the_site_has_the_colours_of_the_report() -> None:
    site, report = (
        set(re.findall(r"#[0-9a-f]{6}", (ROOT / path).read_text(encoding="utf-8")))
        for path in ("docs/style.css", "raydock/pages/colours.css")
    )
    assert site - report == set()


def test_the_example_on_the_page_is_the_one_that_is_tested() -> None:
    page = (ROOT / "docs/your-own-job.md").read_text(encoding="utf-8")
    script = (ROOT / "docs/examples/best_depth.py").read_text(encoding="utf-8")
    assert f"```python\n{script}```\n" in page
