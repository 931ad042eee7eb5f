"""A parser for CEL, the language of conditions. `condition.py` evaluates the syntax tree.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
"""

from __future__ import annotations

from dataclasses import dataclass

from iam.errors import BadCondition
from iam.policy.cel_tokens import CelToken, tokens

PRECEDENCE = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
MAX_DEPTH = 40  # nested parentheses: IAM allows 12 logical operators, and each level takes ten Python frames


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, a number, true, false or null."""

    value: str | float | bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """Identifiers joined by dots, such as resource.name."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call to an operator, function or method. A method's receiver is the first argument."""

    name: str
    arguments: tuple[Node, ...]


Node = Literal | Path | FunctionCall


def parse(expression: str) -> Node:
    """Parse an expression into a syntax tree. Raises BadCondition."""
    parser = CelParser(tokens(expression))
    node = parser.expression()
    if parser.peek() is not None:
        raise BadCondition(f'Unexpected "{parser.peek()}" at the end of the condition.')
    return node


class CelParser:
    """A recursive descent parser with one method per level of the grammar."""

    def __init__(self, found: list[CelToken]) -> None:
        self.tokens = found
        self.at = 0
        self.depth = 0

    def peek(self) -> str | None:
        """The next mark or name; None at the end. Literals are quoted, so that they never equal a mark."""
        if self.at == len(self.tokens):
            return None
        token = self.tokens[self.at]
        return token.text if token.kind in ("mark", "name") else repr(token.text)

    def take(self, *marks: str) -> bool:
        """Consume the next token if it is one of the marks."""
        found = self.peek() in marks
        self.at += found
        return found

    def expect(self, mark: str) -> None:
        """Consume the mark, or raise BadCondition."""
        if not self.take(mark):
            raise BadCondition(f'Expected "{mark}" in the condition, but found "{self.peek()}".')

    def expression(self) -> Node:
        """Parse a conditional expression, or anything that binds tighter."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadCondition("The condition is nested too deeply.")
        node = self.binary(0)
        if self.take("?"):
            yes = self.expression()
            self.expect(":")
            node = FunctionCall("?:", (node, yes, self.expression()))
        self.depth -= 1
        return node

    def binary(self, level: int) -> Node:
        """Parse the left-associative operators of one precedence level."""
        if level == len(PRECEDENCE):
            return self.unary()
        node = self.binary(level + 1)
        while (operator := self.peek()) in PRECEDENCE[level]:
            self.at += 1
            node = FunctionCall(str(operator), (node, self.binary(level + 1)))
        return node

    def unary(self) -> Node:
        """Parse any number of `!` and `-`."""
        marks: list[str] = []
        while (mark := self.peek()) in ("!", "-"):
            self.at += 1
            marks.append(str(mark))
        node = self.member()
        for mark in reversed(marks):
            node = FunctionCall("!" if mark == "!" else "negative", (node,))
        return node

    def member(self) -> Node:
        """Parse a primary with its selectors, calls and indices."""
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
        """Parse a literal, a name, a function call, a list, a map or an expression in parentheses."""
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
        """Parse a string or a number. A float is precise enough for the numbers in conditions."""
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "text":
            return Literal(token.text)
        digits = token.text.rstrip("uU")
        return Literal(float(int(digits, 16)) if digits[:2].lower() == "0x" else float(digits))

    def name(self) -> str:
        """Parse an identifier."""
        if self.at == len(self.tokens) or self.tokens[self.at].kind != "name":
            raise BadCondition(f'Expected a name in the condition, but found "{self.peek()}".')
        self.at += 1
        return self.tokens[self.at - 1].text

    def arguments(self, end: str) -> tuple[Node, ...]:
        """Parse comma-separated expressions up to the closing mark."""
        found: list[Node] = []
        while not self.take(end):
            if found:
                self.expect(",")
                if self.take(end):
                    break
            found.append(self.expression())
        return tuple(found)

    def pairs(self) -> tuple[Node, ...]:
        """Parse the keys and values of a map into one flat tuple."""
        found: list[Node] = []
        while not self.take("}"):
            if found:
                self.expect(",")
            found.append(self.expression())
            self.expect(":")
            found.append(self.expression())
        return tuple(found)
