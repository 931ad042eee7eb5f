"""Google's client libraries, pointed at the lab or at Google Cloud, with their errors translated."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from iam.errors import Conflict
from iam.policy_reader import RETRIED
from iam.session import Session
from raydock import event_loop
from raydock.errors import NotFound, PermissionDenied, RaydockError, Unreachable
from raydock.gcp.clouds import STORAGE, RealCloud, default_credentials, object_of, sentence_of
from raydock.gcp.clouds import http as http_client

TIMEOUT = 10.0  # seconds per call
PERMISSION = re.compile(r"Permission '([\w.]+)' denied|does not have ([\w.]+) access")
CONFLICTS = ("pre-condition", "concurrent policy changes")  # Google's wording in a 412


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call to Google, described for the message if it fails.

    caller: who makes the call
    where: the resource, such as "gs://x"
    consequence: what did not happen, such as "nothing was changed"
    permission: the permission that the call needs
    grant: the command that an owner runs to grant it
    """

    caller: str
    where: str
    consequence: str
    permission: str
    grant: str = ""


def authorized(session: Session) -> Any:
    """Return google-auth's AuthorizedSession: `requests` with the caller's token."""
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    if isinstance(session.cloud, RealCloud):
        return AuthorizedSession(default_credentials()[0])

    def renewed(request: Any, scopes: Any) -> tuple[str, datetime.datetime]:
        """Get a new token after the lab's 401 for an expired one. Its nominal lifetime is one hour, as at Google."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return renewed_token(session), now + datetime.timedelta(hours=1)

    http = AuthorizedSession(Credentials(session.token, refresh_handler=renewed))
    http.trust_env = False  # the lab is on this machine, so no proxy is needed
    http.headers.update(session.cloud.headers_of_caller())
    return http


def renewed_token(session: Session) -> str:
    """Get a new token for the caller. Raises PermissionDenied or Unreachable."""

    async def ask() -> str:
        async with http_client(session.cloud) as client:
            return await session.cloud.token(client)

    return event_loop.run(ask())


def storage_client(session: Session) -> Any:
    """Return google-cloud-storage's client. Raises PermissionDenied if the library is not installed."""
    try:
        from google.cloud import storage
    except ImportError:
        text = "google-cloud-storage is not installed."
        raise PermissionDenied(text, "pip install google-cloud-storage") from None
    http = authorized(session)
    options = {"api_endpoint": session.cloud.base(STORAGE)}
    client = storage.Client(session.project, http.credentials, _http=http, client_options=options)
    # Since 3.17 a background thread looks up each bucket for traces, and may report errors after the command.
    client._bucket_metadata_cache = None
    return client


def retry_options() -> Mapping[str, Any]:
    """The timeout and retry arguments of a storage call."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return {"timeout": TIMEOUT, "retry": DEFAULT_RETRY.with_delay(0.2, 2).with_timeout(TIMEOUT)}


@contextmanager
def translated_errors(api_call: ApiCall) -> Iterator[None]:
    """Translate the errors of the client libraries into RaydockErrors."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import RefreshError, TransportError

    try:
        yield
    except GoogleAPICallError as fault:
        text = sentence_of(fault.response.content) if fault.response is not None else str(fault.message)
        raise error_of(int(fault.code or 0), text, api_call) from None
    except RefreshError:
        raise error_of(401, "", api_call) from None
    except (RetryError, TransportError, requests.RequestException) as fault:
        cause = getattr(fault, "cause", None) or fault
        why = f"{api_call.where} could not be reached: {type(cause).__name__}; {api_call.consequence}."
        raise Unreachable(capitalized(why), "try again") from None


def call(
    http: Any, session: Session, method: str, host: str, path: str, api_call: ApiCall, body: Any = None
) -> Any:
    """Call a REST service and return its JSON. Raises a RaydockError that describes `api_call`."""
    with translated_errors(api_call):
        url = session.cloud.base(host) + path
        reply = http.request(method, url, json=body, timeout=TIMEOUT)
    if reply.status_code >= 400:
        raise error_of(reply.status_code, sentence_of(reply.content), api_call)
    return object_of(reply, host)


def error_of(status: int, text: str, api_call: ApiCall) -> RaydockError:
    """Translate an HTTP error from Google, with its message, into a RaydockError."""
    text = (text.strip() or f"HTTP {status}").rstrip(".")
    where, consequence = api_call.where, api_call.consequence
    if status == 401:
        return PermissionDenied(
            f"Your credentials were rejected, so {consequence}.", "gcloud auth application-default login"
        )
    if status == 403 and (found := PERMISSION.search(text)):
        permission = found[1] or found[2]
        fix = "ask a project owner"
        if api_call.grant:
            fix = f"a project owner can grant it: {api_call.grant}"
        return PermissionDenied(f"{api_call.caller} lacks {permission} on {where}, so {consequence}.", fix)
    if status == 404:
        return NotFound(capitalized(f"{where} does not exist, so {consequence}."))
    if status == 409 or (status == 412 and any(words in text for words in CONFLICTS)):
        return Conflict(f"{text}: {consequence}.")
    if status in RETRIED:
        return Unreachable(
            capitalized(f"the request for {where} failed with {status} ({text}); {consequence}."), "try again"
        )
    kind = NotFound if status == 400 and "does not exist" in text else PermissionDenied
    return kind(f"{text}, so {consequence}.")


def capitalized(text: str) -> str:
    """Start a sentence with a capital letter; a gs:// URI is not changed."""
    return text if text.startswith("gs://") else text[0].upper() + text[1:]
