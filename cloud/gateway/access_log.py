"""HTTP logs that never contain the key."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError


class PathLog(AbstractAccessLogger):
    """An access log without query strings, which may contain the key."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Log method, path, status and duration in seconds."""
        path = request.rel_url.raw_path
        self.logger.info("%s %s %s %.3f s", request.method, path, response.status, time)


def http_log() -> logging.Logger:
    """A logger for aiohttp that omits the request line of a request it can't parse, which may contain the key."""
    own = logging.getLogger("raydock.gateway.http")
    own.addFilter(no_request_line)
    return own


def no_request_line(record: logging.LogRecord) -> bool:
    """A log filter that removes the traceback of a parse error; it drops no records."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True
