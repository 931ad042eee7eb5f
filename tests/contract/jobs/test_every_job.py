"""The contract of every job script. New scripts in jobs/ are included automatically."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomllib

from tests.contract.jobs.running import JOBS, ROOT, alone, check, result
from tests.contract.test_lessons import in_gate

OURS = {"raydock", "submit", "cluster", "iam", "cloud", "bench", "tests"}
BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
SECTIONS = ("Shows", "Run", "Needs", "Dashboard")

each_job = pytest.mark.parametrize("script", JOBS, ids=lambda path: path.stem)

# Import the script and parse its arguments: neither may print, start Ray or start a thread. Then try two flags.
LOOK = """
import contextlib, importlib.util, io, json, os, sys, threading
import ray
sys.path.insert(0, os.path.dirname(sys.argv[1]))
before = threading.active_count()
spec = importlib.util.spec_from_file_location("job", sys.argv[1])
job = importlib.util.module_from_spec(spec)
spec.loader.exec_module(job)
assert not ray.is_initialized(), "importing it starts Ray"
assert threading.active_count() == before, "importing it starts a thread"
assert callable(job.run)
job.parse_args([])
job.parse_args(["--smoke-test"])
told, script = {}, sys.argv[1]
for flag in ("--no-such-flag", "--help"):
    sys.argv, out, err, code = [script, flag], io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            job.main()
        except SystemExit as ended:
            code = ended.code
    told[flag] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(told))
"""


def tree(script: Path) -> ast.Module:
    return ast.parse(script.read_text(encoding="utf-8"))


def header(script: Path) -> dict[str, Any]:
    blocks = list(BLOCK.finditer(script.read_text(encoding="utf-8")))
    assert len(blocks) == 1, "one PEP 723 block"
    return tomllib.loads("\n".join(line[2:] for line in blocks[0]["content"].splitlines()))


def test_there_are_jobs() -> None:
    assert ROOT / "jobs" / "sklearn_joblib.py" in JOBS


@each_job
def test_the_docstring_says_what_a_reader_asks(script: Path) -> None:
    text = ast.get_docstring(tree(script)) or ""
    assert text.splitlines()[0].endswith("."), "the first line is a sentence"
    found = [section for section in SECTIONS if re.search(rf"(?m)^{section}  +\S", text)]
    assert found == list(SECTIONS)
    assert f"submit.py jobs/{script.name}" in text, "how to run it"


@each_job
def test_the_header_holds_known_keys_only(script: Path) -> None:
    block = header(script)
    assert {"requires-python", "dependencies"} <= set(block) <= {"requires-python", "dependencies", "tool"}
    asked = [name for name in block["dependencies"] if re.match(r"ray\b", name)]
    assert all(re.fullmatch(r"ray\[[a-z,]+\]", name) for name in asked), (
        "the cluster provides Ray, but no extra"
    )
    submit = block["tool"]["submit"]
    assert set(submit) <= {"reads", "writes", "env", "files", "entrypoint", "needs"}
    assert set(submit.get("entrypoint", {})) <= {"cpus", "gpus", "memory", "resources"}
    assert set(submit.get("needs", {})) <= {"cpus", "gpus"}
    for key in {"reads", "writes", "env", "files"} & set(submit):
        assert all(isinstance(item, str) for item in submit[key]), key


@each_job
def test_it_imports_nothing_of_this_project(script: Path) -> None:
    names = set()
    for node in ast.walk(tree(script)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "no relative import"
            names.add((node.module or "").split(".")[0])
    assert not names & (OURS | {path.stem for path in JOBS})


@each_job
def test_it_takes_the_cluster_that_it_is_given(script: Path) -> None:
    calls = [node for node in ast.walk(tree(script)) if isinstance(node, ast.Call)]
    inits = [call for call in calls if ast.unparse(call.func) == "ray.init"]
    assert inits, "it calls ray.init()"
    for call in inits:
        assert not call.args, "ray.init without an address"
        assert not {keyword.arg for keyword in call.keywords} & {"address", None}, (
            "ray.init without an address"
        )


@each_job
def test_it_can_be_read_at_one_sitting(script: Path) -> None:
    """Jobs that use a bucket check it first and resume after a fault, which takes more lines."""
    in_a_bucket = {"reads", "writes"} & set(header(script)["tool"]["submit"])
    assert len(script.read_text(encoding="utf-8").splitlines()) <= (320 if in_a_bucket else 170)


@each_job
def test_it_has_the_usual_functions(script: Path) -> None:
    functions = {node.name: node for node in tree(script).body if isinstance(node, ast.FunctionDef)}
    assert {"run", "parse_args", "main"} <= set(functions)
    assert ast.unparse(functions["parse_args"].args) == "argv=None"
    assert list(functions)[-3:] == ["run", "parse_args", "main"], "in the order of explaining"


@functools.cache
def look(script: Path) -> subprocess.CompletedProcess[str]:
    """One process per script, since each imports Ray."""
    command = [sys.executable, "-c", LOOK, str(script)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def told(script: Path, flag: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the script with that flag."""
    code, out, err = json.loads(look(script).stdout)[flag]
    return code, out, err


@each_job
def test_importing_it_does_nothing(script: Path) -> None:
    done = look(script)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert set(json.loads(done.stdout)) == {"--no-such-flag", "--help"}, "nothing but ours is printed"


@each_job
def test_an_unknown_flag_is_a_usage_error(script: Path) -> None:
    code, out, err = told(script, "--no-such-flag")
    assert (code, out) == (2, "")
    assert err.startswith(f"usage: {script.name} ")
    assert err.endswith("error: unrecognized arguments: --no-such-flag\n")


@each_job
def test_help_is_shown(script: Path) -> None:
    code, out, err = told(script, "--help")
    assert (code, err) == (0, "")
    assert "--smoke-test" in out


ALONE = {"ray_tasks"}  # in the gate; the others run on a cluster there


@pytest.mark.ray
@pytest.mark.parametrize(
    "script",
    [
        path if path.stem in ALONE else pytest.param(path, marks=pytest.mark.nightly(in_gate(path.stem)))
        for path in JOBS
    ],
    ids=lambda path: path.stem,
)  # fmt: skip
def test_it_runs_alone(script: Path) -> None:
    found = result(alone(script))
    check(found, script.stem)
    assert len(found["nodes"]) == 1
