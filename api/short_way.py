"""The short way for the requests that come by the thousand: points of a run that this process knows.

What Django and REST framework do for a request takes longer than to store a thousand points. Nearly all of it comes out
the same each time, so it is not done: the headers of the answer are those that the general way gave to the same host
before, and who may log is decided by the same functions. Anything out of the ordinary, errors above all, goes the
general way, which then finds the request as it came.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Hashable, Iterable
from io import BytesIO
from typing import Any, TypeAlias

from api.compat.neptune.views import operations as neptune
from api.v1 import operations as native

Environ: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
Handler: TypeAlias = Callable[[Environ, bytes], bytes | None]

SLOW_SECONDS = 1.0  # such requests are logged, as by RequestLogMiddleware
_KINDS_KNOWN = 64
_OF_ONE_ANSWER = {"content-length", "x-request-id"}
_DECIDE_HEADERS = ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_ORIGIN")
_UNUSUAL = ("HTTP_COOKIE", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING")
logger = logging.getLogger("tracking_platform.requests")


class ShortWay:
    """A WSGI application in front of Django's."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._headers: dict[Hashable, Headers] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        handler = _handler(environ)
        if handler is None:
            return self._application(environ, start_response)
        kind = (handler, *(environ.get(name) for name in _DECIDE_HEADERS))
        headers = self._headers.get(kind)
        if headers is None:
            return self._application(environ, self._learning(kind, start_response))
        content = _answer(handler, environ)
        if content is None:
            return self._application(environ, start_response)
        own = [("Content-Length", str(len(content))), ("X-Request-ID", secrets.token_hex(8))]
        start_response("200 OK", headers + own)
        return [content]

    def _learning(self, kind: Hashable, start_response: StartResponse) -> StartResponse:
        def start(status: str, headers: Headers, *more: Any) -> Any:
            names = {name.lower() for name, _ in headers}
            if status.startswith("200") and "set-cookie" not in names:
                if len(self._headers) >= _KINDS_KNOWN:
                    self._headers.clear()
                self._headers[kind] = [each for each in headers if each[0].lower() not in _OF_ONE_ANSWER]
            return start_response(status, headers, *more)

        return start


def _handler(environ: Environ) -> Handler | None:
    """Who may answer, by the address; None when the request is not of a kind that is known here."""
    if environ["REQUEST_METHOD"] != "POST" or type(environ["wsgi.input"]) is not BytesIO:
        return None
    if not environ.get("HTTP_HOST") or any(name in environ for name in _UNUSUAL):
        return None
    address: str = environ["PATH_INFO"]
    if address == neptune.ADDRESS:
        return neptune.answer_shortly
    if address.startswith(native.POINTS_BEGIN) and address.endswith(native.POINTS_END):
        return native.answer_shortly
    return None


def _answer(handler: Handler, environ: Environ) -> bytes | None:
    """The body of the answer; None, and the request as it came, when the general way is to answer."""
    started = time.perf_counter()
    stream: BytesIO = environ["wsgi.input"]
    try:
        content = handler(environ, stream.getvalue())
    except Exception:  # it says what is wrong, and logs it
        return None
    seconds = time.perf_counter() - started
    if content is not None and seconds > SLOW_SECONDS:
        logger.warning("POST %s 200 %.0f ms", environ["PATH_INFO"], seconds * 1000)
    return content
