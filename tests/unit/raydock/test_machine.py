"""The CPUs and the memory of this machine, within control groups of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydock import machine
from raydock.machine import Machine

MIB = 2**20
GIB = 2**30


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "affinity", lambda: 8)
    monkeypatch.setattr(machine, "physical_memory", lambda: 16 * GIB)


V2 = "0::/user/lab\n"
V1 = "12:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n"


@pytest.mark.parametrize(
    ("cpu", "memory", "found"),
    [
        ("max 100000\n", "max\n", Machine(8, 16 * GIB)),
        ("400000 100000\n", f"{6 * GIB}\n", Machine(4, 6 * GIB)),
        ("250000 100000\n", "max\n", Machine(2, 16 * GIB)),
        ("50000 100000\n", f"{64 * GIB}\n", Machine(1, 16 * GIB)),
        ("3200000 100000\n", "max\n", Machine(8, 16 * GIB)),
    ],
)
def test_version_2(tmp_path: Path, cpu: str, memory: str, found: Machine) -> None:
    (tmp_path / "groups").write_text(V2)
    folder = tmp_path / "mount" / "user" / "lab"
    folder.mkdir(parents=True)
    (folder / "cpu.max").write_text(cpu)
    (folder / "memory.max").write_text(memory)
    assert machine.here(tmp_path / "mount", tmp_path / "groups") == found


def test_the_narrowest_of_all_groups_above_counts(tmp_path: Path) -> None:
    (tmp_path / "mount" / "user" / "lab").mkdir(parents=True)
    (tmp_path / "groups").write_text(V2)
    for group, cpu, memory in (("user", "300000 100000", "max"), ("user/lab", "max 100000", str(GIB))):
        (tmp_path / "mount" / group / "cpu.max").write_text(cpu)
        (tmp_path / "mount" / group / "memory.max").write_text(memory)
    assert machine.here(tmp_path / "mount", tmp_path / "groups") == Machine(3, GIB)


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    """Its path is the host's, which is not mounted."""
    (tmp_path / "mount").mkdir()
    (tmp_path / "groups").write_text("0::/docker/abc\n")
    (tmp_path / "mount" / "cpu.max").write_text("200000 100000\n")
    (tmp_path / "mount" / "memory.max").write_text(f"{512 * MIB}\n")
    assert machine.here(tmp_path / "mount", tmp_path / "groups") == Machine(2, 512 * MIB)


@pytest.mark.parametrize(
    ("quota", "memory", "found"),
    [
        ("-1", str(2**63 - 4096), Machine(8, 16 * GIB)),
        ("600000", str(3 * GIB), Machine(6, 3 * GIB)),
    ],
)
@pytest.mark.parametrize("inner", ["docker/abc", ""])
def test_version_1(tmp_path: Path, quota: str, memory: str, found: Machine, inner: str) -> None:
    (tmp_path / "groups").write_text(V1)
    mount = tmp_path / "mount"
    for folder, name, text in (
        ("cpu,cpuacct", "cpu.cfs_quota_us", quota),
        ("cpu,cpuacct", "cpu.cfs_period_us", "100000"),
        ("memory", "memory.limit_in_bytes", memory),
    ):
        (mount / folder / inner).mkdir(parents=True, exist_ok=True)
        (mount / folder / inner / name).write_text(f"{text}\n")
    assert machine.here(mount, tmp_path / "groups") == found


def test_no_control_groups(tmp_path: Path) -> None:
    assert machine.here(tmp_path, tmp_path / "none") == Machine(8, 16 * GIB)


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = machine.here()
    assert 1 <= found.cpus <= 4096
    assert found.memory <= machine.physical_memory()
