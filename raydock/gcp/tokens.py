"""An access token that is always fresh: renewed before it expires, and at once if a server rejects it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from raydock.errors import PermissionDenied
from raydock.gcp.clouds import default_credentials

SECONDS = 10.0  # timeout of a token request
# A token is renewed this many seconds before expiry, or in the last third of its lifetime if that is short.
AHEAD = 300.0


class AccessToken:
    """A token from the application default credentials. Thread-safe."""

    def __init__(self, credentials: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials, self._clock = credentials, clock
        self._lock = threading.Lock()
        self._renew_at = self._ends = 0.0  # in the clock's seconds
        self._value = ""
        self.renewals = 0

    def value(self) -> str:
        """The token. Blocks while it is renewed. Raises PermissionDenied if it can't be obtained."""
        with self._lock:
            if self._clock() >= self._renew_at:
                self._renew()
            return self._value

    def turned_down(self, value: str) -> None:
        """Report that a server rejected this token, so that the next call renews it."""
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
                self._renew_at = self._clock() + 1  # the current token is still valid
                return
            raise PermissionDenied(
                f"Could not get an access token with your credentials: {fault}.",
                "gcloud auth application-default login",
            ) from None
        self._value = str(self._credentials.token)
        self.renewals += 1
        left = lifetime(self._credentials.expiry)
        now = self._clock()
        self._ends, self._renew_at = now + left, now + max(left - AHEAD, left * 2 / 3)


def lifetime(expiry: datetime | None) -> float:
    """Seconds until expiry; an hour if the credentials have none. google-auth's times are naive UTC."""
    if expiry is None:
        return 3600.0
    return max((expiry.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds(), 0.0)
