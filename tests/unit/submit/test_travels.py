"""The full findings about a job's files, variables and arguments; none contains a secret's value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raydock.jobscript.header import Header
from submit.findings import Finding, Outcome
from submit.package import Contents, script_contents, tree_contents
from submit.plan import JobPlan
from submit.preflight.travels import check_arguments, check_environment, check_package
from tests.unit.package.build import put

PASSWORD = "hunter" + "2hunter2"
URL = f"postgres://app:{PASSWORD}@db/x"
NOTHING = Contents(Path(), (), ())
READ_IT = "have the job read it from Secret Manager or a bucket, using the identity it runs as"


def draft(contents: Contents = NOTHING, header: Header | None = None, **given: Any) -> JobPlan:
    return JobPlan("job.py", header or Header(), contents, **given)


def summary(found: list[Finding]) -> list[tuple[str, str, str, str]]:
    assert not any(PASSWORD in f"{one.message} {one.fix}" for one in found)
    return [(one.verdict.value, one.check, one.message, one.fix) for one in found]


def test_fix_for_a_secret_depends_on_the_mode(tmp_path: Path) -> None:
    put(tmp_path, "job.py", "import helper")
    put(tmp_path, "helper.py", f"URL = '{URL}'")
    put(tmp_path, "notes.txt", f"\n{URL}\n")
    found = list(check_package(draft(script_contents(tmp_path / "job.py", ["notes.txt"]))))
    assert summary(found) == [
        ("DENIED", "secrets", "helper.py:1 contains a secret (password in a URL) that anyone with access to the "
         "cluster could read.", f"remove it from the file, and {READ_IT}"),
        ("DENIED", "secrets", "notes.txt:2 contains a secret (password in a URL) that anyone with access to the "
         "cluster could read.", "remove it from the file, or remove the file from the header's files"),
    ]  # fmt: skip
    found = list(check_package(draft(tree_contents(tmp_path, script="job.py"))))
    ignore = f"{tmp_path.resolve()}/.rayignore"
    assert [one.fix for one in found] == [
        f"remove it from the file, or exclude the file: echo /helper.py >> {ignore}",
        f"remove it from the file, or exclude the file: echo /notes.txt >> {ignore}",
    ]


def test_secrets_in_variables_arguments_and_dependencies() -> None:
    found = [
        *check_environment(draft(env={"DATABASE_URL": URL, "MAX_TOKENS": "5", "DB_PASSWORD": PASSWORD})),
        *check_arguments(
            draft(
                arguments=("--url", URL, "x"),
                header=Header(dependencies=(f"pkg[a] @ git+https://me:{PASSWORD}@github.com/o/pkg", "numpy")),
            )
        ),
    ]
    shown = "and the dashboard shows a job's environment."
    assert summary(found) == [
        ("DENIED", "secrets", f"The variable DATABASE_URL contains a secret (password in a URL), {shown}",
         f"remove it, and {READ_IT}"),
        ("DENIED", "secrets", f"The variable DB_PASSWORD contains a secret (judging by its name), {shown}",
         f"remove it, and {READ_IT}"),
        ("DENIED", "secrets", "The job's argument url contains a secret (password in a URL), and the dashboard shows "
         "a job's entrypoint.", f"remove it, and {READ_IT}"),
        ("DENIED", "secrets", "The dependency pkg contains a secret (password in a URL), and the dashboard shows what "
         "a job installs.",
         "put the package's source next to the script, or install it from an index that needs no password"),
    ]  # fmt: skip


@pytest.mark.parametrize("here", [True, False])
def test_variable_that_names_a_credential_file(here: bool, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    if here:
        path.touch()
    (found,) = check_environment(draft(env={"GOOGLE_APPLICATION_CREDENTIALS": str(path), "KUBECONFIG": ""}))
    assert (found.check, found.verdict) == ("environment", Outcome.DENIED if here else Outcome.UNKNOWN)
    assert found.message == f"GOOGLE_APPLICATION_CREDENTIALS points to {path}, " + (
        "a file on this machine; credential files are never packaged."
        if here
        else "which may not exist on the cluster."
    )


PROGRAM = "#!/usr/bin/env bash\necho hello\n"
RUN = {
    "import subprocess\nsubprocess.run(['./run.sh', 'x'])": True,
    "import subprocess as sp\nsp.check_call('cd . && ./run.sh x', shell=True)": True,
    "from os import system\nsystem('./run.sh')": True,
    "import subprocess, pathlib\nHERE = pathlib.Path(__file__).parent\nsubprocess.run([str(HERE / 'run.sh')])": True,
    "import os, subprocess\nsubprocess.Popen(args=[os.path.join(os.path.dirname(__file__), 'run.sh')] + rest)": True,
    "import subprocess\nCOMMAND = ['./run.sh', 'a']\nsubprocess.run(COMMAND)": True,
    "import os, subprocess\nsubprocess.run(f'{os.getcwd()}/run.sh a', shell=True)": True,
    "import asyncio\nasync def f():\n    await asyncio.create_subprocess_exec('./run.sh')": True,
    "import subprocess\nsubprocess.run(['sh', './run.sh'])": False,
    "import subprocess\nCOMMAND = ['sh', './run.sh']\nsubprocess.run(COMMAND)": False,
    "import os, subprocess\nos.system(f'bash {os.getcwd()}/run.sh')": False,
    "import subprocess\nsubprocess.run(['run.sh'])": False,
    "import subprocess\nsubprocess.run(['./other.sh', './run.sh'])": False,
    "import os, subprocess\nos.chmod('run.sh', 0o755)\nsubprocess.run(['./run.sh'])": False,
    "import subprocess\nsubprocess.run(['chmod', '+x', 'run.sh'])\nsubprocess.run(['./run.sh'])": False,
    "import subprocess\nsubprocess.run(" + "'a' + " * 900 + "'b')": False,
    "import subprocess\nsubprocess.run('./run' + " + "'' + " * 900 + "'.sh')": True,
    "import subprocess\ndef f(command):\n    command = command + ' x'\n    subprocess.run(command)": False,
    "import subprocess\ndef f(path):\n    path = str(path.joinpath(path, 'x'))\n    subprocess.run(path)": False,
}


@pytest.mark.parametrize("text", RUN)
def test_program_that_loses_its_executable_bit(text: str, tmp_path: Path) -> None:
    put(tmp_path, "job.py", text)
    put(tmp_path, "run.sh", PROGRAM, mode=0o755)
    put(tmp_path, "other.txt")
    where = f"job.py:{text.count(chr(10)) + 1} runs run.sh"
    denial = ("DENIED", "package", f"{where}, which is not executable on the cluster: Ray does not restore file modes.",
              'run it with its interpreter: subprocess.run(["bash", "run.sh", ...])')  # fmt: skip
    note = ("OK", "package", "run.sh is not executable on the cluster: Ray does not restore file modes", "")
    found = summary(list(check_package(draft(script_contents(tmp_path / "job.py", ["run.sh", "other.txt"])))))
    assert found[1:] == [denial if RUN[text] else note]
    found = summary(list(check_package(draft(tree_contents(tmp_path, script="job.py")))))
    assert found[1:] == ([denial] if RUN[text] else [])


@pytest.mark.parametrize(
    ("start", "fix"),
    [
        (
            "#!/usr/bin/python3 -u\n",
            'run it with its interpreter: subprocess.run([sys.executable, "bin/x", ...])',
        ),
        ("\x7fELF\0\1", "make it executable in the job first: os.chmod('bin/x', 0o755)"),
    ],
)
def test_fix_for_a_program_without_its_executable_bit(start: str, fix: str, tmp_path: Path) -> None:
    put(tmp_path, "job.py", "import helper")
    put(tmp_path, "helper.py", "import subprocess\nsubprocess.check_output(['bin/x'])")
    put(tmp_path, "bin/x", start, mode=0o755)
    _, found = check_package(draft(script_contents(tmp_path / "job.py", ["bin"])))
    assert (found.message.partition(",")[0], found.fix) == ("helper.py:2 runs bin/x", fix)
