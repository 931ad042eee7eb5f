"""Logs of HTTP without what may hold the key."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError


class PathLog(AbstractAccessLogger):
    """Access log lines without the query, which may hold the key."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.rel_url.raw_path
        self.logger.info("%s %s %s %.3f s", request.method, path, response.status, time)


def http_log() -> logging.Logger:
    """aiohttp logs a request that it can't parse with the line in question, which may hold the key too."""
    own = logging.getLogger("raydock.gateway.http")
    own.addFilter(no_request_line)
    return own


def no_request_line(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
    return True
