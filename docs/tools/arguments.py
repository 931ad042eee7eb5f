"""Documents a command's arguments, based on its argparse parser."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from docs.tools.markdown import code, sentence, table

Row = tuple[str, str]


def heading(name: str, about: str) -> tuple[str, ...]:
    """A command's heading and description."""
    return ("", f"### {name}", "", f"{sentence(about)}.", "")


def subcommands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """The name, parser and description of each subcommand of a parser."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, parser in action.choices.items():
                yield name, parser, about.get(name, "")


def command(parser: argparse.ArgumentParser, known: set[Row]) -> Iterator[str]:
    """A command's usage and a table of its arguments, which are added to `known`."""
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
    """The usage without `-h`, wrapped regardless of the terminal's width."""
    words = [word for word in parser.format_usage().split() if word != "[-h]"]
    whole = re.sub(r"\[[^\]]*\]", lambda option: option[0].replace(" ", "\0"), " ".join(words[1:]))
    lines = textwrap.fill(whole, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def argument(action: argparse.Action) -> str:
    """An argument as written on the command line."""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if action.choices and not metavar:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return code(metavar or action.dest)
    value = "" if action.nargs == 0 else f" {metavar or action.dest.upper()}"
    return ", ".join(code(option + value) for option in action.option_strings)


def text_of(action: argparse.Action) -> str:
    """An argument's help text, as shown by argparse."""
    return (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))
