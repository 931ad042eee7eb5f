"""Tell real passwords, tokens and keys from examples, placeholders and ordinary words."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter

_FEWEST = 6  # the fewest distinct characters in a real token
_WORDS = frozenset({
    "changeit", "changeme", "demo", "dummy", "empty", "example", "fake", "foo", "foobar", "hidden", "key",
    "my-password", "my_password", "my-token", "my_token", "mypass", "mypassword", "mysecret", "mytoken", "no-key",
    "none", "not-needed", "null", "ollama", "pass", "passphrase", "passwd", "password", "placeholder", "pwd",
    "redacted", "sample", "secret", "some-password", "some_password", "somepassword", "tbd", "test", "testing", "todo",
    "token", "undefined", "unset", "user", "username", "xxx", "your-password", "yourpassword",
})  # fmt: skip
_PLACEHOLDER = re.compile(
    r"""(?ix) \$\{.* | \$\(.* | (?-i:\$[A-Z_][A-Z0-9_]*) | %\w+% | %\(.* | %[sdr] | [<\[{(].*
    | .*\*{3,}.* | .*x{4,}.* | .*\.{3,}
    | .*(?:example|placeholder|change[_-]?me|replace[_-]?(?:me|with|this)|(?<![a-z])your[_-]).*
    | .*(?:redacted|dummy|insert[_-]).* | (?-i:[A-Z]+(?:[_-][A-Z]+)*)"""
)


def is_placeholder(text: str) -> bool:
    """Whether a value is a placeholder for a secret that is set elsewhere, or a documented default."""
    bare = text.strip("\"'`$").lower()
    return bare in _WORDS or len(set(bare)) < 3 or bool(_PLACEHOLDER.fullmatch(text))


def is_documented(host: bytes) -> bool:
    """Whether RFC 2606 reserves the host for documentation and tests."""
    name = host.split(b"/")[0].split(b":")[0].lower()
    return bool(re.search(rb"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid)$", name))


def is_example(token: bytes) -> bool:
    """Whether a well-formed token is an example from the issuer's documentation, or a placeholder."""
    shown = token.upper()
    jwt_io = b"EYJZDWIIOIIXMJM0NTY3ODKW" in shown
    documented = jwt_io or shown.endswith((b"EXAMPLE", b"EXAMPLEKEY"))
    return len(set(token)) < _FEWEST or documented


def is_password(password: bytes, user: bytes = b"") -> bool:
    """Whether the password in a URL is real. One equal to the user name is a default."""
    text = password.decode("utf-8", "replace")
    return len(text) > 2 and password.lower() != user.lower() and not is_placeholder(text)


def is_url_token(user: bytes) -> bool:
    """Whether the user of a URL without a password is a token."""
    return is_random(user) and b"@" not in user and b"%40" not in user


def is_random(value: bytes | str) -> bool:
    """Whether a value looks random: letters and digits, many of them distinct, and not made of short words."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    mixed = re.search(r"[A-Za-z]", text) and re.search(r"\d", text)
    longest = max(map(len, re.split(r"[-_./:\s]", text)), default=0)
    return (
        bool(mixed) and len(text) >= 16 and longest >= 12 and entropy(text) > 3 and not is_placeholder(text)
    )


def is_key(value: bytes) -> bool:
    """Whether a value assigned to a name such as `api_key` is a secret. Strict, since any file may have such a line."""
    text = value.decode("ascii", "replace")
    return (
        is_random(text) and entropy(text) > 3.5 and not re.fullmatch(r"[0-9a-f-]{36}|.*\.(?:\w{2,4})", text)
    )


def is_basic(value: bytes) -> bool:
    """Whether the value of an Authorization header is a user and a real password in base64."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return bool(colon) and (user + password).isascii() and is_password(password, user)


def entropy(text: str) -> float:
    """Shannon entropy, in bits per character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def has_private_key(text: bytes) -> bool:
    """Whether the text contains a private key: a service account file without one is harmless."""
    return bool(re.search(rb"-----BEGIN (?:RSA )?PRIVATE KEY-----(?:\s|\\+[nr])+[A-Za-z0-9+/=]{16}", text))
