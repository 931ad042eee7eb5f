"""Durations and sizes: what one command takes, every command takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raydock import units
from raydock.errors import RaydockError


def of_deadline(text: str) -> float | None:
    from submit.options import parse

    return parse(["--deadline", text, "x.py"]).deadline


def of_cluster_wait(text: str) -> float | None:
    from submit.options import parse

    return parse(["--target", "vertex", "--cluster-wait", text, "x.py"]).target_options.wait


def of_vertex(text: str) -> float | None:
    from vertex.spec.options import parse_duration

    return parse_duration(text, "--deadline")


def of_drain_timeout(text: str) -> float | None:
    from cluster.cli import parse

    given = parse(["scale", "cpu-worker=1", "--drain-timeout", text])
    return float(given.drain_timeout)


def of_token(text: str) -> float | None:
    from iam.lab.settings import settings

    return settings({"LAB_TOKEN_TTL": text}).token_seconds


def of_ready(text: str) -> float | None:
    from cloud.controlplane.config import read

    return read({"VERTEX_READY_SECONDS": text}).ready


@pytest.mark.parametrize(
    "read", [units.seconds, of_deadline, of_cluster_wait, of_vertex, of_drain_timeout, of_token, of_ready]
)
def test_every_reader_of_durations_takes_the_same(read: Callable[[str], float]) -> None:
    good = {"90": 90, "90s": 90, "1.5m": 90, "30m": 1800, "0.5h": 1800, "1m30s": 90, "1M": 60, "2.5": 2.5}
    assert {text: read(text) for text in good} == good
    for text in (
        "soon",
        "5 m",
        "-5m",
        "1e3",
        "inf",
        "nan",
        "٣",
        "30x",
        "30m1h",
        "1h-5m",
        "99999d",
        "0.0.1",
    ):
        with pytest.raises((ValueError, RaydockError)):
            read(text)


def test_longer_ones_and_nothing() -> None:
    assert units.seconds("1d2h3m4s") == 93784
    assert units.seconds("0", zero=True) == 0
    assert of_drain_timeout("0") == 0
    for text in ("0", "0s", "0h0m", "0.0"):
        with pytest.raises(ValueError, match="not greater than 0"):
            units.seconds(text)
    with pytest.raises(ValueError, match="not a duration"):
        units.seconds("")


def test_every_reader_of_sizes_takes_the_same() -> None:
    from cloud.config import jobs
    from raydock.jobscript.header import memory_bytes
    from raydock.topology import size

    good = {
        "900m": 900 * 2**20,
        "3g": 3 * 2**30,
        "1.5gb": 3 * 2**29,
        "512MiB": 2**29,
        "7": 7,
        "8 K": 8192,
        "1t": 2**40,
    }
    for text, wanted in good.items():
        assert (units.size(text), size(text), memory_bytes(text)) == (wanted, wanted, wanted), text
    assert jobs("", "1.5g") == jobs("", "1536m") > 0
    for text in ("", "m", "-1g", "1x", "1..5g", "٣g", "inf"):
        with pytest.raises(ValueError, match="size"):
            units.size(text)
        assert memory_bytes(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.2399, "0.24 s"), (25.07, "25.1 s"), (59.94, "59.9 s"), (59.96, "1 min"), (125, "2 min 5 s"),
        (3599.7, "1 h"), (6000, "1 h 40 min"), (36e5, "1,000 h"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text
