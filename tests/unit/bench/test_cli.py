"""The choice of benchmarks, and the message for an unknown one."""

from __future__ import annotations

import argparse
import importlib.util

import pytest

from bench import cli


def test_benchmarks_without_a_cluster_come_first() -> None:
    assert cli.chosen([])[:2] == ["start", "up"]
    assert set(cli.BENCHMARKS) - set(cli.chosen([])) == {"kuberay"}  # needs a cluster of the user's own


def test_chosen_benchmarks_run_once_each() -> None:
    assert cli.chosen(["lag", "start", "lag"]) == ["start", "lag"]


def test_an_unknown_benchmark_is_named_and_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lagg"]) == 1
    assert capsys.readouterr().err == (
        "bench: Unknown benchmark lagg. "
        "Known: first_line, phases, exit, lag, start, package, up, idle, check, storage, decisions, lesson, joblib, "
        "first_row, tune, train, kuberay.\n"
    )


@pytest.mark.parametrize("name", cli.BENCHMARKS)
def test_each_benchmark_is_a_module(name: str) -> None:
    assert importlib.util.find_spec(cli.BENCHMARKS[name].module)


def test_at_least_one_pair() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        cli.positive("0")
