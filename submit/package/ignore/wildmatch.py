"""Git's wildmatch, translated to regular expressions over bytes.

Follows `wildmatch.c` (dowild) and `dir.c` (match_pathname) of Git 2.39, quirks included; a property test compares it
with Git itself. pathspec 1.1.1's GitIgnoreSpec does not pass that test: of 600 random ignore files, 225 raise an error
where Git drops or accepts the pattern, and 42 select different files. With only letters, stars and ranges, 41 of 600
select different files, mostly because Git's `?` and `[!a]` match one byte rather than one character.

Stars match leftmost and never backtrack, as in Python's own fnmatch, so no pattern takes exponential
time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SPECIAL = re.compile(rb"[*?\[\\]")
_SLASH = ord("/")
_CLASSES = {
    b"alnum": rb"[0-9A-Za-z]", b"alpha": rb"[A-Za-z]", b"blank": rb"[ \t]", b"cntrl": rb"[\x00-\x1f\x7f]",
    b"digit": rb"[0-9]", b"graph": rb"[!-~]", b"lower": rb"[a-z]", b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]", b"space": rb"[ \t-\r]", b"upper": rb"[A-Z]", b"xdigit": rb"[0-9A-Fa-f]",
}  # fmt: skip

# Tokens that are not literal pieces of a regular expression.
_STAR = b"*"  # any bytes but "/"
_DEEP = b"**/"  # any directories, or none
_DEEPER = b"**\\/"  # any directories, at least one: how Git reads an escaped slash after two stars
_REST = b"**"  # everything that follows


def literal_length(pattern: bytes) -> int:
    """The number of literal bytes at the start of `pattern`."""
    found = _SPECIAL.search(pattern)
    return found.start() if found else len(pattern)


def translate(pattern: bytes, serial: Iterator[int]) -> bytes | None:
    """The regular expression for a pattern, for fullmatch with DOTALL; None if the pattern can never match.

    serial: numbers the groups, so that expressions can be joined with "|".
    """
    tokens = _tokens(pattern)
    if tokens is None:
        return None
    out, opened = b"", b""
    piece: list[bytes] = []
    for token in tokens:
        if token in (_DEEP, _DEEPER):
            out += _once(opened + _segments(piece, serial), serial) if opened else _segments(piece, serial)
            piece, opened = [], rb"(?:.*?/)??" if token == _DEEP else rb"(?:.*?/)"
        else:
            piece.append(token)
    return out + opened + _segments(piece, serial)


def _tokens(pattern: bytes) -> list[bytes] | None:
    tokens: list[bytes] = []
    start, at = literal_length(pattern), 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"*":
            token, at = _stars(pattern, at, start)
            tokens.append(token)
        elif char == b"?":
            tokens.append(rb"[^/]")
            at += 1
        elif char == b"[":
            bracket = _bracket(pattern, at)
            if bracket is None:
                return None
            tokens.append(bracket[0])
            at = bracket[1]
        else:
            at += char == b"\\"
            if at == len(pattern):
                return None
            tokens.append(re.escape(pattern[at : at + 1]))
            at += 1
    return tokens


def _stars(pattern: bytes, at: int, start: int) -> tuple[bytes, int]:
    """The token for the stars at `at`, and the index after it.

    Two stars are special only between slashes. Git strips the literal start of a pattern first, so stars right after
    it count as being at the start: "foo**/bar" matches "foo/x/bar".
    """
    end = at
    while pattern[end : end + 1] == b"*":
        end += 1
    alone = end - at > 1 and (at == start or pattern[at - 1 : at] == b"/")
    if alone and end == len(pattern):
        return _REST, end
    if alone and pattern[end : end + 1] == b"/":
        return _DEEP, end + 1
    if alone and pattern[end : end + 2] == b"\\/":
        return _DEEPER, end + 2
    return _STAR, end


def _bracket(pattern: bytes, at: int) -> tuple[bytes, int] | None:
    """The expression for the bracket at `at`, and the index after it; None if Git rejects the pattern."""
    at += 1
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    previous = 0
    while True:
        if at >= len(pattern):
            return None
        char = pattern[at]
        if char == ord("\\"):
            at += 1
            if at >= len(pattern):
                return None
            char = pattern[at]
            members.add(char)
        elif char == ord("-") and previous and at + 1 < len(pattern) and pattern[at + 1] != ord("]"):
            at += 1 + (pattern[at + 1] == ord("\\"))
            if at >= len(pattern):
                return None
            members.update(range(previous, pattern[at] + 1))
            char = 0
        elif pattern[at : at + 2] == b"[:":
            end = pattern.find(b"]", at + 2)
            if end < 0:
                return None
            if end > at + 2 and pattern[end - 1] == ord(":"):
                known = _CLASSES.get(pattern[at + 2 : end - 1])
                if known is None:
                    return None
                members.update(byte for byte in range(256) if re.match(known, bytes([byte])))
                at, char = end, 0
            else:
                members.add(char)
        else:
            members.add(char)
        previous = char
        at += 1
        if pattern[at : at + 1] == b"]":
            return _one_of(set(range(256)) - members if negated else members), at + 1


def _one_of(members: set[int]) -> bytes:
    kept = sorted(members - {_SLASH})
    return b"[" + b"".join(rb"\x%02x" % byte for byte in kept) + b"]" if kept else rb"(?!)"


def _segments(tokens: list[bytes], serial: Iterator[int]) -> bytes:
    """The expression for tokens without "**". In each path segment, only the last star may backtrack."""
    out, star, fixed = b"", False, b""
    for token in tokens:
        if token == re.escape(b"/"):
            out, star, fixed = out + (rb"[^/]*" if star else b"") + fixed + token, False, b""
        elif token == _REST:
            return out + (rb"[^/]*" if star else b"") + fixed + rb".*"
        elif token == _STAR:
            out, star, fixed = out + (_once(rb"[^/]*?" + fixed, serial) if star else fixed), True, b""
        else:
            fixed += token
    return out + (rb"[^/]*" if star else b"") + fixed


def _once(expression: bytes, serial: Iterator[int]) -> bytes:
    """An atomic group, emulated because Python before 3.11 lacks them."""
    name = b"g%d" % next(serial)
    return rb"(?=(?P<" + name + rb">" + expression + rb"))(?P=" + name + rb")"
