"""The storage access that a failed job was denied, from the end of its log. Pure.

Google's message is "ACCOUNT does not have PERMISSION access to the Google Cloud Storage object.", and
google-cloud-storage adds the request's URL (google/cloud/storage/blob.py, _raise_from_invalid_response). The log is the
job's: nothing from it is used unless it looks exactly like that.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import unquote

from iam.policy.resource import parse_gs
from raydock.errors import RaydockError

MESSAGE = re.compile(
    rb"(?P<account>[\w.+-]{1,100}@[\w.-]{1,200}) does not have (?P<permission>storage\.[a-z]{1,30}\.[A-Za-z]{1,30}) "
    rb"access to the Google Cloud Storage (?:object|bucket)"
)
URL = re.compile(rb"/b/(?P<bucket>[a-z0-9._-]{3,222})(?:/o/(?P<name>[^/?\s]{1,3072})|/o\?|[?\s:/])")
REACH = 4096  # bytes before the message, on the same line, that are searched for the URL
FLAGS = {
    "storage.objects.get": "",
    "storage.objects.list": " --list",
    "storage.objects.create": " --write",
    "storage.objects.delete": " --delete",
    "storage.buckets.get": " --look-up",
}


@dataclass(frozen=True, slots=True)
class Denial:
    """What was denied to whom. `uri` is empty if the log does not contain it."""

    account: str
    permission: str
    uri: str = ""

    def __str__(self) -> str:
        where = f" on {self.uri}" if self.uri else ""
        return f"The log ends with a 403: {self.account} lacks {self.permission}{where}."

    def fix(self, target: str) -> str:
        """The command that shows which grant is missing, and how to find this earlier. `target` is iam's."""
        lines = ["to find this before a job is sent, declare the URI in the header: docs/your-own-job.md"]
        if self.uri and self.permission in FLAGS:
            kind = "serviceAccount" if self.account.endswith(".gserviceaccount.com") else "user"
            flags = f"{FLAGS[self.permission]} --as {kind}:{self.account}"
            lines.insert(0, f"python -m iam check{target} {shlex.quote(self.uri)}{flags}")
        return "\n".join(lines)


def last_denial(tail: bytes) -> Denial | None:
    """The last denial in the end of a log; None if there is none."""
    *_, found = [None, *MESSAGE.finditer(tail)]
    if found is None:
        return None
    line = tail[max(tail.rfind(b"\n", 0, found.start()) + 1, found.start() - REACH) : found.start()]
    account, permission = (found[group].decode() for group in ("account", "permission"))
    return Denial(account, permission, uri_of(line))


def uri_of(line: bytes) -> str:
    """The `gs://` URI of the last request's URL in a line; "" if there is none, or none that is valid and printable."""
    *_, found = [None, *URL.finditer(line)]
    if found is None:
        return ""
    try:
        name = unquote((found["name"] or b"").decode("ascii"), errors="strict")
        uri = f"gs://{found['bucket'].decode()}" + (f"/{name}" if name else "")
        parse_gs(uri)
    except (RaydockError, UnicodeError):
        return ""
    return uri if uri.isprintable() else ""
