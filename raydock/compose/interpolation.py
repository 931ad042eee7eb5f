"""Replace variables in a string as Docker Compose does.

Source: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from raydock.errors import SettingsError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BRACED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?", re.DOTALL)


def interpolate(template: str, settings: Mapping[str, str]) -> str:
    """Replace $NAME, ${NAME} and ${NAME:-x}. The operators -, + and ? also work; $$ is a dollar sign.

    Inserted values are not interpolated again. Raises SettingsError for an invalid ${…}, and for ${NAME:?x} if NAME
    is not set.
    """
    done, rest = "", template
    while "$" in rest:
        before, _, rest = rest.partition("$")
        done += before
        if rest.startswith("$"):
            done, rest = f"{done}$", rest[1:]
        elif rest.startswith("{"):
            inside, rest = braced(rest)
            done += substitute(inside, settings)
        elif found := NAME.match(rest):
            done, rest = done + settings.get(found[0], ""), rest[found.end() :]
        else:
            done += "$"
    return done + rest


def braced(text: str) -> tuple[str, str]:
    """Split a string that starts with a brace into the content up to the matching brace and the rest."""
    depth = 0
    for place, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return text[1:place], text[place + 1 :]
    raise SettingsError(
        f"${text.splitlines()[0]} is not closed.", "Write it as ${NAME}, or write a dollar sign as $$."
    )


def substitute(inside: str, settings: Mapping[str, str]) -> str:
    """The value of one ${NAME operator word}. With a colon, an empty value counts as not set."""
    found = BRACED.fullmatch(inside)
    if not found:
        raise SettingsError(
            f"${{{inside}}} is not a variable.", "Write it as ${NAME}, or write a dollar sign as $$."
        )
    name, operator, word = found.groups("")
    value = settings.get(name, "")
    present = bool(value) if operator.startswith(":") else name in settings
    return OPERATORS[operator[-1:]](name, value, present, lambda: interpolate(word, settings))


def required(name: str, value: str, present: bool, word: Callable[[], str]) -> str:
    """The operator ?: the value. Raises SettingsError if the variable is not set."""
    if not present:
        raise SettingsError(f"{name} is not set: {word()}.", f"Set {name} in the environment or in .env.")
    return value


OPERATORS: Mapping[str, Callable[[str, str, bool, Callable[[], str]], str]] = {
    "": lambda name, value, present, word: value,
    "-": lambda name, value, present, word: value if present else word(),
    "+": lambda name, value, present, word: word() if present else "",
    "?": required,
}
