"""The kinds of secrets to look for in text.

Token formats are those that issuers document for secret scanners; the rules of gitleaks and detect-secrets were
checked for completeness. Documented examples and placeholders are not secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .placeholders import has_private_key, is_basic, is_example, is_key, is_password, is_random, is_url_token

Match = re.Match[bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of secret.

    Every match contains an anchor: searching for all anchors at once is far faster than matching every pattern.
    """

    name: str
    anchors: tuple[str, ...]
    pattern: str  # group 1 is the secret
    lead: int = 0  # the most bytes that a match may have before the anchor
    real: Callable[[Match], bool] = lambda match: not is_example(match[1])
    # The group with the host: in a file, a match with a host reserved for documentation is an example.
    host: str = ""


def _token(name: str, anchor: str, rest: str) -> Kind:
    """A token that starts with `anchor`; `rest` matches what follows."""
    return Kind(name, (anchor,), rf"(?<![0-9A-Za-z_])({re.escape(anchor)}{rest})(?![0-9A-Za-z_-])")


def _tokens() -> Iterator[Kind]:
    for name, forms in _TOKENS.items():
        for anchor, rest in forms.items():
            yield _token(name, anchor, rest)


_QUOTE = r"\\*[\"']"
_BETWEEN = r"[\"'\]]{0,2}\s{0,5}[=:]\s{0,5}[\"']?"
_ASSIGNED = r"[\"'\]]{0,2}\s{0,5}[=:]\s{0,5}[\"']([0-9A-Za-z_+/=.~-]{16,200})[\"']"
# How the names of assigned secrets end: password, client_secret, API_KEY, authToken, …
_ENDS = (
    "assword", "ASSWORD", "asswd", "ASSWD", "ecret", "ECRET", "pi_key", "PI_KEY", "pikey", "PIKEY", "piKey",
    *(f"{kind}{token}" for kind in ("pi", "uth", "ccess", "rivate") for token in ("_token", "Token")),
    *(f"{kind}_TOKEN" for kind in ("PI", "UTH", "CCESS", "RIVATE")),
)  # fmt: skip
_WORD = r"[0-9A-Za-z_-]"
# Kind of token: its prefixes, each with an expression for the rest.
_TOKENS: dict[str, dict[str, str]] = {
    "Google API key": {"AIza": _WORD + "{35}"},
    "Google access token": {"ya29.": r"[0-9A-Za-z_.-]{20,2000}"},
    "Google refresh token": {"1//0": _WORD + "{30,200}"},
    "Google client secret": {"GOCSPX-": _WORD + "{20,40}"},
    "AWS access key": {"AKIA": "[0-9A-Z]{16}", "ASIA": "[0-9A-Z]{16}"},
    "GitHub token": {
        **{f"gh{kind}_": "[0-9A-Za-z]{36,255}" for kind in "opurs"},
        "github_pat_": "[0-9A-Za-z_]{40,255}",
    },
    "GitLab token": dict.fromkeys(["glpat-", "gldt-", "glrt-", "glcbt-", "glptt-"], r"[0-9A-Za-z_.-]{20,100}"),
    "Bitbucket token": {"ATBB": "[0-9A-Za-z]{32,64}"},
    "Atlassian token": {"ATATT3x": "[0-9A-Za-z_=-]{100,300}"},
    "Hugging Face token": {"hf_": "[0-9A-Za-z]{30,100}"},
    "model API key": {
        "sk-": rf"(?:proj-|svcacct-|admin-|or-v1-|ant-[a-z0-9]{{2,10}}-)?[0-9A-Za-z_]{{20}}{_WORD}{{12,300}}",
        "gsk_": "[0-9A-Za-z]{40,60}", "xai-": "[0-9A-Za-z]{60,100}", "pplx-": "[0-9A-Za-z]{40,60}",
        "r8_": "[0-9A-Za-z]{37}", "pcsk_": "[0-9A-Za-z_]{40,80}", "lsv2_pt_": "[0-9a-f]{32}_[0-9a-f]{10}",
        "nvapi-": _WORD + "{60,80}",
    },
    "Slack token": {f"xox{kind}-": "[0-9A-Za-z-]{20,200}" for kind in "abeoprs"} | {"xapp-": "[0-9A-Za-z-]{40,200}"},
    "PyPI token": {"pypi-AgEI": _WORD + "{50,400}"},
    "npm token": {"npm_": "[0-9A-Za-z]{36}"},
    "Docker Hub token": {"dckr_pat_": _WORD + "{20,60}"},
    "Databricks token": {"dapi": "[0-9a-f]{32}(?:-[0-9])?"},
    "Stripe key": dict.fromkeys(["sk_live_", "rk_live_"], "[0-9A-Za-z]{20,120}"),
    "SendGrid key": {"SG.": r"[0-9A-Za-z_-]{20,24}\.[0-9A-Za-z_-]{39,50}"},
    "DigitalOcean token": {"dop_v1_": "[0-9a-f]{64}"},
    "Grafana token": {"glsa_": "[0-9A-Za-z]{32}_[0-9a-f]{8}", "glc_": "[0-9A-Za-z+/=]{40,400}"},
    "Vault token": {"hvs.": _WORD + "{24,200}"},
    "age key": {"AGE-SECRET-KEY-1": "[0-9A-Z]{58}"},
    "JSON web token": {"eyJ": rf"{_WORD}{{10,2000}}\.eyJ{_WORD}{{10,3000}}\.{_WORD}{{20,1000}}"},
}  # fmt: skip

KINDS = (
    Kind(
        "private key",
        ("-----BEGIN ",),
        # The key itself must follow: text about keys, such as this module, is harmless.
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\s|\\+[nr]|[\"'+,()>|]|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,100}\n){1,60}"
        r"([A-Za-z0-9+/=]{16,64})",
    ),
    Kind(
        "private key",
        ("PuTTY-User-Key-File-",),
        r"PuTTY-User-Key-File-\d: (\S{4,40})[\s\S]{1,3000}Private-Lines: \d",
    ),
    Kind(
        "service account key",
        ("service_account",),
        _QUOTE + "type" + _QUOTE + r"\s*:\s*" + _QUOTE + "(service_account)",
        60,
        lambda match: has_private_key(match.string),
    ),
    Kind(
        "AWS secret key",
        ("ecret_access_key", "ECRET_ACCESS_KEY", "ecretAccessKey"),
        rf"(?i:secret_?access_?key){_BETWEEN}([A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+=])",
        1,
    ),
    Kind("Azure storage key", ("AccountKey=",), r"AccountKey=([A-Za-z0-9+/]{86}==)"),
    Kind("Azure access key", ("SharedAccessKey=",), r"SharedAccessKey=([A-Za-z0-9+/]{40,90}=?)"),
    Kind(
        "Kubernetes client key", ("client-key-data",), r"client-key-data[\"']?:\s*[\"']?([A-Za-z0-9+/=]{60})"
    ),
    Kind("WireGuard key", ("PrivateKey",), r"PrivateKey\s*=\s*([A-Za-z0-9+/]{43}=)"),
    Kind(
        "Slack webhook", ("hooks.slack.com/",), r"hooks\.slack\.com/services/(T\w{6,12}/B\w{6,12}/\w{20,30})"
    ),
    Kind("Weights & Biases key", ("WANDB_API_KEY",), rf"WANDB_API_KEY{_BETWEEN}([0-9a-f]{{40}})(?![0-9a-f])"),
    *_tokens(),
    Kind(
        "password in a URL",
        ("://",),
        r"(?<!github)://(?P<user>[^\s:/@\"'<>\\{}?#`|,;()\[\]]{0,200}):([^\s/?#\"'<>\\{}`(),;|]{3,200})@(?P<host>[\w.\[{<$%/-]{1,255})",
        0,
        lambda match: is_password(match[2], match["user"]),
        "host",
    ),
    Kind(
        "token in a URL",
        ("://",),
        r"(?:(?<=http)|(?<=https))://([0-9A-Za-z_.~+=-]{16,255}):?@(?![^/\s]{0,100}sentry)(?P<host>[\w.-]{1,255})",
        0,
        lambda match: is_url_token(match[1]),
        "host",
    ),
    Kind(
        "password in a URL",
        tuple(
            f"{name}="
            for word in ("password", "passwd", "pwd")
            for name in (word, word.title(), word.upper())
        ),
        r"[?&;] ?(?:[A-Za-z]{1,10}[ _]?)?(?i:password|passwd|pwd)=([^\s&;#\"'<>{}\\]{4,200})",
        13,
        lambda match: is_password(match[1]),
    ),
    Kind(
        "token in a URL",
        (
            "access_token=",
            "auth_token=",
            "private_token=",
            "client_secret=",
            "api_key=",
            "apikey=",
            "apiKey=",
        ),
        r"[?&;]\w+=([^\s&;#\"'<>{}\\]{16,2000})",
        1,
        lambda match: is_random(match[1]),
    ),
    Kind(
        "Authorization header",
        ("Bearer ",),
        r"Bearer ([0-9A-Za-z_.~+/=-]{20,3000})",
        0,
        lambda match: is_random(match[1]),
    ),
    Kind(
        "Authorization header",
        ("Basic ",),
        r"Basic ([A-Za-z0-9+/]{8,400}={0,2})",
        0,
        lambda match: is_basic(match[1]),
    ),
    Kind(
        "key or password",
        _ENDS,
        rf"(?:{'|'.join(_ENDS)})(?:_?[Kk][Ee][Yy])?{_ASSIGNED}",
        0,
        lambda match: is_key(match[1]),
    ),
)
