"""The tokens of CEL, the language of conditions.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iam.errors import BadCondition

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<bytes>[bB][rR]?(?="|')|[rR][bB](?="|'))
    |(?P<raw>[rR])?(?P<quote>\"{3}|'{3}|"|')(?P<text>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class CelToken:
    """One token. `kind` is text, number, name or mark."""

    kind: str
    text: str


def tokens(expression: str) -> list[CelToken]:
    """Split an expression into tokens. Raises BadCondition."""
    found: list[CelToken] = []
    at = 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if match is None or match["bytes"]:
            raise BadCondition(f"Syntax error in the condition at {expression[at : at + 20]!r}.")
        if match["quote"]:
            found.append(CelToken("text", match["text"] if match["raw"] else _unescaped(match["text"])))
        elif not match["space"]:
            found.append(CelToken(str(match.lastgroup), match[0]))
        at = match.end()
    return found


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        digits = match[1] or match[2] or match[3]
        if digits or match[4]:
            code = int(digits, 16) if digits else int(match[4], 8)
            if code > 0x10FFFF:
                raise BadCondition("An escape in the condition is not a Unicode character.")
            return chr(code)
        return ESCAPES.get(match[5], match[5])

    return ESCAPE.sub(one, text)
