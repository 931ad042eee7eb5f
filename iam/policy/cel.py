"""The syntax of CEL, the language of conditions: text in, tree out. What it means is `condition.py`'s business.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

from dataclasses import dataclass

from iam.errors import BadCondition
from iam.policy.cel_tokens import CelToken, tokens

LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
DEEPEST = 40  # parentheses in parentheses; IAM allows 12 logical operators, and each level takes ten of Python's frames


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or null."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """Names joined by dots."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An operator, a function or a method (its receiver is the first argument): `name` says which."""

    name: str
    arguments: tuple[Node, ...]


Node = Literal | Path | FunctionCall


def parse(expression: str) -> Node:
    """The tree of an expression. Raises BadCondition."""
    parser = CelParser(tokens(expression))
    node = parser.expression()
    if parser.peek() is not None:
        raise BadCondition(f'The condition has "{parser.peek()}" where it should end.')
    return node


class CelParser:
    """Recursive descent, one method a level of the grammar."""

    def __init__(self, found: list[CelToken]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0

    def peek(self) -> str | None:
        """The next mark or name; None at the end, and a quoted form for a literal, which no mark equals."""
        if self.at == len(self.tokens):
            return None
        token = self.tokens[self.at]
        return token.text if token.kind in ("mark", "name") else repr(token.text)

    def take(self, *marks: str) -> bool:
        """Steps over one of these, if it is next."""
        there = self.peek() in marks
        self.at += there
        return there

    def expect(self, mark: str) -> None:
        """Steps over it, or raises."""
        if not self.take(mark):
            raise BadCondition(f'The condition has "{self.peek()}" where "{mark}" was expected.')

    def expression(self) -> Node:
        """A ternary, or anything under it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadCondition("The condition is nested too deeply.")
        node = self.binary(0)
        if self.take("?"):
            yes = self.expression()
            self.expect(":")
            node = FunctionCall("?:", (node, yes, self.expression()))
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        """Operators of one precedence, from the left."""
        if level == len(LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while (operator := self.peek()) in LEVELS[level]:
            self.at += 1
            node = FunctionCall(str(operator), (node, self.binary(level + 1)))
        return node

    def unary(self) -> Node:
        """`!` and `-`, any number of them."""
        marks: list[str] = []
        while (mark := self.peek()) in ("!", "-"):
            self.at += 1
            marks.append(str(mark))
        node = self.member()
        for mark in reversed(marks):
            node = FunctionCall("!" if mark == "!" else "negative", (node,))
        return node

    def member(self) -> Node:
        """A primary with its selectors, calls and indices."""
        node = self.primary()
        while True:
            if self.take("."):
                name = self.name()
                if self.take("("):
                    node = FunctionCall(f".{name}", (node, *self.arguments(")")))
                else:
                    node = (
                        Path(f"{node.name}.{name}")
                        if isinstance(node, Path)
                        else FunctionCall("select", (node,))
                    )
            elif self.take("["):
                node = FunctionCall("index", (node, *self.arguments("]")))
            else:
                return node

    def primary(self) -> Node:
        """A literal, a name, a function call, a list, a map or something in parentheses."""
        if self.take("("):
            node = self.expression()
            self.expect(")")
            return node
        if self.take("["):
            return FunctionCall("list", self.arguments("]"))
        if self.take("{"):
            return FunctionCall("map", self.pairs())
        if self.at < len(self.tokens) and self.tokens[self.at].kind in ("text", "number"):
            return self.literal()
        name = self.name()
        if name in ("true", "false", "null"):
            return Literal({"true": True, "false": False, "null": None}[name])
        return FunctionCall(name, self.arguments(")")) if self.take("(") else Path(name)

    def literal(self) -> Literal:
        """A string, or a number as Python's float: conditions compare none that need more."""
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "text":
            return Literal(token.text)
        digits = token.text.rstrip("uU")
        return Literal(float(int(digits, 16)) if digits[:2].lower() == "0x" else float(digits))

    def name(self) -> str:
        """An identifier."""
        if self.at == len(self.tokens) or self.tokens[self.at].kind != "name":
            raise BadCondition(f'The condition has "{self.peek()}" where a name was expected.')
        self.at += 1
        return self.tokens[self.at - 1].text

    def arguments(self, end: str) -> tuple[Node, ...]:
        """Expressions up to the closing mark."""
        found: list[Node] = []
        while not self.take(end):
            if found:
                self.expect(",")
                if self.take(end):
                    break
            found.append(self.expression())
        return tuple(found)

    def pairs(self) -> tuple[Node, ...]:
        """The keys and values of a map, flat."""
        found: list[Node] = []
        while not self.take("}"):
            if found:
                self.expect(",")
            found.append(self.expression())
            self.expect(":")
            found.append(self.expression())
        return tuple(found)
