"""Exit codes: 1 only means that the job FAILED, 70 is a bug of ours, everything else has its own message."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from raydock.rayapi.job import Job
from raydock.settings import ROOT
from submit import cli, run
from submit.output import Console
from submit.results import history, outcome
from tests.fakes import FakeDashboard, FakeJob

Command = Callable[..., int]
SECRET = "hunter2-of-nobody-else"


@pytest.fixture
def ray() -> Iterator[FakeDashboard]:
    with FakeDashboard() as fake:
        yield fake


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYDOCK_STATE", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("SSL_")]:
        monkeypatch.delenv(name)


def attach(ray: FakeDashboard, log: bytes, *flags: str, status: str = "SUCCEEDED") -> int:
    """The exit code of `attach` for a job that has ended with this status."""
    job = ray.jobs["a"] = FakeJob("a", log=log)
    job.end(status, "why")
    return cli.main(["--address", ray.url, "attach", *flags, "a"])


def crashes(folder: Path) -> list[Path]:
    return sorted((folder / "state" / "crashes").glob("*"))


ODD = {
    "a lone surrogate": (rb'{"files": ["caf\udce9.csv"]}', {"files": ["caf\udce9.csv"]}),
    "bytes that are not UTF-8": (b'{"file": "caf\xe9.csv"}', {"file": "caf\udce9.csv"}),
    "NaN and the infinities": (b'{"a": NaN, "b": [Infinity, -Infinity]}', {"a": None, "b": [None, None]}),
    "a number beyond floats": (b'{"a": 1e999, "b": -1e999}', {"a": None, "b": None}),
    "an integer beyond Python's": (b'{"a": 1' + b"0" * 5000 + b"}", {"a": "1" + "0" * 5000}),
    "equal names": (b'{"a": 1, "a": 2}', {"a": 2}),
    "a terminal's codes": (rb'{"a\u001b[2J": "\u001b]0;x\u0007\nOK"}', {"a\x1b[2J": "\x1b]0;x\x07\nOK"}),
    "objects 300 deep": (b'{"a": ' * 300 + b"1" + b"}" * 300, None),
    "lists 400 deep": (b'{"a": ' + b"[" * 400 + b"]" * 400 + b"}", None),
    "an empty object": (b"{}", {}),
    "a name of a megabyte": (b'{"' + b"n" * 2**20 + b'": 1}', {"n" * 2**20: 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_success_is_0_whatever_the_result(
    name: str, ray: FakeDashboard, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line, value = ODD[name]
    assert attach(ray, b"RESULT " + line + b"\n", "--result", str(tmp_path / "r.json")) == 0

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    written = json.loads((tmp_path / "r.json").read_bytes(), parse_constant=refused)
    assert value is None or written == value
    kept = json.loads((tmp_path / "state/results/a.json").read_bytes(), parse_constant=refused)
    assert kept["result"] == written
    err = capfd.readouterr().err
    assert err.startswith("SUCCEEDED")
    assert "\x1b" not in err
    assert max(map(len, err.splitlines())) < 1000
    assert crashes(tmp_path) == []


UNUSABLE = {
    "a list": (b"[1]", "it is JSON, but not an object"),
    "no JSON": (b"{'a': 1}", "it is not JSON"),
    "too deep": (b'{"a": ' + b"[" * 200_000, "its JSON is nested too deeply"),
    "nothing": (b"", "no RESULT line"),
}


def test_what_comes_next_is_said_last(
    ray: FakeDashboard, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def line(*_: object) -> str:
        return "The header declares exactly what the job used"

    monkeypatch.setattr(run, "access_line", line)
    assert attach(ray, b'RESULT {"a": 1}\n') == 0
    last = capfd.readouterr().err.splitlines()[-2:]
    assert last == ["The header declares exactly what the job used", "Next: python submit.py report a"]


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_result_is_an_error_only_with_result_flag(
    name: str, ray: FakeDashboard, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line, why = UNUSABLE[name]
    log = b"RESULT " + line + b"\n" if line else b"done\n"
    assert attach(ray, log) == 0
    assert (why in capfd.readouterr().err) == bool(line)
    assert attach(ray, log, "--result", str(tmp_path / "r.json")) == 2
    assert why in capfd.readouterr().err
    assert attach(ray, log, "--result", str(tmp_path / "r.json"), status="FAILED") == 1


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("STOPPED", 5)])
@pytest.mark.parametrize("broken", ["history.save", "Console.result", "deliver"])
def test_internal_error_after_the_job_ended_keeps_its_exit_code(
    broken: str, status: str, code: int, ray: FakeDashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    owners: dict[str, Any] = {"history.save": history, "Console.result": Console, "deliver": outcome}
    monkeypatch.setattr(owners[broken], broken.rpartition(".")[2], fail)
    assert attach(ray, b'RESULT {"a": 1}\n', status=status) == code
    err = capfd.readouterr().err
    assert "Traceback" not in err
    assert SECRET not in err
    if broken != "history.save" or status == "SUCCEEDED":
        assert re.search(r"submit: internal error \(RuntimeError\); .* is in .*crash-.*\.txt", err)
        assert len(crashes(tmp_path)) == 1
    if broken != "deliver" and status == "SUCCEEDED":
        assert (tmp_path / "state/results/a.json").exists() == (broken == "Console.result")


@pytest.mark.parametrize(
    "fault", [RuntimeError, RecursionError, MemoryError, KeyError, OSError, AssertionError]
)
def test_internal_error_is_70_with_a_crash_file_without_values(
    fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", f"{SECRET}-env")

    def fail(argv: Sequence[str]) -> None:
        local = f"{SECRET}-local"
        try:
            raise ValueError(f"https://me:{SECRET}@host?token={SECRET} {local} {argv}")
        except ValueError as cause:
            raise (
                fault(SECRET)
                if fault is not UnicodeError
                else UnicodeEncodeError("utf-8", SECRET, 0, 1, "no")
            ) from cause

    monkeypatch.setattr("submit.options.parse", fail)
    assert cli.main(["x.py", "--", SECRET]) == 70
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    (kept,) = crashes(tmp_path)
    assert str(kept) in err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text()
    assert SECRET not in text + err
    assert "submit/cli.py" in text
    assert "ValueError" in text, "the cause is included"


@pytest.mark.parametrize("state", ["/dev/null", "/proc/none", "\x01\ud800"])
def test_crash_file_falls_back_to_the_temp_folder(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYDOCK_STATE", state if state[0] == "/" else os.devnull + "/x")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("submit.options.parse", lambda argv: 1 / 0)
    assert cli.main([]) == 70
    (kept,) = tmp_path.glob("submit-crash-*.txt")
    assert str(kept) in capfd.readouterr().err


def test_internal_error_while_the_job_runs_says_how_to_follow_it(
    ray: FakeDashboard, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(self: object, chunk: bytes) -> None:
        raise ZeroDivisionError

    ray.jobs["a"] = FakeJob("a", log=b"begun\n")
    monkeypatch.setattr("submit.follow.log.Log.take", fail)
    assert cli.main(["--address", ray.url, "attach", "a"]) == 70
    err = capfd.readouterr().err
    assert f"The job keeps running; follow it with: python submit.py --address {ray.url} attach a" in err


FOREIGN = {
    "ALL_PROXY": [
        ("socks5://127.0.0.1:1080", "needs a package", "unset ALL_PROXY, or pip install 'httpx[socks]'"),
        ("socks://127.0.0.1:7890", "socks:// is not one of", "or export ALL_PROXY=socks5://HOST:PORT"),
        ("socks4a://h:1", "socks4a:// is not one of", "unset ALL_PROXY"),
    ],
    "https_proxy": [("ftp://h:21", "ftp:// is not one of", "or export https_proxy=http://HOST:PORT")],
    "HTTP_PROXY": [
        ("proxy.corp:port", "not a URL with a host and a port", "unset HTTP_PROXY"),
        ("http://h:99999", "not a URL with a host and a port", "unset HTTP_PROXY"),
        ("http://", "not a URL with a host and a port", "unset HTTP_PROXY"),
        (f"http://u:{SECRET}@[::1", "not a URL with a host and a port", "unset HTTP_PROXY"),
    ],
    "NO_PROXY": [("http://a:b", "NO_PROXY is invalid", "unset NO_PROXY")],
    "SSL_CERT_FILE": [
        ("/opt/gone/cacert.pem", "No such file or directory", "unset SSL_CERT_FILE"),
        ("/etc/passwd", "it contains no certificate", "unset SSL_CERT_FILE"),
        ("/tmp", "Is a directory", "unset SSL_CERT_FILE"),
    ],
    "SSLKEYLOGFILE": [("/none/keys", "No such file or directory", "unset SSLKEYLOGFILE")],
    "RAY_JOB_HEADERS": [
        ('{"X": "a\\nb"}', "The header X can't be sent", "RAY_JOB_HEADERS"),
        ('{"X": "é"}', "The header X can't be sent", "RAY_JOB_HEADERS"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "why", "fix"), [(name, *rest) for name, all_ in FOREIGN.items() for rest in all_]
)
def test_broken_environment_variable_is_named_with_the_fix(
    name: str,
    value: str,
    why: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert cli.main(["--address", "https://nowhere.invalid:1", "list"]) == 2
    err = capfd.readouterr().err
    assert name in err
    assert why in err
    assert fix in err
    assert SECRET not in err


def test_local_cluster_ignores_proxies(ray: FakeDashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "socks://127.0.0.1:7890")
    assert cli.main(["--address", ray.url, "list"]) == 0


@pytest.mark.parametrize(
    "words",
    [["caf\udce9.py"], ["x.py", "--", "na\udcefve"], ["attach", "\udcff"], ["--env=A=\udc80", "x.py"]],
)
def test_argument_that_is_not_utf_8_is_a_usage_error(
    words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert "is not UTF-8" in capfd.readouterr().err


SUBMIT = [sys.executable, str(ROOT / "submit.py")]


ODDITIES = {
    "{} list >&-": 4,
    "{} list 2>&-": 4,
    "{} list >&- 2>&- <&-": 4,
    "{} list 2>/dev/full": 4,
    "{} --help >&-": 0,
    "cd gone && rmdir ../gone && {} x.py": 2,
    "unset HOME; {} list": 4,
    "COLUMNS=-3 LINES=x TERM= {} list": 4,
    "RAYDOCK_STATE=/dev/null {} list": 4,
    "{} --help >/dev/full": 130,
    "ln -s loop loop; touch x.py; {} --working-dir loop x.py": 2,
    "mkfifo pipe; {} --result pipe gone.py": 2,  # must not wait for a reader
}


@pytest.mark.parametrize(("command", "code"), ODDITIES.items())
def test_exit_code_in_odd_environments(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    env = {**os.environ, "RAYDOCK_PORT": "1"}
    done = subprocess.run(
        ["/bin/sh", "-c", command.format(" ".join(SUBMIT))],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr


@pytest.mark.parametrize("tool", ["iam", "cluster"])
@pytest.mark.parametrize(
    ("streams", "code", "message"),
    [
        ("--help >/dev/full", 130, "{}: could not write the output: No space left on device.\n"),
        ("--help >&-", 0, ""),
        ("--nonsense 2>/dev/full", 2, ""),
        ("--nonsense 2>&- >&- <&-", 2, ""),
        ("--help | head -c 1 >/dev/null", 0, ""),
    ],
)
def test_other_commands_with_unwritable_streams(streams: str, code: int, message: str, tool: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m {tool} {streams}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, message.format(tool))


@pytest.mark.parametrize("tool", ["submit.py", "-m iam", "-m cluster"])
def test_import_failure_is_70(tool: str, tmp_path: Path) -> None:
    """A module of the standard library is shadowed by a broken one."""
    (tmp_path / "argparse.py").write_text(f"raise RuntimeError({SECRET!r})\n")
    words = [
        word if word.startswith("-") or word in ("iam", "cluster") else str(ROOT / word)
        for word in tool.split()
    ]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", "RAYDOCK_STATE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *words, "list"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 70, done.stderr
    assert done.stderr.count("\n") == 1
    assert "internal error (RuntimeError)" in done.stderr
    (kept,) = (tmp_path / "crashes").iterdir()
    assert SECRET not in kept.read_text()


def test_names_from_servers_and_jobs_cannot_fake_a_line(
    ray: FakeDashboard, capfd: pytest.CaptureFixture[str]
) -> None:
    ray.jobs["a"] = FakeJob("a\nb  SUCCEEDED \x1b[2J\u202e", message="no\x9b31m\nroom")
    assert cli.main(["--address", ray.url, "list"]) == 0
    assert "\n" + r"'a\nb  SUCCEEDED \x1b[2J\u202e'  RUNNING" in capfd.readouterr().out
    ray.jobs["a"] = FakeJob("a", message="x\x1b]0;t\x07\u2066y\u200bz\x7f")
    ray.jobs["a"].status = "FAILED"
    assert cli.main(["--address", ray.url, "attach", "a"]) == 1
    assert "  x\\x1b]0;t\\x07\\u2066y\\u200bz\\x7f\n" in capfd.readouterr().err


def test_log_is_passed_through_unchanged(
    ray: FakeDashboard, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = bytes(range(256)) * 3 + "\u202e".encode()
    assert attach(ray, log) == 0
    assert capfdbinary.readouterr().out == log


def test_plan_is_always_one_json_value(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    value = {"a\x7f": ["\u202e", "\x85", "\ud800", "é", "\n"]}
    Console(sys.stdout.buffer, sys.stderr).print_json(value)
    out = capfdbinary.readouterr().out
    assert json.loads(out) == value
    assert not re.search("[\x7f-\x9f\u202e]", out.decode())


def test_failure_without_a_message(ray: FakeDashboard, capfd: pytest.CaptureFixture[str]) -> None:
    for message in ("\n", " ", "\x00"):
        Console(sys.stdout.buffer, sys.stderr).verdict(Job("a", "FAILED", message))
        assert capfd.readouterr().err.startswith("FAILED\n")
