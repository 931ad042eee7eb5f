"""Command lines: corrections for misspelled ones, ready to paste, and the flags that several commands share."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from raydock.errors import RaydockError, UsageError

MEANT = "did you mean: "
CLOSE = 0.85  # so similar that another word is unlikely


@dataclass(frozen=True, slots=True)
class Word:
    """One word: an "option" that the parser knows, its "value", an "unknown" option, or an "operand"."""

    place: int
    text: str
    kind: str
    flag: str = ""  # the option itself, or the option of a value
    value: str | None = None  # the option's value

    @property
    def stray(self) -> str:
        """The option without the value after its equals sign."""
        return self.text.partition("=")[0]


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `fault(message, fix)` instead of exiting."""

    fault: type[RaydockError] = UsageError

    def __init__(self, *words: Any, **options: Any) -> None:
        self.options: dict[str, argparse.Action] = {}  # by name, such as "--help"
        self.commands: Mapping[str, Parser] = {}  # the parsers of its subcommands, by name
        super().__init__(*words, **options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """See argparse."""
        return self.recorded(super().add_argument(*names, **options))

    def add_argument_group(self, *words: Any, **options: Any) -> Any:
        """See argparse. The group's options are the parser's too."""
        group = super().add_argument_group(*words, **options)
        add = group.add_argument
        group.add_argument = lambda *names, **more: self.recorded(add(*names, **more))  # type: ignore[method-assign]
        return group

    def add_subparsers(self, **options: Any) -> Any:
        """See argparse."""
        found = super().add_subparsers(**options)
        self.commands = cast("Mapping[str, Parser]", found.choices)
        return found

    def recorded(self, action: argparse.Action) -> argparse.Action:
        """Add the action's names to `options`, and return it."""
        self.options.update(dict.fromkeys(action.option_strings, action))
        return action

    def error(self, message: str) -> NoReturn:
        """Raise `fault` with argparse's message. Called by argparse."""
        raise self.fault(message[0].upper() + message[1:] + ".", f"{self.prog} --help")

    def checked(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse `words`. Raises `fault` with the corrected line if an option is misspelled."""
        self.refuse_strangers(read(words, self), words)
        given, rest = self.parse_known_args(list(words))
        if rest:
            raise self.stranger(rest[0], words)
        return given

    def refuse_strangers(self, found: Iterable[Word], words: Sequence[str]) -> None:
        """Raise `fault` for an unknown option, and for a value that is not among an option's choices."""
        for word in found:
            if word.kind == "unknown":
                raise self.stranger(word.text, words)
            refuse_choice(self, word, line(self.prog, words))

    def stranger(self, text: str, words: Sequence[str]) -> RaydockError:
        """The error for an unknown word, with the corrected line if it resembles an option."""
        flag, equals, value = text.partition("=")
        close = near(flag, self.flags) if text.startswith("-") else ""
        meant = [close + equals + value if word == text else word for word in words]
        return self.fault(
            f"{self.prog} does not accept {text}.",
            MEANT + line(self.prog, meant) if close else f"{self.prog} --help",
        )

    @property
    def flags(self) -> list[str]:
        """All options except -h and --help."""
        return [flag for flag in self.options if flag not in ("-h", "--help")]


def refuse_choice(parser: Parser, word: Word, whole: str) -> None:
    """Raise the parser's `fault` if the word is not among its option's choices. `whole` is the line."""
    action = parser.options.get(word.flag)
    choices = [str(choice) for choice in (action.choices or ())] if action else []
    if not choices or word.value is None or word.value in choices:
        return
    close = near(word.value, choices, 0.6)
    meant = replaced(whole, word, close)
    fix = MEANT + meant if close else f"{parser.prog} --help"
    raise parser.fault(f"{word.flag} {word.value!r} is not one of {', '.join(choices)}.", fix)


def replaced(whole: str, word: Word, value: str) -> str:
    """The line with the option's value replaced."""
    words = shlex.split(whole)
    place = next(
        number
        for number, text in enumerate(words)
        if text == word.text and (word.kind == "option" or words[number - 1] == word.flag)
    )
    words[place] = f"{word.flag}={value}" if word.kind == "option" else value
    return shlex.join(words)


def line(program: str, words: Sequence[str]) -> str:
    """A command line, ready to paste: `program` unchanged, the words quoted for a shell where necessary."""
    return f"{program} {shlex.join(words)}" if words else program


def read(words: Sequence[str], parser: Parser) -> list[Word]:
    """Classify each word as the parser would."""
    found: list[Word] = []
    actions = parser.options
    waiting = ""  # the option that expects the next word as its value
    for place, text in enumerate(words):
        flag, equals, value = text.partition("=")
        if waiting and (not text.startswith("-") or is_number(text) or text == "-"):
            found.append(Word(place, text, "value", waiting, text))
            waiting = ""
        elif text.startswith("-") and text != "-":
            action = actions.get(flag)
            kind = "option" if action else "unknown"
            found.append(Word(place, text, kind, flag if action else "", value if equals else None))
            waiting = flag if action and action.nargs is None and not equals else ""
        else:
            found.append(Word(place, text, "operand"))
    return found


def is_number(text: str) -> bool:
    """Whether a string is a number, such as an option's negative value."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def near(word: str, known: Iterable[str], cutoff: float = 0.75) -> str:
    """The name in `known` that the word resembles, extends or abbreviates; "" if there is none."""
    names = {name.lstrip("-"): name for name in known}
    bare = word.lstrip("-").lower()
    best = max(names, key=lambda name: alike(bare, name), default="")
    related = [
        name for name in names if bare.startswith(f"{name}-") or (len(bare) > 2 and name.startswith(bare))
    ]
    if best and alike(bare, best) < CLOSE and related:
        return names[related[0]]
    return names[best] if best and alike(bare, best) >= cutoff else ""


def alike(word: str, name: str) -> float:
    """The similarity of two words, from 0 to 1."""
    return difflib.SequenceMatcher(None, word.lstrip("-"), name.lstrip("-")).ratio()


def add_location(group: argparse._ArgumentGroup) -> None:
    """Add the flags that locate a cluster on Vertex AI or Kubernetes, apart from its name."""
    group.add_argument(
        "--project",
        metavar="ID",
        default="",
        help="vertex: the cluster's project (default: your credentials' project)",
    )
    group.add_argument(
        "--region", metavar="REGION", default="", help="vertex: the cluster's region (default us-central1)"
    )
    group.add_argument(
        "--lab",
        action="store_true",
        help="the lab's Vertex AI, not Google's (default if the project is the lab's)",
    )
    group.add_argument(
        "--context",
        metavar="NAME",
        default="",
        help="kuberay: context of the kubeconfig (default: the current)",
    )
    group.add_argument(
        "--namespace", metavar="NS", default="", help="kuberay: its namespace (default: the context's)"
    )
