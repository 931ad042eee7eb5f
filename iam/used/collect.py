"""Reads what the report needs: the runs from Ray's dashboard, the record and the policies from the lab's cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iam.session import Session, open_reader
from iam.used.attribution import GRACE, Attributed, attribute
from iam.used.decisions import Record, read_record
from iam.used.held import Beyond, beyond
from iam.used.jobs import read_runs
from iam.used.needs import grants_for, needs_of, replaces
from iam.used.report import UsedReport
from raydock import event_loop
from raydock.gcp.clouds import LabCloud


def read_attributed(lab: LabCloud, ids: Sequence[str]) -> tuple[Attributed, ...]:
    """What each run did. Raises a RaydockError."""
    found = read_runs(lab, tuple(dict.fromkeys(ids)))

    async def read() -> list[Record]:  # one for each, because a record merges equal decisions
        periods = ((run.started, run.ended + GRACE) for run in found.runs)
        return [await read_record(lab, *period) for period in periods]

    records = event_loop.run(read())
    pairs = zip(found.runs, records, strict=True)
    return tuple(attribute(run, record, found.nodes) for run, record in pairs)


def report_on(
    runs: tuple[Attributed, ...], *, again: bool = False, member: str = "", prefixes: bool = False
) -> UsedReport:
    """The report, without what the identity holds in excess."""
    needs = needs_of(runs, again)
    creates = () if again else tuple(replaces(needs))
    return UsedReport(runs, needs, grants_for(needs, member, prefixes), again, creates)


def with_excess(report: UsedReport, session: Session) -> UsedReport:
    """The report, with what the job's identity holds in excess on the lab's buckets."""
    principals = report.principals
    if len(principals) != 1:  # an identity that impersonates others uses their permissions instead of its own
        return report
    used: dict[str, frozenset[str]] = {}
    for one in report.decisions:
        if one.bucket and one.granted:
            used[one.bucket] = used.get(one.bucket, frozenset()) | {one.permission}

    async def read() -> tuple[Beyond, ...]:
        async with open_reader(session) as reader:
            return await beyond(principals[0], used, session.buckets, reader)

    return replace(report, beyond=event_loop.run(read()))
