"""Write docs/reference.md: every command, option, setting, exit code, header key and RESULT key, from the code.

python -m docs.tools.reference
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import bench.cli
import bench.lessons
import cluster.cli
from iam import options as iam_options
from raydock import errors
from raydock.jobscript import header
from raydock.settings import ROOT
from submit import flags
from submit.results import keys

Row = tuple[str, str]
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
    yield from iam_options.VERBS.items()


def heading(name: str, about: str) -> tuple[str, ...]:
    """The heading of a command, and what it does."""
    return ("", f"### {name}", "", f"{sentence(about)}.", "")


def subcommands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """The name, the parser and the description of each command of a parser."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, parser in action.choices.items():
                yield name, parser, about.get(name, "")


def command(parser: argparse.ArgumentParser, known: set[Row]) -> Iterator[str]:
    """The usage of one command, and a table of its arguments. Adds them to those that are known."""
    yield from ("```", usage(parser), "```")
    rows = [
        (argument(action), sentence(text_of(action)) or "–")
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    ]
    if new := [row for row in rows if row not in known]:
        yield from ("", *table(("argument", "meaning"), new))
    if old := [name for name, meaning in rows if (name, meaning) in known]:
        yield from ("", f"As above: {', '.join(old)}.")
    known |= set(rows)


def usage(parser: argparse.ArgumentParser) -> str:
    """The usage without `-h`, wrapped independently of the terminal."""
    words = [word for word in parser.format_usage().split() if word != "[-h]"]
    whole = re.sub(r"\[[^\]]*\]", lambda option: option[0].replace(" ", "\0"), " ".join(words[1:]))
    lines = textwrap.fill(whole, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def argument(action: argparse.Action) -> str:
    """An argument as it is written on the command line."""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if action.choices and not metavar:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return code(metavar or action.dest)
    value = "" if action.nargs == 0 else f" {metavar or action.dest.upper()}"
    return ", ".join(code(option + value) for option in action.option_strings)


def text_of(action: argparse.Action) -> str:
    """The help of an argument, as argparse shows it."""
    return (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))


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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    for line in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"


def code(text: str) -> str:
    """The text as code."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """The text with a capital letter; flags and names stay as they are."""
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
