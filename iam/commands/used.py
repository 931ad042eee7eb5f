"""The command used: what a job's runs used, and the smallest roles that would have sufficed."""

from __future__ import annotations

import argparse

from iam.console import OK, echo, echo_json
from iam.options import Usage


def used(options: argparse.Namespace) -> int:
    """Print what runs in the lab used, and what that takes."""
    from iam.policy.principal import parse as parse_principal
    from iam.session import open_session
    from iam.used import commands
    from iam.used.collect import read_attributed, report_on, with_excess
    from iam.used.table import proof, table
    from raydock.gcp.clouds import LabCloud

    if options.target != "local":
        text = "Only the lab records what jobs use."
        raise Usage(text, "run the job in the lab: python submit.py SCRIPT")
    if options.member:
        parse_principal(options.member)
    session = open_session("local", options.project)
    assert isinstance(session.cloud, LabCloud)
    runs = read_attributed(session.cloud, options.jobs)
    report = report_on(runs, again=options.again, member=options.member, prefixes=options.prefixes)
    formats = {"gcloud": commands.gcloud, "terraform": commands.terraform, "iam": commands.iam}
    if options.format in formats:
        echo(*formats[options.format](report))
        return OK
    report = with_excess(report, session)
    if options.format == "json":
        echo_json(report.as_json())
    else:
        echo(*table(report))
        if report.grants.grants:
            echo("", proof(report))
    return OK
