"""The command-line flags, for argparse; `options` converts the result into a value."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from raydock.terminal.commandline import Parser, add_location

from .targets import REGISTRY

VERBS = {
    "check": "run all checks on a job script without sending it",
    "attach": "follow a job again, from the start of its log",
    "logs": "print a job's log so far",
    "stop": "stop a job",
    "list": "list the cluster's jobs, newest last",
    "report": "write one job's page, or a report that compares all saved results",
}


EPILOG = (
    "commands (python submit.py COMMAND --help):\n"
    + "\n".join(f"  {verb:<7} {meaning}" for verb, meaning in VERBS.items())
    + """

exit codes: 0 SUCCEEDED, 1 FAILED, 2 usage error, 3 a check did not pass, 4 the
cluster is unreachable or lost the job, 5 STOPPED, 70 internal error,
130 detached (the job keeps running)"""
)


def build_parser(verb: str) -> Parser:
    """The parser for one verb."""
    run = verb == "run"
    operand = {"run": "jobs/x.py", "check": "jobs/x.py", "list": "", "report": "[ID ...]"}.get(verb, "ID")
    parser = Parser(
        prog="python submit.py" if run else f"python submit.py {verb}",
        usage=f"python submit.py [options] {'' if run else verb + ' '}{operand}"
        + (" [-- job arguments]" if run or verb == "check" else ""),
        description="Send one job script to a Ray cluster: check, package, submit, follow, collect the result."
        if run
        else VERBS[verb].capitalize() + ".",
        epilog=EPILOG if run else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if verb == "report":
        add_report_options(parser)
        return parser
    target = parser.add_argument_group("target")
    target.add_argument(
        "--target",
        default="local",
        choices=[name for name in REGISTRY if name != "address"],
        help="where to send the job (default local)",
    )
    target.add_argument(
        "--address", metavar="URL", help="URL of any Ray dashboard, such as http://127.0.0.1:8265"
    )
    add_cluster_options(target)
    if verb != "list":
        parser.add_argument(
            "operand",
            metavar=operand,
            help="the job script" if verb in {"run", "check"} else "the job's submission id",
        )
    if verb in {"run", "check"}:
        add_job_options(parser)
        add_check_options(parser)
    if run:
        add_run_options(parser)
    if verb in {"run", "attach"}:
        completion = parser.add_argument_group("completion")
        completion.add_argument(
            "--deadline",
            metavar="TIME",
            help="stop the job if it has not finished within this time: 90s, 30m, 2h, 1d",
        )
        completion.add_argument(
            "--result", metavar="PATH", type=Path, help="write the job's result here, as JSON"
        )
    return parser


def add_cluster_options(target: argparse._ArgumentGroup) -> None:
    """Add the flags that select a cluster on Vertex AI or Kubernetes."""
    target.add_argument(
        "--cluster",
        metavar="NAME",
        default="",
        help="vertex: name or full resource name of the cluster; kuberay: the RayCluster (default: the only one)",
    )
    add_location(target)
    target.add_argument(
        "--cluster-wait",
        metavar="TIME",
        default="30m",
        help="how long to wait for a provisioning cluster (default 30m)",
    )


def add_report_options(parser: Parser) -> None:
    """Add the flags that select results and the output page."""
    parser.add_argument(
        "operands",
        metavar="ID",
        nargs="*",
        help="a submission id, a result file, or the start of ids, such as a script's name: one job writes that job's "
        "page, several a report on those jobs (default: a report on all saved results)",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        help="where to write the page (default: report.html, with its table in report.md and the jobs' pages in "
        "report-jobs; for one job, report-jobs/ID.html)",
    )


def add_job_options(parser: Parser) -> None:
    """Add the flags that describe the job."""
    job = parser.add_argument_group("job")
    job.add_argument(
        "--working-dir",
        metavar="DIR",
        type=Path,
        help="send this whole directory tree instead of only what the script imports",
    )
    job.add_argument(
        "--env",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        help="an environment variable for the job (repeatable)",
    )
    job.add_argument(
        "--entrypoint-num-cpus", metavar="N", type=amount, help="CPUs to reserve for the entrypoint"
    )
    job.add_argument(
        "--entrypoint-num-gpus", metavar="N", type=amount, help="GPUs to reserve for the entrypoint"
    )
    job.add_argument(
        "--entrypoint-memory", metavar="BYTES", help="memory to reserve for the entrypoint, such as 2GiB"
    )


def add_check_options(parser: Parser) -> None:
    """Add the flags for the checks."""
    checks = parser.add_argument_group("checks")
    checks.add_argument(
        "--probe",
        action="store_true",
        help="run a small job on the cluster that tests its identity's permissions",
    )
    checks.add_argument(
        "--skip-check",
        action="store_true",
        help="submit even if checks fail; to ignore only some of them: --skip-check=imports,secrets",
    )


def add_run_options(parser: Parser) -> None:
    """Add the flags for the submission."""
    submission = parser.add_argument_group("submission")
    submission.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, as JSON, and send nothing"
    )
    submission.add_argument(
        "--no-wait", action="store_true", help="submit, print the submission id, and exit"
    )
    submission.add_argument(
        "--submission-id", metavar="ID", type=job_id, help="use this id instead of a generated one"
    )
    submission.add_argument(
        "--alone",
        action="store_true",
        help="run while no other job does: wait for those that are running, and let new ones wait, so that `python -m "
        "iam used` can tell what this one used",
    )
    submission.add_argument(
        "--as-least",
        metavar="JOB",
        type=job_id,
        action="append",
        help="run as a new service account with only the roles that JOB used, which proves that they are enough "
        "(repeatable: the roles for several runs)",
    )
    submission.add_argument(
        "--ephemeral",
        action="store_true",
        help="kuberay: create a cluster for this job, and delete it afterwards",
    )
    submission.add_argument(
        "--manifest",
        metavar="FILE",
        type=Path,
        help="kuberay: the RayCluster for --ephemeral, as `python -m cluster manifest` prints it (default: that of "
        "compose.yaml)",
    )


def amount(text: str) -> float:
    """A number of CPUs or GPUs: at least 0, less than 1e9. Raises ValueError."""
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError(text)
    return number


def job_id(text: str) -> str:
    """A submission id that is safe in URLs and file names: at most 128 characters. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a submission id: use letters, digits, '_', '-' and '.'"
        )
    return text
