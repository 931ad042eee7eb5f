"""The command line: what it accepts, and the message for each mistake."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import pytest

from raydock.errors import UsageError
from raydock.jobscript.header import Resources
from raydock.settings import ROOT
from submit.findings import CHECKS, NOTES
from submit.options import parse


def test_script_and_job_arguments() -> None:
    options = parse(["--no-wait", "jobs/x.py", "--env", "A=1", "--", "--env", "B", "--"])
    assert (options.verb, options.operand, options.wait) == ("run", "jobs/x.py", False)
    assert options.env == ("A=1",)
    assert options.arguments == ("--env", "B", "--")


@pytest.mark.parametrize(
    ("words", "verb", "operand"),
    [
        (["attach", "a-1"], "attach", "a-1"),
        (["--address", "http://h:1", "stop", "a"], "stop", "a"),
        (["--address=http://h:1", "logs", "list"], "logs", "list"),
        (["list"], "list", ""),
        (["--address", "list", "list"], "list", ""),
        (["check", "jobs/x.py"], "check", "jobs/x.py"),
        (["jobs/list"], "run", "jobs/list"),
        (["--result", "check", "jobs/x.py"], "run", "jobs/x.py"),
    ],
)
def test_verbs(words: list[str], verb: str, operand: str) -> None:
    options = parse(words)
    assert (options.verb, options.operand) == (verb, operand)


def test_report_takes_any_number_of_results() -> None:
    assert parse(["report"]).operands == ()
    options = parse(["report", "a-1", "b.json", "--output", "x/page.html"])
    assert (options.verb, options.operands, options.output) == (
        "report",
        ("a-1", "b.json"),
        Path("x/page.html"),
    )


def test_entrypoint_resources() -> None:
    assert parse(["x.py"]).reserve is None
    flags = ["--entrypoint-num-cpus", "2", "--entrypoint-num-gpus", "0.5", "--entrypoint-memory", "2GiB"]
    assert parse([*flags, "x.py"]).reserve == Resources(2, 0.5, 2**31)


DURATION = "write it as 90s, 30m, 1.5h, 1h30m or 1d"
REFUSED = [
    ([], "The following arguments are required: jobs/x.py.", "python submit.py --help"),
    (["attach"], "The following arguments are required: ID.", "python submit.py attach --help"),
    (["stop", "a", "--no-wait"], "python submit.py stop does not accept --no-wait.", "python submit.py stop --help"),
    (["stop", "a", "b"], "python submit.py stop does not accept b.", "python submit.py stop --help"),
    (["stop", "a", "--", "b"], "`stop` takes no job arguments.", "python submit.py stop --help"),
    (["--deadline", "soon", "x.py"], "--deadline 'soon' is not a duration.", DURATION),
    (["--deadline", "0", "x.py"], "--deadline '0' is not greater than 0.", DURATION),
    (["--entrypoint-num-cpus", "many", "x.py"],
     "Argument --entrypoint-num-cpus: invalid amount value: 'many'.", "python submit.py --help"),
    (["--entrypoint-memory", "much", "x.py"], "--entrypoint-memory 'much' is not a memory size.",
     "use a value such as 512MiB or 2GiB"),
    (["--submission-id", "a/b", "x.py"], "Argument --submission-id: 'a/b' is not a submission id: "
     "use letters, digits, '_', '-' and '.'.", "python submit.py --help"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message", "fix"), REFUSED, ids=lambda value: " ".join(value)[:30])
def test_refused(words: list[str], message: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_paths() -> None:
    options = parse(["--result", "r.json", "--working-dir", "tree", "tree/x.py"])
    assert (options.result, options.working_dir) == (Path("r.json"), Path("tree"))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("x.py --n 3", "x.py -- --n 3"),
        ("--n 3 x.py", "x.py -- --n 3"),
        ("--no-wait x.py -n 3 --lr=0.1 --env A=1", "--no-wait x.py --env A=1 -- -n 3 --lr=0.1"),
        ("x.py -1 --deadline 5m -- --m 2", "x.py --deadline 5m -- -1 --m 2"),
        ("x.py train --epochs 3", "x.py -- train --epochs 3"),
        ("--target vertex --cluster c x.py 'a b'", "--target vertex --cluster c x.py -- 'a b'"),
        ("check x.py --out 'gs://b/o p'", "check x.py -- --out 'gs://b/o p'"),
        ("--wait", "jobs/x.py -- --wait"),
    ],
)
def test_job_arguments_belong_after_two_dashes(words: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(shlex.split(words))
    assert caught.value.fix == f"the job's own arguments go after --: python submit.py {meant}"


MEANT, OR_JOB = "did you mean: python submit.py ", "or, if it is meant for the job: python submit.py "
JOB, OR_OWN = (
    "the job's own arguments go after --: python submit.py ",
    "or, if it is meant for submit.py: python submit.py ",
)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("--dryrun x.py", [f"{MEANT}--dry-run x.py", f"{OR_JOB}x.py -- --dryrun"]),
        ("x.py --deadlin 5m --n 3 -- --m", [f"{MEANT}x.py --deadline 5m -- --n 3 --m",
                                            f"{OR_JOB}x.py -- --deadlin 5m --n 3 --m"]),
        ("--clustr c --target vertex x.py", [f"{MEANT}--cluster c --target vertex x.py",
                                             f"{OR_JOB}--target vertex x.py -- --clustr c"]),
        ("x.py --cluster-size 3", [f"{JOB}x.py -- --cluster-size 3", f"{OR_OWN}x.py --cluster 3"]),
        ("x.py --result-dir='a b'", [f"{JOB}x.py -- '--result-dir=a b'", f"{OR_OWN}x.py '--result=a b'"]),
        ("--target vertx --no-wait x.py -- --n 3", [f"{MEANT}--target vertex --no-wait x.py -- --n 3"]),
        ("--target=lcal list", [f"{MEANT}list --target=local"]),
        ("report --outptu 'x y'", [f"{MEANT}report --output 'x y'"]),
        ("stpo X", [f"{MEANT}stop X"]),
        ("--address http://h:1 Atach a-1 --deadline 5m", [f"{MEANT}--address http://h:1 attach a-1 --deadline 5m"]),
        ("kill", [f"{MEANT}stop ID"]),
        ("run x.py -- --n 3", [f"{MEANT}x.py -- --n 3"]),
        ("chek x.py -- --n 3", [f"{MEANT}check x.py -- --n 3"]),
        ("x.py --skip-check=import,secrets -- --n 3", [f"{MEANT}x.py --skip-check=imports,secrets -- --n 3"]),
    ],
)  # fmt: skip
def test_misspelling_suggests_the_whole_command_line(words: str, fix: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(shlex.split(words))
    assert caught.value.fix.splitlines() == fix


def test_script_is_not_taken_for_a_misspelt_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stpo").touch()
    for words in (["stpo"], ["jobs/stpo"], ["lst.py"], ["zzz"]):
        assert parse(words).verb == "run"


def test_skip_checks_by_name() -> None:
    assert parse(["x.py"]).skip_check == ()
    bare = parse(["--skip-check", "x.py"])
    assert (bare.operand, bare.skip_check) == ("x.py", CHECKS)
    options = parse(
        ["check", "--skip-check=ray", "x.py", "--skip-check=disk,ray", "--env", "A=b c", "--", "--n"]
    )
    assert options.skip_check == ("ray", "disk")
    assert options.skipping(["imports", "ray", "imports"]) == (
        "python submit.py --skip-check=ray,disk,imports x.py --env 'A=b c' -- --n"
    )
    assert options.skipping(["arguments"]) == "add --skip-check=ray,disk,arguments"
    for words in (["--skip-check=", "x.py"], ["--skip-check=zzz", "x.py"]):
        with pytest.raises(UsageError, match="unknown check"):
            parse(words)


def test_every_finding_is_named_after_a_check() -> None:
    """--skip-check can then name it."""
    names = set()
    for file in (ROOT / "submit").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            made = isinstance(call, ast.Call) and getattr(call.func, "id", "") in (
                "ok",
                "denied",
                "unknown",
                "Finding",
            )
            if made and isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                names.add(call.args[0].value)
    assert names
    assert names <= {*CHECKS, *NOTES}
