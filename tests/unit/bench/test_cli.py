"""What is chosen, and what a wrong word gets."""

from __future__ import annotations

import argparse
import importlib.util

import pytest

from bench import cli


def test_measurements_that_need_no_cluster_come_first() -> None:
    assert cli.chosen([])[:2] == ["start", "up"]
    assert sorted(cli.chosen([])) == sorted(cli.BENCHMARKS)


def test_those_asked_for_and_each_once() -> None:
    assert cli.chosen(["lag", "start", "lag"]) == ["start", "lag"]


def test_an_unknown_measurement_is_named_and_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lagg"]) == 1
    assert capsys.readouterr().err == (
        "bench: Unknown benchmark lagg. "
        "Known: first_line, exit, lag, start, package, up, check, storage, lesson, tune, train.\n"
    )


@pytest.mark.parametrize("name", cli.BENCHMARKS)
def test_each_measurement_is_a_module(name: str) -> None:
    assert importlib.util.find_spec(cli.BENCHMARKS[name].module)


def test_a_pair_at_least() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        cli.positive("0")
