"""Settings and the state folder: `.env` as Docker Compose reads it, and one answer for every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from raydock import settings, state
from raydock.compose.dotenv import dotenv
from raydock.compose.interpolation import interpolate
from raydock.errors import SettingsError
from raydock.settings import ROOT

# What Docker Compose makes of a line, {} being the variable's name: observed with Compose 2.26.
ROWS = [
    ("{}=1", "1"),
    ("  {} = 1  ", "1"),
    ("export {}=1", "1"),
    ("export\t{}=1", "1"),
    ("{}: yaml", "yaml"),
    ("{}=", ""),
    ("{}=\n\n# c", ""),
    ("{}=#abc", "#abc"),
    ("{}= #abc", "#abc"),
    ("{}=a#b", "a#b"),
    ("{}=1 # two", "1"),
    ("{}=1  #", "1"),
    ("{}=1\t# two", "1\t# two"),
    ("{}=it's", "it's"),
    ("{}=1;2", "1;2"),
    ("{}=x\\ty", "x\\ty"),
    ("{}=1\r", "1"),
    ("{}='x # y' # z", "x # y"),
    ("{}= \"x\"", "x"),
    ("{}=\"\" # c", ""),
    ("{}='a\\'b'", "a'b"),
    ("{}='x\\ny'", "x\\ny"),
    ('{}="x\\ny\\t\\"\\\\"', 'x\ny\t"\\'),
    ('{}="\\x41 \\101 \\0101 \\q"', "\\x41 \\101 A \\q"),
    ('{}="l1\nl2"', "l1\nl2"),
    ("{}='$NOPE ${NOPE}'", "$NOPE ${NOPE}"),
    ('{}="\\$NOPE"', "$NOPE"),
    ("{}=$$NOPE", "$NOPE"),
    ("{}=${NOPE:-d}", "d"),
    ("{}=a$ $1", "a$ $1"),
    ("BASE={}\n{}=${BASE}x$BASE", "{}x{}"),
    ("{}=a\n{}=b", "b"),
]  # fmt: skip


def written(name: str, row: tuple[str, str]) -> tuple[str, str]:
    return row[0].replace("{}", name), row[1].replace("{}", name)


@pytest.mark.parametrize("row", ROWS, ids=[repr(line) for line, _ in ROWS])
def test_a_line_means_what_it_means_to_compose(tmp_path: Path, row: tuple[str, str]) -> None:
    line, value = written("A", row)
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbf# B=comment\n\n" + line.encode() + b"\nnone\n")
    assert dotenv(tmp_path / ".env", {})["A"] == value


def test_compose_itself_reads_them_so(tmp_path: Path) -> None:
    """Needs the `docker compose` command and no engine."""
    docker = shutil.which("docker")
    if (
        not docker
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("there is no `docker compose` command here")
    rows = {f"V{number}": written(f"V{number}", row) for number, row in enumerate(ROWS)}
    (tmp_path / ".env").write_text("\n".join(line for line, _ in rows.values()) + "\n", newline="")
    service = {"image": "x", "environment": {name: f"${{{name}}}" for name in rows}}
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": {"a": service}}))
    command = [docker, "compose", "config", "--format", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["services"]["a"]["environment"]
    assert {name: value.replace("$$", "$") for name, value in found.items()} == {
        name: value for name, (_, value) in rows.items()
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nno equals sign\n", "line 2: 'no equals sign' is not in the form NAME=value."),
        ("A*=1\n", "line 1: 'A*=1' is not in the form NAME=value."),
        ("=1\n", "line 1: '=1' is not in the form NAME=value."),
        ('\nA="x\n', 'line 2: the quote " is not closed.'),
        ("A=${B\n", "line 1: ${B is not closed."),
        ("A=${b.c}\n", "line 1: ${b.c} is not a variable."),
        ("A=${B:?needed}\n", "line 1: B is not set: needed."),
    ],
)
def test_what_compose_refuses_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(SettingsError) as caught:
        dotenv(tmp_path / ".env", {})
    assert caught.value.message == f"{tmp_path}/.env, {message}"
    assert caught.value.fix


def test_no_file_a_folder_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert dotenv(tmp_path / ".env", {}) == {}
    assert dotenv(tmp_path / ".env" / "below", {}) == {}
    (tmp_path / "folder").mkdir()
    assert dotenv(tmp_path / "folder", {}) == {}
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\r\nB=2")
    found = dotenv(tmp_path / ".env", {})
    assert (os.fsencode(found["A"]), found["B"]) == (b"\xff\xfe", "2")


def test_the_environment_comes_first_also_when_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nC=\nE=${A}\nF\n")
    given = {"A": "environment", "B": "", "F": "inherited"}
    assert settings.read(tmp_path, given) == {**given, "C": "", "E": "environment"}
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for name in "ABCDEF":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("B", "")
    assert [settings.setting(name, "default") for name in "ABCD"] == ["file", "default", "default", "default"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${SET}", "value"),
        ("$SET-", "value-"),
        ("${UNSET}", ""),
        ("a${SET}b${SET}c", "avaluebvaluec"),
        ("${UNSET:-default}", "default"),
        ("${UNSET-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${SET:-default}", "value"),
        ("${SET:+other}", "other"),
        ("${UNSET+other}", ""),
        ("${UNSET:-${SET:-inner}}", "value"),
        ("${UNSET:-${EMPTY:-inner}}", "inner"),
        ("$${SET}", "${SET}"),
        ("plain", "plain"),
        ("${SET:?needed}", "value"),
        ("${DOLLAR}", "${SET}"),
    ],
)
def test_interpolate(template: str, text: str) -> None:
    assert interpolate(template, {"SET": "value", "EMPTY": "", "DOLLAR": "${SET}"}) == text


def test_a_required_setting_that_is_missing() -> None:
    with pytest.raises(SettingsError) as caught:
        interpolate("${TOKEN:?the token}", {})
    assert (caught.value.message, caught.value.fix) == (
        "TOKEN is not set: the token.", "Set TOKEN in the environment or in .env."
    )  # fmt: skip


def test_a_relative_state_folder_is_the_same_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the current directory is: .env.example promises the checkout."""
    from cluster.cli import read_context
    from raydock.gcp.clouds import lab_of_checkout
    from submit.results import history
    from submit.targets.local import key_header

    inside = Path("tests", f"state-{os.getpid()}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYDOCK_STATE", str(inside))
    assert read_context().state == ROOT / inside
    assert history.folder() == ROOT / inside / "results"
    state.write_private(ROOT / inside / "key", "k\n")
    try:
        assert key_header() == {"Authorization": "Bearer k"}
        assert lab_of_checkout().headers == {"Authorization": "Bearer k"}
    finally:
        shutil.rmtree(ROOT / inside)
    assert state.folder({}) == ROOT / ".raydock"
    assert state.folder({"RAYDOCK_STATE": str(tmp_path)}) == tmp_path.resolve()
    assert state.folder({"RAYDOCK_STATE": "~/x"}) == Path.home() / "x"


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"
    state.write_private(file, "one")
    assert (file.read_text(), file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (
        "one",
        0o600,
        0o700,
    )
    with pytest.raises(UnicodeEncodeError):
        state.write_private(file, "\ud800")
    assert (file.read_text(), [path.name for path in file.parent.iterdir()]) == ("one", ["key"])
    assert state.read_key(file.parent) == "one"
    assert state.read_key(tmp_path / "none") == ""
