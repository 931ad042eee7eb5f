"""Settings as Docker Compose reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import config
from cluster.errors import UsageError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("A = 1 ", "1"),
        ("A=1 # two", "1"),
        ("A=a#b", "a#b"),
        ("A='1 # 2'", "1 # 2"),
        ('A="x y" # z', "x y"),
        ("A=", ""),
        ("A=# nothing", ""),
    ],
)
def test_dotenv_reads_one_line(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"# A=comment\n\n{line}\nno equals sign\n")
    assert config.dotenv(tmp_path / ".env") == {"A": value}


def test_the_environment_goes_before_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    assert config.read(tmp_path, {"A": "environment"}) == {"A": "environment", "B": "file"}


def test_no_dotenv_is_no_setting(tmp_path: Path) -> None:
    assert config.read(tmp_path, {}) == {}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("${SET}", "value"),
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
    ],
)
def test_interpolate(template: str, text: str) -> None:
    assert config.interpolate(template, {"SET": "value", "EMPTY": ""}) == text


def test_a_required_setting_that_is_missing() -> None:
    with pytest.raises(UsageError) as caught:
        config.interpolate("${TOKEN:?the token}", {})
    assert str(caught.value) == "TOKEN is not set: the token.\n  Set TOKEN in the environment or in .env."


def test_the_state_directory_can_be_moved(tmp_path: Path) -> None:
    assert config.state_dir({"RAYDOCK_STATE": str(tmp_path)}) == tmp_path.resolve()
    assert config.state_dir({}) == config.ROOT / ".raydock"
