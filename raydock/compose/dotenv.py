"""Read `.env` as Docker Compose does. Compose passes it to the containers, so all commands must read the same values.

Source: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/ and, for details missing
there, compose-go's dotenv/parser.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from raydock.compose.interpolation import interpolate
from raydock.errors import SettingsError

BLANK = "\t\v\f\r \x85\xa0"  # whitespace other than a line feed
EXPORT = re.compile(rf"export[{BLANK}\n]+")
KEY = re.compile(rf"([\w.\-\[\]{BLANK}]*)([=:\n]|\Z)")
ESCAPE = re.compile(r'\\([abcfnrtv$"\\]|0\d{0,3})')
ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$",
}  # fmt: skip


def dotenv(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The values in the file; empty if there is no file.

    `environ` provides ${NAME} in values and takes precedence over the file.
    Raises SettingsError if Compose would reject the file.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as fault:
        raise SettingsError(f"{path} can't be read: {fault.strerror}.", f"chmod u+r {path}") from None
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").decode(errors="surrogateescape")
    return DotenvReader(path, text, environ).values()


class DotenvReader:
    """One pass over the text. `rest` is the unread part."""

    def __init__(self, path: Path, text: str, environ: Mapping[str, str]) -> None:
        self.path, self.text, self.rest, self.environ = path, text, text, environ
        self.found: dict[str, str] = {}

    def values(self) -> dict[str, str]:
        """All variables and their values. Raises SettingsError."""
        while self.skip():
            start = self.rest
            if export := EXPORT.match(self.rest):
                self.rest = self.rest[export.end() :]
            key, given = self.key(start)
            if given:
                self.found[key] = self.value(start)
            elif key in self.environ:
                self.found[key] = self.environ[key]
        return self.found

    def skip(self) -> bool:
        """Skip blank lines and comments. Returns whether any text is left."""
        self.rest = self.rest.lstrip()
        while self.rest.startswith("#"):
            self.rest = self.rest.partition("\n")[2].lstrip()
        return bool(self.rest)

    def key(self, start: str) -> tuple[str, bool]:
        """The variable's name and whether a value follows; if not, the value comes from the environment."""
        found = KEY.match(self.rest)
        name = found[1].rstrip() if found else ""
        if not found or not name or " " in name:
            line = start.partition("\n")[0].strip()
            raise self.wrong(start, f"{line[:40]!r} is not in the form NAME=value", "Begin comments with #.")
        self.rest = self.rest[found.end() :].lstrip(BLANK)
        return name, found[2] in ("=", ":")

    def value(self, start: str) -> str:
        """The value after the equals sign, unquoted and interpolated."""
        quote = self.rest[:1]
        if quote in ("'", '"') and quote:
            inside = self.quoted(quote, start)
            return inside if quote == "'" else self.expanded(ESCAPE.sub(unescaped, inside), start)
        line, _, self.rest = self.rest.partition("\n")
        return self.expanded(line.partition(" #")[0].rstrip(), start)

    def quoted(self, quote: str, start: str) -> str:
        """The text between quotes. A backslash escapes the quote character."""
        inside, place = "", 1
        while place < len(self.rest):
            char = self.rest[place]
            if char == quote:
                self.rest = self.rest[place + 1 :]
                return inside
            if char == "\\" and place + 1 < len(self.rest):
                place += 1
                char = self.rest[place] if self.rest[place] == quote else f"\\{self.rest[place]}"
            inside += char
            place += 1
        raise self.wrong(start, f"the quote {quote} is not closed", f"End the value with {quote}.")

    def expanded(self, value: str, start: str) -> str:
        """The value with its variables replaced. Raises SettingsError with the line number."""
        try:
            return interpolate(value, {**self.found, **self.environ})
        except SettingsError as fault:
            raise self.wrong(start, fault.message.rstrip("."), fault.fix) from None

    def wrong(self, start: str, why: str, fix: str) -> SettingsError:
        """The error for a line, with its number. `start` is the text from that line to the end."""
        number = self.text[: len(self.text) - len(start)].count("\n") + 1
        return SettingsError(f"{self.path}, line {number}: {why}.", fix)


def unescaped(found: re.Match[str]) -> str:
    """The character for a backslash escape in double quotes; unknown escapes are unchanged."""
    what = found[1]
    if what[0] == "0":
        number = what[1:]
        valid = (
            len(number) == 3 and number.isascii() and set(number) <= set("01234567") and int(number, 8) < 256
        )
        return chr(int(number, 8)) if valid else f"\\{number}"
    return ESCAPES.get(what, found[0])
