"""Decode a Python file as Python does: byte order mark, declared encoding, any line endings."""

from __future__ import annotations

import codecs
import io
import tokenize

_MARKS = {  # the longer ones first: UTF-32's mark starts with UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
_DECLARE = "save it as UTF-8, or declare its encoding on its first line, for example # -*- coding: cp1252 -*-"


class NotText(ValueError):
    """Python cannot read the file: `reason` explains why, and `fix` what to do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.reason, self.fix = reason, fix


def decoded(data: bytes) -> str:
    r"""The file's text, with \n line endings. Raises NotText."""
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            raise NotText(f"it is {name} text", "save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise NotText(
            f"line {line} contains a null byte, as in UTF-16 text or a binary file", "save it as UTF-8"
        )
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except LookupError as error:  # a codec that is not a text encoding, such as rot13
        raise _unknown(encoding) from error
    except UnicodeDecodeError as error:
        raise _undecodable(data, encoding, error.start) from error
    except UnicodeError as error:
        raise NotText(f"it is not valid {encoding}, its declared encoding: {error}", _DECLARE) from error
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
        raise NotText("it has a UTF-8 byte order mark but declares another encoding", "declare utf-8")
    return "utf-8"  # the first lines are not UTF-8: decoding will say where


def _unknown(encoding: str) -> NotText:
    return NotText(f"it declares the encoding {encoding!r}, which Python does not support", _DECLARE)


def _undecodable(data: bytes, encoding: str, at: int) -> NotText:
    at += len(codecs.BOM_UTF8) if encoding == "utf-8-sig" else 0
    line = data.count(b"\n", 0, at) + 1
    if encoding.startswith("utf-8"):
        why = "which is not valid UTF-8, and the file declares no other encoding"
    else:
        why = f"which is not valid {encoding}, its declared encoding"
    return NotText(f"line {line} contains the byte 0x{data[at]:02x}, {why}", _DECLARE)
