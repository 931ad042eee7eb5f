"""Find secrets in variables and arguments by their names and values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from .placeholders import entropy, is_password, is_placeholder, is_random
from .scan import find_secrets_in_text

_BY_NAME = "judging by its name"
# How the names of secrets end. DSN, URL and CONNECTION_STRING are judged by their value alone.
_SECRET = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|APIKEY)$|(?:^|_)(?:TOKEN|SECRET|PWD|PASS|CREDENTIALS?|API_?KEY|SECRET_?KEY|PRIVATE_?KEY"
    r"|ACCESS_?KEY|ACCOUNT_?KEY|AUTH_?KEY|MASTER_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY)$"
)
_ABOUT = re.compile(r"PASSW(?:OR)?D|(?:^|_)(?:TOKENS?|SECRETS?|CREDENTIALS?|KEY|AUTH)(?:_|$)")
# Tokens of a language model, not credentials: PAD_TOKEN, MAX_TOKEN.
_TEXT_TOKEN = re.compile(
    r"(?:^|_)(?:PAD|BOS|EOS|UNK|MASK|CLS|SEP|STOP|START|END|SPECIAL|MAX|MIN|NUM|N|PER|FIRST|LAST|NEW|IMAGE|NEWLINE)_TOKEN$"
)
_SETTING = re.compile(
    r"(?i)|true|false|yes|no|on|off|auto|enabled?|disabled?|required|optional|prompt|[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?"
)
_PATH = re.compile(
    r"(?:~\w*|\.{1,2})?/[^\s]*|[\w.~-]+(?:/[\w.~-]+)+|[A-Za-z]:\\.*|[\w-]+\.(?:txt|json|ya?ml|toml|pem|key|cfg|ini|env|py)"
)
_REFERENCE = re.compile(
    r"(?i)[a-z][a-z0-9+.-]+://.*|(?:projects|secret|secretref|vault|arn|env|file|ssm|kms)[:/].*"
)
_IN_STRING = re.compile(r"(?i)(?:^|[\s;&?])(?:password|passwd|pwd)\s?=\s?['\"]?([^\s;&'\"]{3,})")


def secret_in(name: str, value: str) -> str | None:
    """The kind of secret that a variable contains, "judging by its name" if its value has no known format, or None."""
    kinds = find_secrets_in_text(value)
    if kinds:
        return kinds[0]
    given = _IN_STRING.search(value)
    if given and is_password(given[1].encode("utf-8", "surrogateescape")):
        return "password"
    inner = (secret_in(key, text) for key, text in _members(value))
    return next(filter(None, inner), None) or (_BY_NAME if _is_secret(name, value) else None)


def secrets_in_arguments(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The secrets in a job's arguments: for each, its option ("" if it has none) and its kind."""
    before = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and re.fullmatch(r"-{0,2}[\w.+-]+", name):
            before, argument = name.lstrip("-"), value
        elif argument.startswith("-"):
            before = ""
        kind = secret_in(before, argument)
        if kind:
            yield before, kind
        before = argument.lstrip("-") if argument.startswith("--") and not equals else ""


def _is_secret(name: str, value: str) -> bool:
    spelled = "_".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)).upper()
    if _harmless(value) and not (spelled.endswith(("PASSWORD", "PASSWD")) and re.fullmatch(r"\d{6,}", value)):
        return False
    if _TEXT_TOKEN.search(spelled) or spelled == "PASS":
        return is_random(value)
    if spelled.endswith("_PASS") and not re.search(r"[\d\W]", value):
        return False
    return bool(_SECRET.search(spelled)) or (bool(_ABOUT.search(spelled)) and is_random(value))


def _harmless(value: str) -> bool:
    """Whether a value is a setting, a path, a reference to a secret stored elsewhere, or a placeholder."""
    value = value.strip()
    if _SETTING.fullmatch(value) or is_placeholder(value):
        return True
    named = _PATH.fullmatch(value) or _REFERENCE.fullmatch(value)
    return bool(named) and not (is_random(value) and entropy(value) > 4.3)


def _members(value: str) -> list[tuple[str, str]]:
    """The string members of a JSON object, with their names."""
    try:
        found = json.loads(value) if value.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return []
    return (
        [(key, text) for key, text in found.items() if isinstance(text, str)]
        if isinstance(found, dict)
        else []
    )
