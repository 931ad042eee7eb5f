"""A command line of `gcloud`: the command, its arguments and its flags. Everything unknown is rejected."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from raydock.errors import UsageError
from raydock.terminal.commandline import near

MANY = 1000
# Flags that every command takes: True if a value follows.
EVERYWHERE = {"--project": True, "--quiet": False, "-q": False}


@dataclass(frozen=True, slots=True)
class Invocation:
    """The arguments and flags of one call; a flag without a value has the value ""."""

    arguments: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)

    def flag(self, *names: str, default: str = "") -> str:
        """The value of a flag, by any of its names."""
        return next((self.flags[name] for name in names if name in self.flags), default)

    def has(self, *names: str) -> bool:
        """Whether a flag is given, by any of its names."""
        return any(name in self.flags for name in names)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what it does, its flags (True if a value follows), and how many arguments it takes.

    `run` returns the lines to print, or an exit code if it printed by itself.
    """

    run: Callable[[Invocation], Iterable[str] | int]
    usage: str = ""
    flags: Mapping[str, bool] = field(default_factory=dict)
    least: int = 0
    most: int = 0


Commands = Mapping[str, Command]


def parse(program: str, argv: Sequence[str], known: Commands) -> tuple[Command, Invocation]:
    """The command and its call. Raises UsageError, which names what the lab's program does not have."""
    words = [word for word in argv if word != "-m"] if program == "gsutil" else list(argv)  # -m: in parallel
    name = name_of(words, known)
    if not name:
        plain = [*itertools.takewhile(re.compile("[a-z-]+").fullmatch, leading(words))]
        named = " ".join(plain[:3]) or words[0]
        close = near(named, known, 0.6)
        raise UsageError(
            f"The lab's {program} has no `{named}`.", f"{program} {close}" if close else f"{program} --help"
        )
    command = known[name]
    call = invocation(f"{program} {name}", [*words_after(words, name)], {**EVERYWHERE, **command.flags})
    if not command.least <= len(call.arguments) <= command.most:
        raise UsageError(
            f"{program} {name} takes {command.usage or 'no argument'}.", f"{program} {name} {command.usage}"
        )
    return command, call


def name_of(words: Sequence[str], known: Commands) -> str:
    """The longest command that the words start with; "" for none. Flags may come before it."""
    plain = leading(words)
    return next((name for n in range(len(plain), 0, -1) if (name := " ".join(plain[:n])) in known), "")


def leading(words: Sequence[str]) -> list[str]:
    """The words that are no flags."""
    return [word for word in words if not word.startswith("-")]


def words_after(words: Sequence[str], name: str) -> Iterator[str]:
    """The words without those of the command's name."""
    left = name.split()
    for word in words:
        if left and word == left[0]:
            left.pop(0)
        else:
            yield word


def invocation(command: str, words: Sequence[str], flags: Mapping[str, bool]) -> Invocation:
    """Sort words into arguments and flags. Raises UsageError for an unknown flag."""
    arguments, found, rest = list[str](), dict[str, str](), iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            arguments.append(word)
        elif flag not in flags:
            raise UsageError(
                f"The lab's `{command}` has no flag {flag}.",
                f"its flags: {', '.join(one for one in flags if one.startswith('--'))}",
            )
        else:
            found[flag] = value if equals else (next(rest, "") if flags[flag] else "")
    return Invocation(tuple(arguments), found)


def names_of(known: Commands) -> list[str]:
    """Each command with its arguments."""
    return [f"{name} {command.usage}".rstrip() for name, command in known.items()]
