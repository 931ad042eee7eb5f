"""The command line: what is understood, and the sentence for what isn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from submit.errors import UsageError
from submit.header import Resources
from submit.options import parse, seconds


def test_a_script_and_its_arguments() -> None:
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


def test_a_report_takes_any_number_of_results() -> None:
    assert parse(["report"]).operands == ()
    options = parse(["report", "a-1", "b.json", "--output", "x/page.html"])
    assert (options.verb, options.operands, options.output) == (
        "report",
        ("a-1", "b.json"),
        Path("x/page.html"),
    )


def test_what_the_flags_reserve() -> None:
    assert parse(["x.py"]).reserve is None
    flags = ["--entrypoint-num-cpus", "2", "--entrypoint-num-gpus", "0.5", "--entrypoint-memory", "2GiB"]
    assert parse([*flags, "x.py"]).reserve == Resources(2, 0.5, 2**31)


@pytest.mark.parametrize(
    ("text", "length"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("0.5s", 0.5)]
)
def test_durations(text: str, length: float) -> None:
    assert seconds(text) == length


REFUSED = [
    (["--n-iter", "x.py"], "--n-iter is not an option of submit.py.",
     "job arguments go behind --: python submit.py jobs/x.py -- --n-iter"),
    (["--dryrun", "x.py"], "--dryrun is not an option of submit.py.", "did you mean --dry-run?"),
    (["x.py", "y.py"], "y.py is not an option of submit.py.",
     "job arguments go behind --: python submit.py jobs/x.py -- y.py"),
    ([], "The following arguments are required: jobs/x.py.", "python submit.py --help"),
    (["attach"], "The following arguments are required: ID.", "python submit.py attach --help"),
    (["stop", "a", "--no-wait"], "`stop` does not take --no-wait.", "python submit.py stop --help"),
    (["stop", "a", "--", "b"], "`stop` takes no job arguments.", "python submit.py stop --help"),
    (["--deadline", "soon", "x.py"], "--deadline 'soon' is not a duration.", "write it as 90s, 30m, 2h or 1h30m"),
    (["--deadline", "0", "x.py"], "--deadline must be more than 0.", "write it as 90s, 30m, 2h or 1h30m"),
    (["--entrypoint-num-cpus", "many", "x.py"],
     "Argument --entrypoint-num-cpus: invalid amount value: 'many'.", "python submit.py --help"),
    (["--entrypoint-memory", "much", "x.py"], "--entrypoint-memory 'much' is not an amount of memory.",
     "write it as 512MiB or 2GiB"),
    (["--submission-id", "a/b", "x.py"], "Argument --submission-id: 'a/b' is not a submission id: "
     "use letters, digits, '_', '-' and '.'.", "python submit.py --help"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message", "mend"), REFUSED, ids=lambda value: " ".join(value)[:30])
def test_refused(words: list[str], message: str, mend: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert (caught.value.message, caught.value.mend) == (message, mend)


def test_paths() -> None:
    options = parse(["--result", "r.json", "--working-dir", "tree", "tree/x.py"])
    assert (options.result, options.working_dir) == (Path("r.json"), Path("tree"))
