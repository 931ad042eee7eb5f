"""matchGlob: https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob

    *  any characters except /     **  any characters     **/  zero or more folders     ?  one character except /
    [a-z] [!a-z]  a set     {a,b}  alternatives     \\x  literal x

Patterns run as a bit-parallel NFA (one bit per state), so the cost is linear in the name's length. A regular expression
translated from a pattern could take minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloud.storage.request import invalid

ALTERNATIVES = 64  # maximum number of patterns that braces may expand to
LONGEST = 1024  # characters
DEEPEST = 64  # levels of braces
CharacterTest = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class GlobToken:
    """An element in a pattern. `takes` tests a character. `many`: whether it matches any number of characters."""

    text: str
    takes: CharacterTest
    many: bool = False


class Pattern:
    """A pattern without braces."""

    def __init__(self, text: str) -> None:
        self._items = tuple(_items(text))
        self._stars = self._mask(lambda item: item.many)
        self._folders = sum(1 << at for at in range(len(self._items) - 1) if self._is_folders(at))
        self._takers: dict[str, int] = {}

    def matches(self, name: str) -> bool:
        """Whether a name matches. Bit n of `state` is set if the first n items match the characters read so far."""
        state = self._reached(1, 0)
        for char in name:
            if char not in self._takers:
                self._takers[char] = self._mask(lambda item, char=char: item.takes(char))  # type: ignore[misc]
            taken = state & self._takers[char]
            state = self._reached((taken & ~self._stars) << 1, taken & self._stars)
            if not state:
                return False
        return bool(state >> len(self._items) & 1)

    def _reached(self, entered: int, stayed: int) -> int:
        """Add the states reachable without another character: past `**/` on entering it, and past any star."""
        folders = entered & self._folders
        while folders:
            entered |= folders << 2
            folders = folders << 2 & self._folders
        state = entered | stayed
        return state | (state & self._stars) << 1

    def _is_folders(self, at: int) -> bool:
        star, slash = self._items[at : at + 2]
        begins = at == 0 or self._items[at - 1].text == "/"
        return begins and star.text == "**" and slash.text == "/"

    def _mask(self, wanted: Callable[[GlobToken], bool]) -> int:
        return sum(1 << at for at, item in enumerate(self._items) if wanted(item))


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob: the patterns that its braces expand to."""

    alternatives: tuple[Pattern, ...]

    def matches(self, name: str) -> bool:
        """Whether a name matches one of the patterns."""
        return any(one.matches(name) for one in self.alternatives)

    def cost(self, name: str) -> int:
        """The cost of matching a name, in steps of a listing. One step costs about as much as reading an object."""
        return 1 + len(name) * len(self.alternatives) // 64


def compile_glob(text: str) -> Glob:
    """Compile a glob. Raises ApiError (400) if it is malformed or expands to more than 64 patterns."""
    try:
        if len(text) > LONGEST:
            raise ValueError
        return Glob(tuple(map(Pattern, _expanded(text))))
    except (ValueError, IndexError):
        raise invalid("matchGlob", text) from None


def _expanded(text: str, depth: int = 0) -> list[str]:
    """Expand braces: one pattern per alternative."""
    opened = _find(text, "{")
    if opened < 0:
        return [text]
    if depth > DEEPEST:
        raise ValueError
    parts, level, start, at = [], 0, opened + 1, opened
    while True:
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            level += 1
        elif char == "}" or (char == "," and level == 1):
            level -= char == "}"
            if char == "," or level == 0:
                parts.append(text[start:at])
                start = at + 1
            if level == 0:
                break
        at += 1
    found = [one for part in parts for one in _expanded(text[:opened] + part + text[at + 1 :], depth + 1)]
    if len(found) > ALTERNATIVES:
        raise ValueError
    return found


def _find(text: str, wanted: str) -> int:
    at = 0
    while at < len(text):
        if text[at] == wanted:
            return at
        at += 2 if text[at] == "\\" else 1
    return -1


def _items(text: str) -> Iterator[GlobToken]:
    """Split a pattern into items. Merges consecutive stars, which together match whatever the widest one matches."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "*":
            end = at
            while text[end : end + 1] == "*":
                end += 1
            wide = end - at > 1
            yield GlobToken(
                "**" if wide else "*", (lambda _: True) if wide else (lambda one: one != "/"), many=True
            )
            at = end
            continue
        if char == "[":
            end = text.index("]", at + 2)
            yield GlobToken(text[at : end + 1], _set(text[at + 1 : end]))
            at = end
        elif char == "?":
            yield GlobToken("?", lambda one: one != "/")
        else:
            if char == "\\":
                at += 1
            yield GlobToken(text[at], text[at].__eq__)
        at += 1


def _set(text: str) -> CharacterTest:
    negated = text[:1] in ("!", "^")
    at, ranges = int(negated), []
    while at < len(text):
        is_range = text[at + 1 : at + 2] == "-" and at + 2 < len(text)
        ranges.append((text[at], text[at + 2 if is_range else at]))
        at += 3 if is_range else 1
    return lambda one: one != "/" and any(low <= one <= high for low, high in ranges) != negated
