"""The text of a Python file, decoded as Python decodes it: a byte order mark, a declared encoding, any line ends."""

from __future__ import annotations

import codecs
import io
import tokenize

_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
_DECLARE = "save it as UTF-8, or declare its encoding in its first line, such as # -*- coding: cp1252 -*-"


class NotText(ValueError):
    """Python can't read the file: `reason` says why, `fix` what to do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason, self.fix = reason, fix


def decoded(data: bytes) -> str:
    r"""The text, its lines ending with \n. Raises NotText."""
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise NotText(f"it is {name} text", "save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise NotText(
            f"line {line} has a null byte, as UTF-16 text and binary files have", "save it as UTF-8"
        )
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except LookupError as error:  # a codec, but not one of text, such as rot13
        raise _unknown(encoding) from error
    except UnicodeDecodeError as error:
        raise _undecodable(data, encoding, error.start) from error
    except UnicodeError as error:
        raise NotText(f"it is not {encoding}, which it declares: {error}", _DECLARE) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> str:
    try:
        return tokenize.detect_encoding(
            io.BytesIO(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).readline
        )[0]
    except SyntaxError as error:
        reason = str(error.msg)
    if reason.startswith("unknown encoding"):
        raise _unknown(reason.partition(": ")[2])
    if reason.startswith("encoding problem"):
        raise NotText("it begins with UTF-8's byte order mark and declares another encoding", "declare utf-8")
    return "utf-8"  # its first lines are not: decoding it says where


def _unknown(encoding: str) -> NotText:
    return NotText(f"it declares the encoding {encoding!r}, which Python does not know", _DECLARE)


def _undecodable(data: bytes, encoding: str, at: int) -> NotText:
    at += len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    line = data.count(b"\n", 0, at) + 1
    if encoding.startswith("utf-8"):
        why = "which is not UTF-8, and no other encoding is declared"
    else:
        why = f"which is not {encoding}, the encoding that it declares"
    return NotText(f"line {line} has the byte 0x{data[at]:02x}, {why}", _DECLARE)
