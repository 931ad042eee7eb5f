"""The header that fits a run."""

from __future__ import annotations

from typing import Any

import pytest

from iam.used.decisions import Decided
from iam.used.headers import advise, under
from iam.used.jobs import Declared
from tests.unit.iam.used.runs import call, ran

PARQUET = [
    call("list", "gs://b/avocado/parquet"),
    call("get", "gs://b/avocado/parquet"),
    call("get", "gs://b/avocado/parquet/0"),
    call("get", "gs://b/avocado/parquet/1"),
]


def declared(reads: list[str], writes: list[str] | None = None, **defaults: str) -> Declared:
    return Declared(tuple(reads), tuple(writes or ()), defaults)


@pytest.mark.parametrize(
    ("header", "calls", "more"),
    [
        (declared(["--data=gs://b/avocado/parquet"]), PARQUET, {}),
        (declared(["data"]), PARQUET, {"arguments": ("--data", "gs://b/avocado/parquet/")}),
        (declared(["DATA"]), PARQUET, {"variables": {"DATA": "gcs://b/avocado/par*"}}),
        (Declared(("--data",), (), {"--data": "gs://b/avocado"}), PARQUET, {}),
        (declared(["gs://b"]), PARQUET, {}),
        (declared([], ["gs://b/out/"]), [call("create", "gs://b/out/x"), call("list", "gs://b/out/")], {}),
        (declared(["--data=synthetic"]), [], {}),
        (declared([], ["gs://b/a/out"]), [call("create", "gs://b/a/"), call("create", "gs://b/a/out/x")], {}),
        (declared(["gs://b/never/"]), [], {"status": "FAILED"}),
    ],
)
def test_accurate(header: Declared, calls: list[Decided], more: dict[str, Any]) -> None:
    advice = advise(ran(*calls, declared=header, **more))
    assert advice.accurate
    assert advice.proposed == Declared(header.reads, header.writes)


def test_what_is_missing_and_what_is_unused() -> None:
    calls = [
        *PARQUET,
        call("create", "gs://c/one.json"),
        call("get", "gs://c/one.json"),
        call("get", "gs://b/x"),
    ]
    header = declared(["--data=gs://b/avocado/parquet", "gs://b/other"], ["gs://c/"])
    advice = advise(ran(*calls, declared=header))
    assert advice.missing == (("reads", "gs://b/x"),)
    assert advice.unused == (("reads", "gs://b/other"),)
    assert advice.proposed == declared(["--data=gs://b/avocado/parquet", "gs://b/x"], ["gs://c/"])


def test_reading_what_is_declared_as_written_only() -> None:
    advice = advise(ran(*PARQUET, declared=declared([], ["gs://b/avocado/parquet/"])))
    assert advice.unused == (("writes", "gs://b/avocado/parquet/"),)
    advice = advise(ran(call("delete", "gs://b/x"), declared=declared(["gs://b/x"])))
    assert advice.missing == (("writes", "gs://b/x"),)


def test_a_proposal_without_a_header_uses_arguments_and_folders() -> None:
    calls = [*PARQUET, *(call("create", f"gs://c/{n}/{m}") for n in range(9) for m in range(2))]
    run = ran(*calls, declared=None, arguments=("--data", "gs://b/avocado/parquet", "--n", "3"))
    assert advise(run).proposed == declared(["--data"], ["gs://c"])
    assert not advise(run).declared


def test_names_that_only_start_alike_are_not_covered() -> None:
    assert not under("gs://b/data2/x", "gs://b/data/")
    assert not under("gs://b2/x", "gs://b")
    assert not under("gs://b/../x", "gs://b/x")
    assert under("gs://b/data", "gs://b/data/")
    advice = advise(ran(call("list", "gs://b/"), declared=declared(["gs://b/data/"])))
    assert advice.missing == (("reads", "gs://b"),)


@pytest.mark.parametrize(
    ("calls", "arguments", "proposed"),
    [
        # Another gs:// in a name would make an entry two URIs.
        ([call("get", "gs://b/x gs://y/z")], (), declared(["gs://b/x gs:/"])),
        # What an argument covers is not part of the folder that is proposed for the rest.
        (
            [call("create", "gs://c/a"), call("create", "gs://c/other"), call("get", "gs://c/input")],
            ("--out=gs://c/a",),
            declared(["gs://c/input"], ["--out", "gs://c/other"]),
        ),
    ],
)
def test_a_proposal_is_accurate_once_it_is_declared(
    calls: list[Decided], arguments: tuple[str, ...], proposed: Declared
) -> None:
    run = ran(*calls, declared=None, arguments=arguments)
    assert advise(run).proposed == proposed
    assert advise(ran(*calls, declared=proposed, arguments=arguments)).accurate
