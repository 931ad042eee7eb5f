"""The cloud's startup: settings that it saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cloud import config
from cloud.cli import saved_key_digest


def test_the_key_digest_survives_a_command_without_it(tmp_path: Path) -> None:
    """`docker compose run --rm person python` recreates the cloud with an empty LAB_KEY_SHA256."""
    plain = replace(config.read({}), state=tmp_path)
    assert saved_key_digest(plain) == ""
    assert saved_key_digest(replace(plain, key_sha256="a" * 64)) == "a" * 64
    assert saved_key_digest(plain) == "a" * 64
    assert saved_key_digest(replace(plain, key_sha256="b" * 64)) == "b" * 64
    assert saved_key_digest(plain) == "b" * 64
    assert (tmp_path / "key_sha256").stat().st_mode & 0o077 == 0
