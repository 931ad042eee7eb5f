"""The pages themselves: what is on them, that no value adds markup, and that they load nothing."""

from __future__ import annotations

import re
import xml.etree.ElementTree
from html.parser import HTMLParser
from typing import Any

import pytest

from raydock.errors import UsageError
from submit.report import job_page, overview_page, table
from submit.report.overview_page import Overview
from submit.report.run import Run, run_of
from submit.results.history import JobRecord

from .records import FOUR, compared, record, run, task

CURVE = {"title": "loss", "x": "round", "y": "loss", "lines": {"train": [[1, 0.5], [2, 0.3]]}}
HOSTILE = "<script>alert(1)</script><b onclick=x>\"'>\u202e\ud800\x00&amp;$\\frac{"


def pages(*runs: Run) -> list[str]:
    return [
        overview_page.html(Overview(runs, lambda run: "x.html")),
        *(job_page.html(one, None) for one in runs),
    ]


class Tags(HTMLParser):
    """The tags and attributes of a page, in order of their first use."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.feed(page)
        self.found.discard(
            ("path", ("style",))
        )  # Matplotlib leaves out the frame of a legend that is too wide

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(name for name, _ in attrs)))


def everywhere(value: str) -> JobRecord:
    """A record with this text in every place that can hold one."""
    return JobRecord(
        "x-1", value, f"python {value}", 1000, 1030, 2,
        {
            "job": value, "data": value, "note": value, "cpus": 2, "seconds": {"ray": 3, "alone": 4},
            "metrics": {value: value, "n": {value: value}}, f"own {value}": value,
            "nodes": [{"node": value, "id": value, "pool": value, "tasks": 1}],
            "tasks": [task(value, 1, 2, value), task(value, 2, 3, value)],
            "curves": [{"title": value, "x": value, "y": value, "lines": {value: [[1, 2], [2, 3]]}}],
        },
    )  # fmt: skip


def test_no_value_adds_markup() -> None:
    for hostile, harmless in zip(
        pages(run_of(everywhere(HOSTILE))), pages(run_of(everywhere("x"))), strict=True
    ):
        assert Tags(hostile).found == Tags(harmless).found
        hostile.encode()  # no lone surrogate is left
        for chart in re.findall(r"<svg.*?</svg>", hostile, re.DOTALL):
            xml.etree.ElementTree.fromstring(chart)
    text = overview_page.text(Overview([run_of(everywhere(HOSTILE))], lambda run: "x", [HOSTILE]))
    assert "<" not in text


def test_pages_load_nothing_and_run_nothing() -> None:
    for page in pages(run("1", tasks=FOUR, curves=[CURVE]), run("2", cpus=2, tasks=FOUR)):
        assert set(re.findall(r'(?:src|href)="([^"#]*?)[,"]', page)) <= {"x.html", "data:image/svg+xml"}
        assert "<script" not in page
        assert "@import" not in page
        assert "url(http" not in page


def test_the_report_shows_every_run() -> None:
    page = pages(run("1", started=1000.0), run("2", started=2000.0))[0]
    assert page.count('role="rowheader"') == 2


def test_the_order_of_the_report() -> None:
    jobs = [
        compared(1, 10, job="slow"),
        compared(15, 10, job="good", note="Because of this."),
        compared(20, 10, job="best", tasks=FOUR, cpus=3),
        compared(90, 10, job="smoke", words="--smoke-test"),
    ]
    page = pages(*jobs)[0]
    headings = re.findall(r"<h[12]>(.*?)</h[12]>", page)
    assert headings == [
        "2 of 3 jobs were faster with Ray, up to 2.00×",
        "Limiting factors",
        "Faster with Ray",
        "Not faster with Ray",
        "All runs",
    ]
    bars = page[: page.index("All runs")]
    assert re.findall(r'aria-label="(\w+): ', bars) == ["best", "good", "slow"]
    assert "Because of this." in bars
    assert "Left out because only smoke tests were compared: smoke." in bars
    assert "smoke test</span>" in page[page.index("All runs") :]


def test_the_page_of_a_job() -> None:
    nodes = [{"node": "gpu-worker-1", "id": "n1", "pool": "gpu-worker", "tasks": 4, "simulated": True}]
    best = compared(18, 10, cpus=3, nodes=nodes, tasks=FOUR, curves=[CURVE], metrics={"r2": 0.98765})
    page = pages(best)[1]
    assert re.findall(r"<h[12]>(.*?)</h[12]>", page) == [
        "sweep was 1.80× as fast with Ray",
        "Limiting factors",
        "Results",
        "The run",
        "Nodes",
        "Tasks",
        "Curves",
    ]
    assert "<dt>r2</dt><dd>0.9877</dd>" in page
    assert "<dd>60% of 3 CPUs; 90% of the 2× that 2 cores allow</dd>" in page
    assert "<code>python submit.py logs a-1</code>" in page
    assert "gpu-worker-1 (simulated GPU)</th><td>gpu-worker</td><td>4</td><td>8 s</td>" in page


def test_a_smoke_test_is_called_one() -> None:
    assert "This was a smoke test" in pages(run(words="--smoke-test"))[1]
    assert "smoke test" not in pages(run())[1]


def test_tasks_are_drawn_by_node_and_not_by_cpu() -> None:
    both = [task("n1", 0, 4), task("n1", 1, 3), task("n2", 0, 4)]
    page = pages(run(tasks=both))[1]
    assert 'aria-label="cpu-worker 10.0.0.2: 2 tasks, up to 2 at a time"' in page
    assert 'aria-label="n2: 1 task"' in page
    assert "<title>fit: 4 s</title>" in page


def test_many_tasks_make_a_page_of_bearable_size() -> None:
    short = [task("n1", at / 1000, at / 1000 + 0.0005) for at in range(20_000)]
    long = [task("n2", 0, 20 + at) for at in range(200)]
    assert len(pages(run(tasks=short + long))[1]) < 1_000_000


def test_columns_without_data_are_left_out() -> None:
    few = run_of(JobRecord("x-1", "local", "python mine.py", 1000, 1030, 0, {"accuracy": 0.9}))
    assert [column.heading for column in table.columns([few])] == ["started", "whole job", "result"]
    assert table.markdown([few]).splitlines()[2].endswith(" | 30 s | accuracy 0.9 |")
    full = compared(18, 10, cpus=2, peak_memory_mib=256.4, metrics={"r2": 0.98765})
    assert (
        table.markdown([full, few])
        .splitlines()[2]
        .endswith("| 2 | 12 s | 18 s | 10 s | 1.80× | 256 MiB | r2 0.9877 |")
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"nodes": [7, "x"], "tasks": [task("n1", 0, 1)]},
        {"nodes": [{"tasks": "?"}], "tasks": [task("n2", 0, 0)]},
        {"cpus": 4096, "seconds": {"ray": 1e14, "alone": 1e-300}, "speed_up": 1e14},
        {
            "curves": [
                {"title": 3, "x": [], "lines": {"_$": [[0, 1], [1, 2]]}},
                {"lines": {"a": 7}},
                {"lines": []},
            ]
        },
        {"metrics": 7, "note": 7, "data": {"a": 1}, "version": None},
    ],
)
def test_any_result_has_its_pages(odd: dict[str, Any]) -> None:
    runs = [run_of(record(f"{cpus}", **{"tasks": FOUR[:1], "cpus": cpus, **odd})) for cpus in (1, 2)]
    assert all(page.endswith("</html>\n") for page in pages(*runs))
    assert overview_page.text(Overview(runs, lambda run: "x")).startswith("# ")


def test_tables_and_charts_can_be_read_aloud() -> None:
    for page in pages(run("1", tasks=FOUR, curves=[CURVE]), run("2", cpus=2, tasks=FOUR)):
        assert page.count("<table") == page.count("<caption")
        assert "<th>" not in page  # each has a scope
        for chart in re.findall(r"<svg[^>]*>", page):
            assert 'role="img" aria-label="' in chart or ('role="img"' in chart and 'aria-label="' in chart)


def test_model_is_described_with_its_error() -> None:
    runs = [run("1", tasks=FOUR), run("2", cpus=2, seconds={"ray": 6.5}, tasks=FOUR)]
    text = overview_page.text(Overview(runs, lambda run: "x"))
    assert "| 2 | 6.5 s | 5.85 s (-10%) | 5.85 s (-10%) |" in text
    assert "The model is off by at most 10% on the measured sizes." in text
    assert "With one core per CPU it predicts" in text


def test_missing_matplotlib_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    pages(run(tasks=FOUR))  # only curves need it
    with pytest.raises(UsageError) as raised:
        pages(run(curves=[CURVE]))
    assert raised.value.fix == "pip install matplotlib"
