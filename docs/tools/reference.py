"""Write docs/reference.md: every command, option, setting, exit code, header key and RESULT key, from the code.

python -m docs.tools.reference
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bench.cli
import bench.lessons
import cluster.cli
from docs.tools.arguments import Row, command, heading, subcommands
from docs.tools.markdown import code, table
from iam import options as iam_options
from raydock import errors
from raydock.jobscript import header
from raydock.settings import ROOT
from submit import flags
from submit.results import keys

PAGE = ROOT / "docs" / "reference.md"
NOTE = "<!-- Written by `python -m docs.tools.reference`, and checked by tests/unit/test_docs.py. -->"
SETTING = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<default>.*)$")
CODES = re.compile(r"(\d{1,3}) (.+?)(?:, (?=\d)|$)")


def page() -> str:
    """The whole page."""
    sections = (
        commands(),
        exit_codes(),
        settings(),
        job_header(),
        result(),
        make_targets(),
    )
    lines = [
        "# Reference",
        "",
        NOTE,
        "",
        "This page is generated from the code. Durations are written `90`, `90s`, `30m`, `1.5h`, `1h30m` or `1d`.",
        "",
    ]
    return "\n".join([*lines, *(line for section in sections for line in section)]).rstrip() + "\n"


def commands() -> Iterator[str]:
    """Every command with its arguments. What an earlier command of the same program explains is only named."""
    known: set[Row] = set()
    yield from ("## python submit.py", "", "Send a job script, and follow its job.", "")
    yield from command(flags.build_parser("run"), known)
    for verb, about in flags.VERBS.items():
        yield from heading(f"submit.py {verb}", about)
        yield from command(flags.build_parser(verb), known)
    top, known = cluster.cli.parser(), set()
    yield from ("", "## python -m cluster", "", top.description or "")
    for name, parser, about in subcommands(top):
        yield from heading(f"cluster {name}", about)
        yield from command(parser, known)
    known = set()
    yield from ("", "## python -m iam", "", iam_options.overview().description or "")
    for verb, about in iam_commands():
        yield from heading(f"iam {verb}", about)
        yield from command(iam_options.parser_of(verb), known)
    for own in (bench.cli.parser(), bench.lessons.parser()):
        yield from ("", f"## {own.prog}", "", own.description or "", "")
        yield from command(own, set())


def iam_commands() -> Iterator[tuple[str, str]]:
    """The name and the description of each command of `python -m iam`."""
    yield from iam_options.all_commands().items()


def exit_codes() -> Iterator[str]:
    """The exit codes of the three programs."""
    yield from ("", "## Exit codes", "")
    submit, iam = listed(flags.EPILOG), listed(iam_options.EPILOG)
    own = {0: "done"} | {
        kind.exit_code: first_sentence(kind)
        for kind in (
            errors.Interrupted,
            errors.NotUp,
            errors.PermissionDenied,
            errors.CommandFailed,
            errors.UsageError,
        )
    }
    own[3] = "refused: not found, not permitted, or jobs are running"
    own[1] = "failed, or not ready within the deadline"
    own[70] = iam[70] = submit[70]
    iam[130] = "interrupted; changes made so far are kept"
    rows = [
        (code(str(number)), *(words.get(number, "–") for words in (submit, own, iam)))
        for number in sorted({*submit, *own, *iam})
    ]
    yield from table(("code", "submit.py", "python -m cluster", "python -m iam"), rows)


def listed(epilog: str) -> dict[int, str]:
    """The exit codes that a command's help lists."""
    text = " ".join(epilog.partition("exit codes: ")[2].split())
    return {int(number): meaning.strip().rstrip(".") for number, meaning in CODES.findall(text)}


def first_sentence(kind: type) -> str:
    """The first sentence of a class's docstring, as a phrase."""
    text = (kind.__doc__ or "").partition(".")[0]
    return text[0].lower() + text[1:] if not text.startswith("Ctrl") else text


def settings() -> Iterator[str]:
    """Every setting of .env.example, with the comment above it."""
    yield from (
        "",
        "## Settings",
        "",
        "Set them in the environment or in `.env` (copy `.env.example`). A flag wins over the environment, the "
        "environment over `.env`.",
        "",
    )
    rows: list[tuple[str, str, str]] = []
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if match := SETTING.match(line):
            meaning = linked(" ".join(comment)) or "as above"
            rows.append((code(match["name"]), code(match["default"]) if match["default"] else "–", meaning))
            comment = []
        else:
            comment = [*comment, line.removeprefix("#").strip()] if line.startswith("#") else []
    yield from table(("setting", "default", "meaning"), rows)
    yield from (
        "",
        "`RAY_JOB_HEADERS`, a JSON object, adds headers to the requests of `--address`. `RAYDOCK_KEY_SHA256` is the "
        "SHA-256 of the key that the gateway accepts; `python -m cluster up` sets it.",
    )


def linked(text: str) -> str:
    """The text with its references to pages as links."""
    return re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", text)


def job_header() -> Iterator[str]:
    """The keys of a job script's header, from the docstring of the module that reads it."""
    text = header.__doc__ or ""
    block = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    yield from (
        "",
        "## The header of a job script",
        "",
        "A [PEP 723](https://peps.python.org/pep-0723/) block. Every key is optional; a script without a header "
        "declares nothing.",
        "",
        "```python",
        *block,
        "```",
    )


def result() -> Iterator[str]:
    """What `submit.py` and the report read from a job's RESULT line."""
    yield from (
        "",
        "## RESULT",
        "",
        "[What a job reports](result.md). All keys are optional.",
        "",
        *keys.markdown().splitlines(),
    )


def make_targets() -> Iterator[str]:
    """The targets of the Makefile."""
    yield from ("", "## make", "")
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rows = re.findall(r"^([a-z-]+):.*?## (.+)$", text, re.MULTILINE)
    yield from table(("target", "what it does"), [(code(f"make {name}"), about) for name, about in rows])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
