"""The job script: whatever Python runs is sent unchanged; anything else is rejected with one sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from raydock.errors import UsageError
from submit import package
from submit.script import read_script
from tests.unit.package.build import put

HEADER = '# /// script\n# dependencies = ["humanize"]\n# ///\n'
RUNS = {
    "byte order mark": b"\xef\xbb\xbf" + HEADER.encode() + b"import helper\n",
    "byte order mark and CRLF": b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + b"import helper",
    "latin-1": b"# -*- coding: latin-1 -*-\n"
    + HEADER.encode()
    + b"import helper\nprint('caf\xe9' == 'caf\\u00e9')",
    "cp1252 in the second line": b"#!/usr/bin/env python\r\n# vim: set fileencoding=cp1252 :\r\n"
    + HEADER.replace("\n", "\r\n").encode()
    + b"import helper\r\nprice = '\x80'\r\n",
    "shift_jis": b"# coding: shift_jis\n"
    + HEADER.encode()
    + "import helper\nname = 'データ'\n".encode("shift_jis"),
    "line ends of old Macs": HEADER.replace("\n", "\r").encode() + b"import helper\r",
    "form feeds": b"\x0c\n" + HEADER.encode() + b"\x0cimport helper\n\x0c\ndef f():\n    pass\n",
    "header at the end, without a newline": b"import helper\n" + HEADER.rstrip("\n").encode(),
    "dubious escapes": HEADER.encode() + b"import helper\npath = '\\d'\n",
}


@pytest.mark.parametrize("case", RUNS)
def test_accepts_whatever_python_runs(case: str, tmp_path: Path) -> None:
    path = tmp_path / "job.py"
    path.write_bytes(RUNS[case])
    (tmp_path / "helper.py").write_bytes(b"\xef\xbb\xbf# coding: utf-8\r\nimport other\r\n")
    (tmp_path / "other.py").write_bytes(b"# coding: koi8-r\nname = '\xc1'\n")
    command = [
        sys.executable,
        "-I",
        "-W",
        "ignore",
        "-c",
        f"compile(open({str(path)!r}, 'rb').read(), 'job.py', 'exec')",
    ]
    assert subprocess.run(command, check=False).returncode == 0
    assert read_script(path).header.dependencies == ("humanize",)
    contents = package.script_contents(path, [])
    assert {entry.name for entry in contents.entries} == {"job.py", "helper.py", "other.py"}
    assert set(package.sources(path)) == {"job.py", "helper.py", "other.py"}
    assert {entry.size for entry in contents.entries if entry.name == "job.py"} == {len(RUNS[case])}


DECLARE = "save it as UTF-8, or declare its encoding on its first line, for example # -*- coding: cp1252 -*-"
UTF8 = "save it as UTF-8"
NOT_UTF8 = "which is not valid UTF-8, and the file declares no other encoding"
REFUSED = {
    b"x = 1\ny = 'caf\xe9'\n": (f"line 2 contains the byte 0xe9, {NOT_UTF8}", DECLARE),
    b"\xef\xbb\xbfx = 1\n#\n# '\xff'": (f"line 3 contains the byte 0xff, {NOT_UTF8}", DECLARE),
    b"# coding: cp1252\nx = '\x81'\n": ("line 2 contains the byte 0x81, which is not valid cp1252, its declared "
                                       "encoding",
                                       DECLARE),
    b"# coding: klingon\nx = 1\n": ("it declares the encoding 'klingon', which Python does not support", DECLARE),
    b"# coding: rot13\nk = 1\n": ("it declares the encoding 'rot13', which Python does not support", DECLARE),
    b"\xef\xbb\xbf# coding: latin-1\n": ("it has a UTF-8 byte order mark but declares another encoding",
                                         "declare utf-8"),
    "print(1)\n".encode("utf-16"): ("it is UTF-16 text", UTF8),
    "print(1)\n".encode("utf-16-be"): ("line 1 contains a null byte, as in UTF-16 text or a binary file", UTF8),
    "print(1)\n".encode("utf-32"): ("it is UTF-32 text", UTF8),
    b"x = 1\n\0\n": ("line 2 contains a null byte, as in UTF-16 text or a binary file", UTF8),
}  # fmt: skip


@pytest.mark.parametrize("data", REFUSED, ids=repr)
def test_rejects_files_that_are_not_text(data: bytes, tmp_path: Path) -> None:
    path, reason, fix = tmp_path / "job.py", *REFUSED[data]
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read_script(path)
    assert (caught.value.message, caught.value.fix) == (f"{path} is not Python: {reason}.", fix)
    (tmp_path / "main.py").write_text("import job")
    with pytest.raises(package.PackageError) as refused:
        package.script_contents(tmp_path / "main.py", [])
    assert (refused.value.message, refused.value.fix) == (f"job.py is not valid Python: {reason}.", fix)


@pytest.mark.parametrize("text", ["(" * 500, "-" * 100_000 + "1", "x = " + "[" * 90 + "]" * 90 + "," * 2])
def test_rejects_broken_or_deeply_nested_code(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_script(tmp_path / "job.py")
    assert re.search(r" is not (valid )?Python", caught.value.message)


def test_rejects_large_files(tmp_path: Path) -> None:
    with open(tmp_path / "job.py", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError) as caught:
        read_script(tmp_path / "job.py")
    assert caught.value.message.endswith("job.py is larger than 8,388,608 bytes, too large for a job script.")


@pytest.mark.parametrize(
    "line",
    ["%matplotlib inline", "!pip install humanize", "%%time", "pip install -q rich", "df.head?", "?print"],
)
def test_names_lines_with_notebook_syntax(tmp_path: Path, line: str) -> None:
    path = put(tmp_path, "cells.py", f"import os\n\nif True:\n    {line}\n")
    with pytest.raises(UsageError) as caught:
        read_script(path)
    assert caught.value.message == f"{path}:4 is notebook syntax, not plain Python: {line}"


@pytest.mark.parametrize("line", ["x = = 1", "print 'a'", "x ! y", "install pip x"])
def test_syntax_errors_are_not_taken_for_notebook_syntax(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError, match="is not valid Python"):
        read_script(put(tmp_path, "wrong.py", f"{line}\n"))


def test_hint_if_the_cluster_has_a_newer_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submit.script.PYTHON", "3.99")
    with pytest.raises(UsageError) as caught:
        read_script(path := put(tmp_path, "newer.py", "type X of int\n"))
    hint = "if it uses newer syntax, run submit.py with Python 3.99"
    assert caught.value.fix == f"python -m py_compile {path}; {hint}"
