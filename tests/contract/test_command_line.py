"""What users see: the full text and exit code of every outcome, through real sockets and processes."""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, ended, environment, start, submit
from tests.fakes import HEAD, FakeDashboard, FakeJob, Fault, node

PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
PASSED = """\
  OK       package      1 file, {size} bytes, no secrets found
  OK       ray          Ray 2.47.1
  OK       python       Python 3.11.9
  OK       resources    3 worker nodes, 3 CPU, 1 GPU (simulated)
"""


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@pytest.fixture
def env(ray: FakeDashboard, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    state = tmp_path_factory.mktemp("state")
    return environment(RAYDOCK_PORT=str(ray.port), RAYDOCK_STATE=str(state))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "x.py"
    path.write_text("print('hello')\n")
    return path


def ends(status: str, log: bytes = b"hello\n", message: str = "") -> Callable[[FakeJob], None]:
    def act(job: FakeJob) -> None:
        job.write(log)
        job.end(status, message)
        job.started, job.ended = 100, 101.5

    return act


def test_waits_for_a_full_cluster(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    runs: list[FakeJob] = []

    def act(job: FakeJob) -> None:
        runs.append(job)
        ends("SUCCEEDED")(job)

    ray.on_submit = act
    ray.faults["POST /api/jobs/"] = [Fault.FULL, Fault.FULL]
    done = submit(script, env=env)
    assert (done.code, len(runs)) == (0, 1)
    assert done.err.count("waiting: The head is already running 16 jobs, the most its memory allows.\n") == 1


def test_does_not_wait_for_a_full_cluster_after_the_deadline(
    ray: FakeDashboard, env: dict[str, str], script: Path
) -> None:
    ray.faults["POST /api/jobs/"] = [Fault.FULL] * 50
    done = submit("--deadline", "1s", script, env=env)
    assert done.code == 4
    assert (
        "returned 429 for POST /api/jobs/: The head is already running 16 jobs, the most its memory allows.\n"
        in done.err
    )


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("STOPPED", 5)])
def test_exit_code_reports_how_the_job_ended(
    ray: FakeDashboard, env: dict[str, str], script: Path, status: str, code: int
) -> None:
    ray.on_submit = ends(status, message="it said so")
    done = submit(script, env=env)
    assert (done.code, done.out) == (code, "hello\n")
    size = len(ray.stored[next(iter(ray.stored))])
    assert done.said == PASSED.format(size=15) + (
        f"sent ID ({size} bytes uploaded)\nwatch {ray.url}/#/jobs/ID\n{status} after 1.5 s\n"
    ) + ("  it said so\n" if status == "FAILED" else "")


def test_result_summary_and_file(
    ray: FakeDashboard, env: dict[str, str], script: Path, tmp_path: Path
) -> None:
    ray.on_submit = ends("SUCCEEDED", b'RESULT {"job": "x", "seconds": {"ray": 2.5}}\n')
    done = submit(script, "--result", tmp_path / "r.json", env=env)
    assert done.code == 0
    assert done.said.endswith("SUCCEEDED after 1.5 s\n  time  2.5 s\nNext: python submit.py report ID\n")
    assert json.loads((tmp_path / "r.json").read_text()) == {"job": "x", "seconds": {"ray": 2.5}}


def test_dry_run_prints_what_is_sent(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    script.write_text(
        "# /// script\n# dependencies = ['scikit-learn', 'humanize', 'ray']\n# [tool.submit]\n# env = ['MODE']\n"
        "# [tool.submit.entrypoint]\n# cpus = 0.5\n# ///\n"
    )
    words = (script, "--submission-id", "mine", "--env", "B=c", "--", "--n", "a b")
    env["MODE"] = "fast"
    printed = submit("--dry-run", *words, env=env)
    assert (printed.code, ray.count("POST"), ray.count("PUT")) == (0, 0, 0)
    ray.on_submit = ends("SUCCEEDED")
    assert submit(*words, env=env).code == 0
    plan = json.loads(printed.out)
    assert plan["request"] == ray.jobs["mine"].body
    assert plan["request"] == {
        "submission_id": "mine",
        "entrypoint": "python x.py --n 'a b'",
        "runtime_env": {
            "working_dir": plan["package"]["uri"],
            "pip": ["humanize"],
            "env_vars": {"MODE": "fast", "B": "c"},
        },
        "metadata": {"submitter": "raydock", "job_submission_id": "mine"},
        "entrypoint_num_cpus": 0.5,
    }
    assert plan["package"]["files"] == {"x.py": script.stat().st_size}


def test_unchanged_package_is_not_uploaded(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.on_submit = ends("SUCCEEDED")
    submit(script, env=env)
    os.utime(script, (1, 1))
    again = submit(script, env=env)
    assert (
        "sent ID (the cluster already has the package; runs with the same files share its folder)\n"
        in again.said
    )
    assert ray.count("PUT") == 1


def bad_inputs(tmp_path: Path) -> dict[str, tuple[list[object], str, int]]:
    """Name → words, full text on stderr, exit code. The cluster is healthy."""
    (tmp_path / "text.py").write_text("this is no python\n")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "note.ipynb").write_text("{}")
    (tmp_path / "header.py").write_text("# /// script\n# [tool.submit]\n# read = ['x']\n# ///\n")
    (tmp_path / "toml.py").write_text("# /// script\n# dependencies = [\n# ///\n")
    (tmp_path / "fine.py").write_text("print('hello')\n")
    (tmp_path / "folder").mkdir()
    fine = tmp_path / "fine.py"
    return {
        "no such script": (
            ["nope.py"],
            "submit: Job script nope.py does not exist.\n      → ls jobs/\n",
            2,
        ),
        "nearly that script": (
            [tmp_path / "fin.py"],
            f"submit: Job script {tmp_path}/fin.py does not exist.\n      → did you mean {tmp_path}/fine.py?\n",
            2,
        ),
        "a folder": (
            [tmp_path / "folder"],
            f"submit: {tmp_path}/folder is not a file.\n"
            "      → pass a job script, such as jobs/sklearn_joblib.py\n",
            2,
        ),
        "not Python": (
            [tmp_path / "text.py"],
            f"submit: {tmp_path}/text.py:1 is not valid {PYTHON}: invalid syntax.\n"
            f"      → python -m py_compile {tmp_path}/text.py\n",
            2,
        ),
        "not text": (
            [tmp_path / "bytes.py"],
            f"submit: {tmp_path}/bytes.py is not Python: it is UTF-16 text.\n      → save it as UTF-8\n",
            2,
        ),
        "a notebook": (
            [tmp_path / "note.ipynb"],
            f"submit: {tmp_path}/note.ipynb is a notebook, not a job script.\n"
            f"      → jupyter nbconvert --to script {tmp_path}/note.ipynb\n",
            2,
        ),
        "misspelt header": (
            [tmp_path / "header.py"],
            f"submit: {tmp_path}/header.py: the header has an unknown key 'tool.submit.read'.\n"
            "      → did you mean 'reads'?\n",
            2,
        ),
        "broken header": (
            [tmp_path / "toml.py"],
            f"submit: {tmp_path}/toml.py:2: the header is not valid TOML: Invalid value.\n      → correct that line\n",
            2,
        ),
        "a flag of the job's": (
            [fine, "--n-iter", "3"],
            "submit: submit.py has no option --n-iter.\n"
            f"      → the job's own arguments go after --: python submit.py {fine} -- --n-iter 3\n",
            2,
        ),
        "an unknown submission id": (
            ["attach", "nobody"],
            "submit: The cluster at URL has no job nobody.\n      → python submit.py list\n",
            2,
        ),
        "logs of an unknown job": (
            ["logs", "nobody"],
            "submit: The cluster at URL has no job nobody.\n      → python submit.py list\n",
            2,
        ),
        "a result that can't be written": (
            ["--result", "/nowhere/r.json", fine],
            "submit: Can't write the result to /nowhere/r.json: No such file or directory.\n"
            "      → choose another path for --result\n",
            2,
        ),
        "a working dir without the script": (
            ["--working-dir", tmp_path / "folder", fine],
            f"submit: {fine} is not inside {tmp_path}/folder.\n"
            "      → pass --working-dir a folder that contains it\n",
            2,
        ),
        "a variable that is not set": (
            ["--env", "NOT_SET", fine],
            "submit: --env NOT_SET: no such variable is set here.\n      → --env NOT_SET=VALUE\n",
            2,
        ),
        "a hundred CPUs": (
            ["--entrypoint-num-cpus", "100", fine],
            PASSED.format(size=15).rsplit("  OK", 1)[0]
            + "  DENIED   resources    The entrypoint requests 100 CPU on one node; the most any node has is "
            "1 CPU. The job would never be scheduled.\n"
            "                      → request less (--entrypoint-num-cpus or similar, or [tool.submit.entrypoint] "
            "in the script)\n"
            "submit: 1 of 4 checks did not pass; nothing was sent.\n"
            "      → fix the failed checks, or submit anyway:\n"
            f"      → python submit.py --skip-check=resources --entrypoint-num-cpus 100 {fine}\n",
            3,
        ),
        "a secret argument": (
            [fine, "--", "ghp_" + "a1B2" * 9],
            PASSED.format(size=15)
            + "  DENIED   secrets      A job argument contains a secret (GitHub token), and the dashboard shows a "
            "job's entrypoint.\n"
            "                      → remove it, and have the job read it from Secret Manager or a bucket, using "
            "the identity it runs as\n"
            "submit: 1 of 5 checks did not pass; nothing was sent.\n"
            "      → fix the failed checks, or submit anyway:\n"
            "      → add --skip-check=secrets\n",
            3,
        ),
    }


with tempfile.TemporaryDirectory() as scratch:
    NAMES = list(bad_inputs(Path(scratch)))


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_gets_a_message_a_fix_and_an_exit_code(
    ray: FakeDashboard, env: dict[str, str], tmp_path: Path, name: str
) -> None:
    words, said, code = bad_inputs(tmp_path)[name]
    done = submit(*words, env=env)
    assert (done.said.replace(ray.url, "URL"), done.out, done.code) == (said, "", code)
    assert ray.count("POST") == 0
    assert ray.count("PUT") == 0


def test_cluster_is_down(script: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = submit(script, env=environment(RAYDOCK_PORT=str(port)))
    assert done.code == 4
    assert done.said == (
        "  OK       package      1 file, 15 bytes, no secrets found\n"
        f"submit: The cluster at http://127.0.0.1:{port} does not answer: the connection was refused.\n"
        "      → make cluster-up\n"
    )


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.HANG, "does not answer: it accepted the request but did not answer in time."),
        (Fault.REFUSE, "does not answer: the connection was closed before the response was complete."),
        (Fault.ERROR, "returned 500 for GET /api/version: RuntimeError: out of order."),
        (Fault.MISSING, "returned 404 for GET /api/version: 404: Not Found."),
    ],
)
def test_server_does_not_answer(
    ray: FakeDashboard, env: dict[str, str], script: Path, fault: Fault, why: str
) -> None:
    ray.faults["GET /api/version"] = [fault]
    done = submit(script, env=env)
    assert done.code == 4
    subject = "The cluster at " if "does not" in why else ""
    assert done.said.endswith(f"submit: {subject}{ray.url} {why}\n      → make cluster-up\n")
    assert ray.count("POST") == 0


def test_server_is_not_a_dashboard(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.faults["GET /api/version"] = [Fault.HTML]
    done = submit(script, env=env)
    assert done.code == 4
    assert (
        f"submit: The server at {ray.url} is not a Ray dashboard: /api/version returned no valid JSON.\n"
        in done.said
    )


def test_wrong_ray_version(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.ray = "2.9.3"
    done = submit(script, env=env)
    assert done.code == 3
    assert (
        "  DENIED   ray          The cluster runs Ray 2.9.3, but should run 2.47.1.\n"
        "                      → make cluster-down images cluster-up\n" in done.said
    )


def test_wrong_python_version(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.python = "3.12.1"
    done = submit(script, env=env)
    assert done.code == 3
    assert "  DENIED   python       The cluster runs Python 3.12.1, but should run 3.11.\n" in done.said


def test_script_does_not_fit_the_versions_behind_an_address(ray: FakeDashboard, script: Path) -> None:
    script.write_text("# /// script\n# requires-python = '>=3.12'\n# dependencies = ['ray>=2.50']\n# ///\n")
    done = submit("--address", ray.url, script)
    assert done.code == 3
    assert (
        "  DENIED   ray          x.py needs ray>=2.50; the cluster runs Ray 2.47.1, and a job cannot install its own.\n"
        "                      → change the script's dependencies, or submit it to a cluster with that Ray version\n"
        "  DENIED   python       x.py needs Python >=3.12; the cluster runs Python 3.11.9.\n"
        "                      → change the script's requires-python, or submit it to a cluster with that Python "
        "version\n"
        "submit: 2 of 4 checks did not pass; nothing was sent.\n" in done.said
    )


def test_unknown_is_not_ok(ray: FakeDashboard, script: Path) -> None:
    ray.describes = False
    script.write_text("# /// script\n# requires-python = '>=3.10'\n# ///\n")
    done = submit("check", "--address", ray.url, script)
    assert done.code == 3
    assert (
        "  UNKNOWN  python       x.py needs Python >=3.10, but the cluster does not report its Python version.\n"
        in done.said
    )


def test_skip_check_submits_anyway(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.python, ray.on_submit = "3.12.1", ends("SUCCEEDED")
    done = submit("--skip-check", script, env=env)
    assert (done.code, done.out) == (0, "hello\n")
    assert "DENIED" in done.said


def test_skip_check_with_names_skips_only_those(
    ray: FakeDashboard, env: dict[str, str], script: Path
) -> None:
    ray.python, ray.on_submit = "3.12.1", ends("SUCCEEDED")
    words = ("--entrypoint-num-cpus", "100", script, "--", "--n", "a b")
    done = submit("--skip-check=python", *words, env=env)
    again = f"python submit.py --skip-check=python,resources --entrypoint-num-cpus 100 {script} -- --n 'a b'"
    assert (done.code, ray.jobs) == (3, {})
    assert done.said.endswith(f"→ {again}\n")
    assert submit(*shlex.split(again)[2:], env=env).code == 0
    assert submit("check", *words, env=env).said.endswith(f"→ {again}\n")
    assert submit("check", "--skip-check=python,resources", *words, env=env).code == 0


def test_declared_needs_exceed_the_cluster(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.nodes = [node("head", head=True), node("cpu-worker", CPU=1)]
    script.write_text("# /// script\n# [tool.submit.needs]\n# cpus = 2\n# gpus = 1\n# ///\n")
    done = submit("check", script, env=env)
    assert done.code == 3
    assert (
        "  DENIED   resources    x.py needs 2 CPU, 1 GPU; the whole cluster has 1 CPU, 0 GPU.\n" in done.said
    )


@pytest.mark.parametrize("needs", [False, True])
def test_cluster_without_the_state_api(
    ray: FakeDashboard, env: dict[str, str], script: Path, needs: bool
) -> None:
    """A proxy may block the state API: only checks that need it become UNKNOWN, and the log is read as text."""
    ray.faults["GET /api/v0/"] = [Fault.MISSING] * 1000
    ray.on_submit = ends("SUCCEEDED", b"hello\n")
    header = "# /// script\n# [tool.submit]\n# needs = { cpus = 2 }\n# ///\n" if needs else ""
    script.write_text(header + "print()\n")
    done = submit(script, env=env)
    if needs:
        assert done.code == 3
        told = "UNKNOWN resources The cluster does not report its nodes' resources, so 2 CPU could not be checked: "
        assert told in " ".join(done.said.split())
    else:
        assert (done.code, done.out) == (0, "hello\n"), done.said


def test_check_prints_findings_and_sends_nothing(
    ray: FakeDashboard, env: dict[str, str], script: Path
) -> None:
    done = submit("check", script, env=env)
    assert (done.code, done.said) == (0, PASSED.format(size=15))
    assert ray.count("P") == 0


def test_secret_in_a_packaged_file(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    script.write_text("KEY = '''\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n'''\n")
    done = submit(script, env=env)
    assert done.code == 3
    assert (
        "  DENIED   secrets      x.py:2 contains a secret (private key) that anyone with access to the cluster could "
        "read.\n" in (done.said)
    )


def test_package_over_the_size_limit(
    ray: FakeDashboard, env: dict[str, str], tmp_path: Path, script: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(os.urandom(105 * 2**20))
    done = submit("--working-dir", tmp_path, script, env=env)
    assert done.code == 3
    assert "  DENIED   package" in done.said
    assert "data.bin" in done.said
    assert ray.count("PUT") == 0


def test_no_wait_prints_only_the_id(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    done = submit("--no-wait", script, env=env)
    assert (done.code, done.out.strip()) == (0, done.submission_id)
    assert done.said.endswith("follow it with: python submit.py attach ID\n")
    assert ray.jobs[done.submission_id].status == "RUNNING"


def test_attach_logs_stop_and_list(ray: FakeDashboard, env: dict[str, str]) -> None:
    assert submit("list", env=env).said.startswith("the cluster has no jobs;")
    ray.jobs["a"] = job = FakeJob("a", log=b"one\ntwo\n", started=100)
    assert submit("logs", "a", env=env).out == "one\ntwo\n"
    assert submit("stop", "a", env=env).said == "a is STOPPED\n"
    assert submit("stop", "a", env=env).said == "a has already finished: STOPPED\n"
    job.ended = 102.5
    attached = submit("attach", "a", env=env)
    assert (attached.code, attached.out, attached.said) == (5, "one\ntwo\n", "STOPPED after 2.5 s\n")
    heading, row = submit("list", env=env).out.splitlines()
    assert heading.split() == ["ID", "STATUS", "STARTED", "TIME"]
    assert [row.split()[0], row.split()[1], *row.split()[-2:]] == ["a", "STOPPED", "2.5", "s"]


def interrupt_when(process: subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("stage", "last_line"),
    [
        ("GET /api/version", "submit: interrupted; the job was not sent."),
        ("GET /api/packages", "submit: interrupted; the job was not sent."),
        ("PUT /api/packages", "submit: interrupted; the job was not sent."),
        ("POST /api/jobs/", "submit: interrupted during submission; the job may be running. Check with: python submit.py attach ID"),  # noqa: E501
        ("GET /api/jobs/", "submit: detached; the job keeps running. Reattach with: python submit.py attach ID"),
        (f"GET /api/v0/logs/file?node_id={HEAD}&filename=job-driver", "submit: detached; the job keeps running. Reattach with: python submit.py attach ID"),  # noqa: E501
    ],
)  # fmt: skip
def test_ctrl_c_at_every_stage(
    ray: FakeDashboard, env: dict[str, str], script: Path, stage: str, last_line: str
) -> None:
    ray.faults[stage] = [Fault.HANG]
    process = start("--submission-id", "abc-0101-000000-abcdef", script, env=env)
    interrupt_when(process, lambda: ray.count(stage) > 0)
    done = ended(process)
    assert done.code == 130
    assert done.said.splitlines()[-1] == last_line
    assert "Traceback" not in done.err
    assert all(job.status == "RUNNING" for job in ray.jobs.values())


def test_restarted_cluster_has_forgotten_its_jobs(
    ray: FakeDashboard, env: dict[str, str], script: Path
) -> None:
    """Their results are saved, so no message claims that there were no jobs."""
    ray.on_submit = ends("SUCCEEDED", b'RESULT {"n": 1}\n')
    for name in ("old-1", "old-2"):
        assert submit("--submission-id", name, script, env=env).code == 0
    results = Path(env["RAYDOCK_STATE"], "results")
    (results / "broken.json").write_text("{")
    elsewhere = json.loads((results / "old-1.json").read_text()) | {"target": "vertex", "submission_id": "v"}
    (results / "v.json").write_text(json.dumps(elsewhere))
    ray.jobs.clear()
    done = submit("list", env=env)
    assert [line.split()[:2] for line in done.out.splitlines()[1:]] == [
        ["old-1", "SUCCEEDED"],
        ["old-2", "SUCCEEDED"],
    ]
    assert done.out.count("(not on this cluster)") == 2
    assert done.said == (
        "the cluster was restarted and no longer has 2 jobs; their results are saved: python submit.py report\n"
        "the cluster has no jobs; submit one with: python submit.py jobs/sklearn_joblib.py\n"
    )
    assert submit("--submission-id", "new-1", script, env=env).code == 0
    done = submit("list", env=env)
    assert [line.split()[0] for line in done.out.splitlines()] == ["ID", "old-1", "old-2", "new-1"]
    assert "has no jobs" not in done.said
    for verb in ("attach", "logs", "stop"):
        done = submit(verb, "old-2", env=env)
        assert done.code == 2
        assert "no longer has job old-2: a cluster forgets its jobs" in done.said
        assert (
            f"its result is saved in {results}/old-2.json.\n      → python submit.py report old-2\n"
            in done.said
        )


BARE = [sys.executable, "-S", "-I"]  # no site-packages: our dependencies are missing


def bare(*words: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Exit code and stderr of a Python without our dependencies. No -I with -m: it would hide the folder."""
    python = BARE if not words[0].startswith("-m") else BARE[:2]
    done = subprocess.run(
        [*python, *words],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_any_python_says_how_to_create_the_environment(tmp_path: Path) -> None:
    """All three programs, in a checkout without .venv."""
    shutil.copy(ROOT / "submit.py", tmp_path)
    for name in ("raydock", "iam", "cluster"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "docker").mkdir()  # not a package
    assert bare(str(tmp_path / "submit.py"), "x.py", cwd=tmp_path) == (
        2,
        f"submit: {sys.executable} can't run the submitter: it lacks httpx, packaging, yaml.\n"
        f"      → make setup   (or: {sys.executable} -m pip install -r {tmp_path}/requirements/submit.txt)\n",
    )
    assert bare("-m", "iam", "show", "gs://b", cwd=tmp_path) == (
        2, f"iam: {sys.executable} can't run it: it lacks httpx, yaml.\n   → make setup\n"
    )  # fmt: skip
    assert bare("-m", "cluster", "up", cwd=tmp_path) == (
        2, f"cluster: {sys.executable} can't run it: it lacks yaml, docker, httpx.\n  make setup\n"
    )  # fmt: skip


@pytest.mark.skipif(not (ROOT / ".venv/bin/python").exists(), reason="needs `make setup`")
def test_any_python_restarts_in_the_environment() -> None:
    code, said = bare(str(ROOT / "submit.py"), "nope.py")
    assert (code, said.splitlines()[0]) == (2, "submit: Job script nope.py does not exist.")
    assert bare("-m", "iam", "shwo")[1].startswith("iam: shwo is not a python -m iam command.")
    assert bare("-m", "cluster", "sclae")[1].startswith("cluster: sclae is not a command")


def test_environment_lookup_parses_on_old_pythons() -> None:
    for name in ("submit.py", "iam/__main__.py", "cluster/__main__.py", "raydock/__init__.py", "raydock/interpreter.py",
                 "raydock/interrupts.py", "iam/__init__.py", "cluster/__init__.py"):  # fmt: skip
        source = (ROOT / name).read_text()
        ast.parse(source, feature_version=(3, 6))
        assert "from __future__ import annotations" not in source, name  # new in Python 3.7


def test_full_disk_under_the_output_leaves_the_job_alone(
    ray: FakeDashboard, env: dict[str, str], script: Path
) -> None:
    ray.on_submit = lambda job: job.write(b"hello\n")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, str(ROOT / "submit.py"), str(script)],
            env=env, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    said = done.stderr.decode().splitlines()
    assert done.returncode == 130
    assert said[-2] == "submit: Can't write to standard output: No space left on device."
    assert said[-1].startswith("      → the job keeps running; follow it with: python submit.py attach x-")


def test_closed_pipe_leaves_the_job_alone(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.on_submit = lambda job: job.write(b"hello\n")
    process = start(script, env=env)
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    done = ended(process)
    assert done.code == 130
    assert "submit: Can't write to standard output: Broken pipe.\n" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [["list"], ["logs", "x"], ["--dry-run", "SCRIPT"]])
def test_closed_pipe_ends_a_command_that_only_prints(
    ray: FakeDashboard, env: dict[str, str], script: Path, words: list[str]
) -> None:
    """As in `submit.py list | head -1`."""
    ray.jobs["x"] = FakeJob("x", status="SUCCEEDED", log=b"hello\n")
    process = start(*(str(script) if word == "SCRIPT" else word for word in words), env=env)
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    done = ended(process)
    assert (done.code, "Can't write" in done.err) == (0, False)


def test_help_imports_no_heavy_packages() -> None:
    code = (
        "import sys, runpy; sys.argv = ['submit.py', '--help']\n"
        "try: runpy.run_path('submit.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'ray', 'httpx', 'docker', 'packaging', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_following_imports_no_ray(ray: FakeDashboard, env: dict[str, str], script: Path) -> None:
    ray.on_submit = ends("SUCCEEDED")
    code = (
        "import sys; from submit.cli import main\n"
        f"code = main([{str(script)!r}])\n"
        "heavy = {'ray', 'docker', 'yaml', 'numpy', 'google.auth', 'google.protobuf', 'google.cloud.storage'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"  # a .pth file provides the bare `google`
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "0 []"
