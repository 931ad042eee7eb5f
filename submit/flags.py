"""The flags of the command line, as argparse and our own words have them: `options` makes a value of what was given."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from raydock import commandline
from raydock.errors import UsageError

from .targets import REGISTRY

VERBS = {
    "check": "all checks of a job script, and nothing sent",
    "attach": "follow a job again, from the beginning of its log",
    "logs": "print a job's log so far",
    "stop": "stop a job",
    "list": "the jobs of the cluster, the newest last",
    "report": "put recorded results side by side: speed-ups, scaling, timelines",
}


EPILOG = (
    "verbs (python submit.py VERB --help):\n"
    + "\n".join(f"  {verb:<7} {meaning}" for verb, meaning in VERBS.items())
    + """

exit codes: 0 SUCCEEDED, 1 FAILED, 2 usage, 3 a check did not pass, 4 the cluster
can't be reached or lost the job, 5 STOPPED, 70 an internal error, 130 detached
(the job goes on)"""
)


class SubmitParser(commandline.Parser):
    """A parser whose errors are ours."""

    fault = UsageError


def parser_of(verb: str) -> SubmitParser:
    """The parser of one verb."""
    run = verb == "run"
    operand = {"run": "jobs/x.py", "check": "jobs/x.py", "list": "", "report": "[ID ...]"}.get(verb, "ID")
    parser = SubmitParser(
        prog="python submit.py" if run else f"python submit.py {verb}",
        usage=f"python submit.py [options] {'' if run else verb + ' '}{operand}"
        + (" [-- job arguments]" if run or verb == "check" else ""),
        description="Send one job script to a Ray cluster: check, package, submit, follow, result."
        if run
        else VERBS[verb].capitalize() + ".",
        epilog=EPILOG if run else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if verb == "report":
        add_report_options(parser)
        return parser
    where = parser.add_argument_group("where")
    where.add_argument("--target", default="local", choices=[name for name in REGISTRY if name != "address"])
    where.add_argument("--address", metavar="URL", help="any Ray dashboard, such as http://127.0.0.1:8265")
    add_vertex_options(where)
    if verb != "list":
        parser.add_argument("operand", metavar=operand)
    if verb in {"run", "check"}:
        add_job_options(parser)
        add_check_options(parser)
    if run:
        add_run_options(parser)
    if verb in {"run", "attach"}:
        ending = parser.add_argument_group("until when")
        ending.add_argument(
            "--deadline", metavar="TIME", help="stop the job when it has not ended by then: 90s, 30m, 2h, 1d"
        )
        ending.add_argument(
            "--result", metavar="PATH", type=Path, help="write the job's result there, as JSON"
        )
    return parser


def add_vertex_options(where: argparse._ArgumentGroup) -> None:
    """Which cluster on Vertex AI."""
    where.add_argument(
        "--cluster", metavar="NAME", default="", help="on Vertex AI: its name, or its full resource name"
    )
    where.add_argument(
        "--project", metavar="ID", default="", help="its project; your credentials' by default"
    )
    where.add_argument("--region", metavar="REGION", default="", help="its region; us-central1 by default")
    where.add_argument(
        "--cluster-wait", metavar="TIME", default="30m", help="for a cluster that is still coming (30m)"
    )


def add_report_options(parser: SubmitParser) -> None:
    """Which results, and where the page goes."""
    parser.add_argument(
        "operands", metavar="ID", nargs="*", help="submission ids, or files of results; all that are recorded"
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        type=Path,
        default=Path("report.html"),
        help="the page (report.html); its table goes beside it, as .md",
    )


def add_job_options(parser: SubmitParser) -> None:
    """What describes the job."""
    job = parser.add_argument_group("the job")
    job.add_argument(
        "--working-dir", metavar="DIR", type=Path, help="send this tree, not just what the script imports"
    )
    job.add_argument(
        "--env", metavar="NAME[=VALUE]", action="append", default=[], help="an environment variable to send"
    )
    job.add_argument(
        "--entrypoint-num-cpus", metavar="N", type=amount, help="CPUs that the entrypoint reserves"
    )
    job.add_argument("--entrypoint-num-gpus", metavar="N", type=amount, help="GPUs that it reserves")
    job.add_argument("--entrypoint-memory", metavar="BYTES", help="memory that it reserves: 2GiB")


def add_check_options(parser: SubmitParser) -> None:
    """How the checks are made."""
    checks = parser.add_argument_group("the checks")
    checks.add_argument(
        "--probe", action="store_true", help="a small job asks on the cluster what its identity may do"
    )
    checks.add_argument(
        "--skip-check",
        action="store_true",
        help="send although a check does not pass; --skip-check=imports,secrets: although one of these does not",
    )


def add_run_options(parser: SubmitParser) -> None:
    """What becomes of it."""
    sending = parser.add_argument_group("how it is sent")
    sending.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, as JSON, and send nothing"
    )
    sending.add_argument("--no-wait", action="store_true", help="send, print the submission id, and end")
    sending.add_argument("--submission-id", metavar="ID", type=job_id, help="choose the id yourself")


def amount(text: str) -> float:
    """A number of CPUs or GPUs."""
    number = float(text)
    if not 0 <= number < 1e9:
        raise ValueError(text)
    return number


def job_id(text: str) -> str:
    """A submission id that is safe in a URL and as a file's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a submission id: use letters, digits, '_', '-' and '.'"
        )
    return text
