"""Asking our own web server whether the platform works."""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit


class Readiness:
    """Is called until it says yes: requests are answered, every part works, and tasks have run since it was made."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._since = time.monotonic()

    def __call__(self) -> bool:
        connection = self._connection()
        try:
            connection.request("GET", self._url.path, headers={"Host": "localhost"})
            answer = connection.getresponse()
            return answer.status == 200 and self._has_run_tasks(json.loads(answer.read()))
        except (OSError, HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def _has_run_tasks(self, body: dict[str, dict[str, float | None]]) -> bool:
        seconds = body["tasks"]["last_seen_seconds"]
        return seconds is not None and seconds < time.monotonic() - self._since

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            # The certificate is for the name that people use, not for the address on this machine.
            return HTTPSConnection(host, port, timeout=5, context=ssl._create_unverified_context())  # noqa: S323
        return HTTPConnection(host, port, timeout=5)
