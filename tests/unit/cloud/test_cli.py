"""The cloud's startup: settings that it saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloud import cli, config
from cloud.cli import saved_key_digest
from raydock.startup import StartupFailure, last_failure


def test_the_key_digest_survives_a_command_without_it(tmp_path: Path) -> None:
    """`docker compose run --rm user python` recreates the cloud with an empty LAB_KEY_SHA256."""
    plain = replace(config.read({}), state=tmp_path)
    assert saved_key_digest(plain) == ""
    assert saved_key_digest(replace(plain, key_sha256="a" * 64)) == "a" * 64
    assert saved_key_digest(plain) == "a" * 64
    assert saved_key_digest(replace(plain, key_sha256="b" * 64)) == "b" * 64
    assert saved_key_digest(plain) == "b" * 64
    assert (tmp_path / "key_sha256").stat().st_mode & 0o077 == 0


def test_a_failed_start_ends_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_TOKEN_TTL", "soon")
    ports = [f"--{name}-port=1" for name in ("gateway", "metadata", "emulator", "own")]
    assert cli.main(["loopback", *ports]) == 1
    said = "Set it to a number of seconds from 1 to 43200"
    assert last_failure(capsys.readouterr().err) == StartupFailure("cloud", "LAB_TOKEN_TTL is 'soon'.", said)
