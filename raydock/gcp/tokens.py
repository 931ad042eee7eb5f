"""An access token of the caller that is always fresh: renewed in time, and at once when a server turns one down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from raydock.errors import PermissionDenied
from raydock.gcp.clouds import default_credentials

SECONDS = 10.0  # for the request for a token
AHEAD = 300.0  # seconds before its end at which a token is renewed; of one that lives shortly, the last third


class AccessToken:
    """Holds one token of the application default credentials. Safe to ask from several threads."""

    def __init__(self, credentials: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials, self._clock = credentials, clock
        self._lock = threading.Lock()
        self._renew_at = self._ends = 0.0  # by the clock
        self._value = ""
        self.renewals = 0

    def value(self) -> str:
        """The token. Blocks while one is fetched. Raises Refused where the credentials give none."""
        with self._lock:
            if self._clock() >= self._renew_at:
                self._renew()
            return self._value

    def turned_down(self, value: str) -> None:
        """A server did not take that token: the next one is a new one."""
        with self._lock:
            if value == self._value:
                self._renew_at = self._ends = 0.0

    def _renew(self) -> None:
        import google.auth.exceptions
        from google.auth.transport.requests import Request

        request = Request()

        def bounded(*words: Any, **more: Any) -> Any:
            return request(*words, **{**more, "timeout": SECONDS})

        try:
            if self._credentials is None:
                self._credentials, _ = default_credentials()
            self._credentials.refresh(bounded)
        except google.auth.exceptions.GoogleAuthError as fault:
            if self._clock() < self._ends:
                self._renew_at = self._clock() + 1  # the one that is there still does
                return
            raise PermissionDenied(
                f"Your credentials gave no token: {fault}.", "gcloud auth application-default login"
            ) from None
        self._value = str(self._credentials.token)
        self.renewals += 1
        left = lifetime(self._credentials.expiry)
        now = self._clock()
        self._ends, self._renew_at = now + left, now + max(left - AHEAD, left * 2 / 3)


def lifetime(expiry: datetime | None) -> float:
    """Seconds that are left; an hour where the credentials don't say. google-auth's times are UTC without a zone."""
    if expiry is None:
        return 3600.0
    return max((expiry.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds(), 0.0)
