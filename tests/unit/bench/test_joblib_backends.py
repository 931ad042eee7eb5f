"""The benchmark of joblib's backends: its cases, its rows with goals, and its table."""

from __future__ import annotations

from pathlib import Path

from bench.lesson.joblib_backends import WAYS, Case, Figures, cases, markdown, rows, write

RESULT = {
    "nbytes": 1000,
    "ideal": 1.5,
    "runs": {way: [[2.0 + place, 1000 * (place + 1)], [2.2 + place, 900]] for place, way in enumerate(WAYS)},
}
CASE = Case(100, 50, "uniform")


def test_every_combination_is_a_case() -> None:
    assert len(set(cases(False, 2))) == 24
    assert [str(one) for one in cases(True, 3)] == [
        "1 MiB, uniform tasks of 50 ms, 3 workers",
        "10 MiB, uniform tasks of 50 ms, 3 workers",
    ]


def test_the_goals_are_those_of_100_mib() -> None:
    stock, loky, stored = rows(Figures.of(CASE, RESULT))
    assert (stock.ratio, stock.met) == (2.1 / 3.1, False)
    assert (loky.ratio, loky.met) == (2.1 / 4.1, True)
    assert (stored.ratio, stored.met) == (0.95, True)
    assert [row.met for row in rows(Figures.of(Case(1, 50, "uniform"), RESULT))] == [None, None, True]
    assert rows(Figures.of(Case(100, 5, "uniform"), RESULT)) == []


def test_the_table_and_the_plot(tmp_path: Path) -> None:
    taken = [Figures.of(CASE, RESULT)]
    assert markdown(taken).splitlines()[2] == (
        "| 100 MiB | 50 ms, uniform | 2 | 1.50 | 2.10 (n=2) | 3.10 (n=2) | 4.10 (n=2) | 5.10 (n=2) "
        "| 0.68 | 0.51 | 1.00 | 2,000 |"
    )
    write(taken, tmp_path)
    assert (tmp_path / "joblib.svg").read_text().startswith("<?xml")
