"""Google's own client libraries at a place, and what they raise in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from iam.errors import Conflict
from iam.policy_reader import AGAIN
from iam.session import Session
from raydock.errors import NotFound, PermissionDenied, RaydockError, Unreachable
from raydock.gcp.clouds import STORAGE, RealCloud, default_credentials, object_of, sentence_of

SECONDS = 10.0
PERMISSION = re.compile(r"Permission '([\w.]+)' denied|does not have ([\w.]+) access")
CHANGED = ("pre-condition", "concurrent policy changes")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """What is tried, for the sentence about its failure.

    caller: who tries it · where: on what ("gs://x") · undone: what did not happen · permission: what it takes
    grant: the command that an owner mends a lack of permission with
    """

    caller: str
    where: str
    undone: str
    permission: str
    grant: str = ""


def authorized(session: Session) -> Any:
    """An AuthorizedSession: requests, with the caller's token."""
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    if isinstance(session.place, RealCloud):
        return AuthorizedSession(default_credentials()[0])
    made = AuthorizedSession(Credentials(session.token))
    made.trust_env = False  # the lab is on this machine: no proxy
    return made


def storage_client(session: Session) -> Any:
    """google-cloud-storage's client. Refused where it is not installed."""
    try:
        from google.cloud import storage
    except ImportError:
        text = "google-cloud-storage is not installed here."
        raise PermissionDenied(text, "pip install google-cloud-storage") from None
    http = authorized(session)
    options = {"api_endpoint": session.place.base(STORAGE)}
    client = storage.Client(session.project, http.credentials, _http=http, client_options=options)
    # Since 3.17 a thread looks up each bucket that is used, for traces; it would outlive the command's errors.
    client._bucket_metadata_cache = None
    return client


def patience() -> Mapping[str, Any]:
    """Keywords for a storage call: bounded, and repeated where trying again may help."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return {"timeout": SECONDS, "retry": DEFAULT_RETRY.with_delay(0.2, 2).with_timeout(SECONDS)}


@contextmanager
def explained(doing: ApiCall) -> Iterator[None]:
    """What a client library raises within becomes an IamError."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import RefreshError, TransportError

    try:
        yield
    except GoogleAPICallError as fault:
        text = sentence_of(fault.response.content) if fault.response is not None else str(fault.message)
        raise fault_of(int(fault.code or 0), text, doing) from None
    except RefreshError:
        raise fault_of(401, "", doing) from None
    except (RetryError, TransportError, requests.RequestException) as fault:
        cause = getattr(fault, "cause", None) or fault
        why = f"{doing.where} could not be reached: {type(cause).__name__}; {doing.undone}."
        raise Unreachable(upper(why), "try again") from None


def call(
    http: Any, session: Session, method: str, host: str, path: str, doing: ApiCall, body: Any = None
) -> Any:
    """The JSON that a service answers. IamError with what was being done."""
    with explained(doing):
        url = session.place.base(host) + path
        reply = http.request(method, url, json=body, timeout=SECONDS)
    if reply.status_code >= 400:
        raise fault_of(reply.status_code, sentence_of(reply.content), doing)
    return object_of(reply, host)


def fault_of(status: int, text: str, doing: ApiCall) -> RaydockError:
    """Google's refusal as an error of ours."""
    text = (text.strip() or f"HTTP {status}").rstrip(".")
    if status == 401:
        return PermissionDenied(
            f"Your credentials are not taken there, so {doing.undone}.",
            "gcloud auth application-default login",
        )
    if status == 403 and (found := PERMISSION.search(text)):
        permission = found[1] or found[2]
        fix = f"an owner of its project may grant it: {doing.grant}" if doing.grant else "ask an owner of it"
        return PermissionDenied(
            f"{doing.caller} has no {permission} on {doing.where}, so {doing.undone}.", fix
        )
    if status == 404:
        return NotFound(upper(f"{doing.where} does not exist, so {doing.undone}."))
    if status == 409 or (status == 412 and any(words in text for words in CHANGED)):
        return Conflict(f"{text}: {doing.undone}.")
    if status in AGAIN:
        return Unreachable(upper(f"{doing.where} answered {status} ({text}); {doing.undone}."), "try again")
    kind = NotFound if status == 400 and "does not exist" in text else PermissionDenied
    return kind(f"{text}, so {doing.undone}.")


def upper(text: str) -> str:
    """Begins as a sentence does; an address keeps its letters."""
    return text if text.startswith("gs://") else text[0].upper() + text[1:]
