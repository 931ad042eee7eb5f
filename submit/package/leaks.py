"""Secrets in what would travel: private keys, service accounts' keys, cloud keys and tokens.

Looks at plain text in any file, not inside archives or other encodings. A documented example or a placeholder (few
different characters) is not a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .contents import Contents
from .reader import CHUNK, Reader

_OVERLAP = 4096  # bytes looked at again with the next chunk, so that no secret hides on the edge
_FEWEST = 6  # different characters in a real token


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in a file: its line (from 1) and its kind, never its value."""

    name: str
    line: int
    kind: str


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: str
    anchors: tuple[
        str, ...
    ]  # one is in every match: looking for all of them at once is far quicker than for the patterns
    pattern: str  # group 1 is the secret part
    lead: int = 0  # most bytes of a match before the anchor


_QUOTE = r"\\*[\"']"
_BEGIN = "-----BEGIN "
_EDGE = r"(?<![0-9A-Za-z_])"
_KINDS = (
    _Kind(
        "private key",
        (_BEGIN,),
        # The key itself must follow: text about keys, such as this module, is harmless.
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s|\\+[nr]|[\"'+,()>|]|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,100}\n){1,60}"
        r"([A-Za-z0-9+/=]{16,64})",
    ),
    _Kind(
        "service account key",
        ("service_account",),
        _QUOTE + "type" + _QUOTE + r"\s*:\s*" + _QUOTE + "(service_account)",
        60,
    ),
    _Kind("Google API key", ("AIza",), _EDGE + r"(AIza[0-9A-Za-z_-]{35})(?![0-9A-Za-z_-])"),
    _Kind("Google access token", ("ya29.",), _EDGE + r"(ya29\.[0-9A-Za-z_-]{20,2000})"),
    _Kind("Google refresh token", ("1//0",), _EDGE + r"(1//0[0-9A-Za-z_-]{30,200})"),
    _Kind("Google client secret", ("GOCSPX-",), _EDGE + r"(GOCSPX-[0-9A-Za-z_-]{20,40})"),
    _Kind("AWS access key", ("AKIA", "ASIA"), _EDGE + r"(A[KS]IA[0-9A-Z]{16})(?![0-9A-Za-z])"),
    _Kind(
        "AWS secret key",
        ("ecret_access_key", "ECRET_ACCESS_KEY", "ecretAccessKey"),
        r"(?i:secret_?access_?key)[\"'\]]{0,2}\s{0,5}[=:]\s{0,5}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        1,
    ),
    _Kind("Azure storage key", ("AccountKey=",), r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    _Kind(
        "GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _EDGE + r"(gh[opurs]_[0-9A-Za-z]{36,255})"
    ),
    _Kind("GitHub token", ("github_pat_",), _EDGE + r"(github_pat_[0-9A-Za-z_]{40,255})"),
    _Kind("GitLab token", ("glpat-",), _EDGE + r"(glpat-[0-9A-Za-z_-]{20,100})"),
    _Kind("Hugging Face token", ("hf_",), _EDGE + r"(hf_[0-9A-Za-z]{30,100})"),
    _Kind(
        "model API key",
        ("sk-",),
        _EDGE + r"(sk-(?:proj-|svcacct-|ant-[a-z0-9]{2,10}-)?[0-9A-Za-z_]{20}[0-9A-Za-z_-]{12,300})",
    ),
    _Kind("Slack token", ("xox",), _EDGE + r"(xox[abeoprs]-[0-9A-Za-z-]{20,200})"),
    _Kind(
        "Weights & Biases key",
        ("WANDB_API_KEY",),
        r"WANDB_API_KEY[\"'\]]{0,2}\s{0,5}[=:]\s{0,5}[\"']?([0-9a-f]{40})(?![0-9a-f])",
    ),
    _Kind("PyPI token", ("pypi-AgEI",), _EDGE + r"(pypi-AgEI[0-9A-Za-z_-]{50,400})"),
)


def find_secrets(contents: Contents) -> list[Secret]:
    """The secrets in the files, by name and line. Raises ContentsChanged or Unreadable."""
    found: set[Secret] = set()
    with Reader(contents) as reader:
        for entry in contents.entries:
            line, before = 1, b""
            for data in reader.chunks(entry):
                text = before + data
                for at, kind in _matches(text):
                    found.add(Secret(entry.name, line + text.count(b"\n", 0, at), kind))
                before = text[-_OVERLAP:] if len(data) == CHUNK else b""
                line += text.count(b"\n", 0, len(text) - len(before))
    return sorted(found, key=lambda one: (one.name, one.line, one.kind))


def find_secrets_in_text(text: str) -> list[str]:
    """The kinds of secrets in an argument or an environment value, each once."""
    return sorted({kind for _, kind in _matches(text.encode("utf-8", "surrogateescape"))})


def _matches(text: bytes) -> Iterator[tuple[int, str]]:
    anchors, kinds = _compiled()
    for found in anchors.finditer(text):
        one, pattern = kinds[found[0]]
        for start in range(max(0, found.start() - one.lead), found.start() + 1):
            match = pattern.match(text, start)
            if match and _looks_real(one, match[1], text):
                yield start, one.kind


@cache
def _compiled() -> tuple[re.Pattern[bytes], dict[bytes, tuple[_Kind, re.Pattern[bytes]]]]:
    """All anchors as one expression, and by anchor what to look for there."""
    kinds = {
        anchor.encode(): (one, re.compile(one.pattern.encode())) for one in _KINDS for anchor in one.anchors
    }
    return re.compile(b"|".join(map(re.escape, kinds))), kinds


def _looks_real(kind: _Kind, value: bytes, text: bytes) -> bool:
    if kind.kind == "service account key":
        return bool(
            _compiled()[1][_BEGIN.encode()][1].search(text)
        )  # without its private key it opens nothing
    return len(set(value)) >= _FEWEST and not value.upper().endswith((b"EXAMPLE", b"EXAMPLEKEY"))
