"""The short way for the requests that come by the thousand: points of a run that this process knows.

What Django and REST framework do for a request takes longer than to store a thousand points. Nearly all of it comes out
the same each time, so it is not done: the headers of the answer are those that the general way gave to the same host
before, and who may log is decided by the same functions. Anything out of the ordinary, errors above all, goes the
general way, which then finds the request as it came.

Small ones need no thread either: `begin` looks at a request on the event loop, where nothing may be asked of the
database, and leaves the write to a thread that writes for all who wait. That is half of what a request with a point or
two costs.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

from api.compat.neptune.views import operations as neptune
from api.v1 import operations as native
from runs.commits import FindLeader
from runs.services.ingest import Submitted

Environ: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[str, str]]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]
WhenDone: TypeAlias = Callable[["Answered | None"], object]


class Handler(NamedTuple):
    """How a kind of request is answered, in this thread (see answer_shortly of the views) or by another one."""

    answer: Callable[[Environ, bytes], bytes | None]
    begin: Callable[[Environ, bytes, Callable[[bytes | None], object], FindLeader], Submitted]
    look_first: Callable[[Sequence[Environ]], None]


class Answered(NamedTuple):
    status: str
    headers: Headers
    content: bytes


SLOW_SECONDS = 1.0  # such requests are logged, as by RequestLogMiddleware
_KINDS_KNOWN = 64
_OF_ONE_ANSWER = {"content-length", "x-request-id"}
_DECIDE_HEADERS = ("HTTP_HOST", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_ORIGIN")
_UNUSUAL = ("HTTP_COOKIE", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING")
logger = logging.getLogger("tracking_platform.requests")


_NEPTUNE = Handler(neptune.answer_shortly, neptune.begin_shortly, neptune.look_first)
_NATIVE = Handler(native.answer_shortly, native.begin_shortly, native.look_first)


class ShortWay:
    """A WSGI application in front of Django's."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._headers: dict[Hashable, Headers] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        handler = _handler(environ)
        if handler is None:
            return self._application(environ, start_response)
        kind, headers = self._known(handler, environ)
        if headers is None:
            return self._application(environ, self._learning(kind, start_response))
        content = _answer(handler, environ)
        if content is None:
            return self._application(environ, start_response)
        answered = _answered(headers, content)
        start_response(answered.status, answered.headers)
        return [content]

    def begin(self, environ: Environ, when_done: WhenDone, find_leader: FindLeader) -> Submitted:
        """With YES, `when_done` will be called, by some thread, with the answer, or with None: then nothing was
        written, and the application has to be called. With LOOK_FIRST, look_first is to be called by a thread, and then
        this once more. This thread neither waits nor asks the database anything."""
        handler = _handler(environ)
        if handler is None:
            return Submitted.NO
        _, headers = self._known(handler, environ)
        if headers is None:
            return Submitted.NO
        started = time.perf_counter()

        def answer(content: bytes | None) -> None:
            _note_time(environ, started, content)
            when_done(None if content is None else _answered(headers, content))

        try:
            return handler.begin(environ, environ["wsgi.input"].getvalue(), answer, find_leader)
        except Exception:  # the general way says what is wrong, and logs it
            return Submitted.NO

    def look_first(self, environs: Iterable[Environ]) -> None:
        """Ask what `begin` has to know for these requests, all at once."""
        by_handler: dict[Handler, list[Environ]] = {}
        for environ in environs:
            handler = _handler(environ)
            if handler is not None:
                by_handler.setdefault(handler, []).append(environ)
        for handler, some in by_handler.items():
            with suppress(Exception):
                handler.look_first(some)

    def _known(self, handler: Handler, environ: Environ) -> tuple[Hashable, Headers | None]:
        """The kind of request, and the headers of its answer if they were learned."""
        kind = (handler, *(environ.get(name) for name in _DECIDE_HEADERS))
        return kind, self._headers.get(kind)

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
    if not environ.get("HTTP_HOST") or not environ.keys().isdisjoint(_UNUSUAL):
        return None
    address: str = environ["PATH_INFO"]
    if address == neptune.ADDRESS:
        return _NEPTUNE
    if address.startswith(native.POINTS_BEGIN) and address.endswith(native.POINTS_END):
        return _NATIVE
    return None


def _answer(handler: Handler, environ: Environ) -> bytes | None:
    """The body of the answer; None, and the request as it came, when the general way is to answer."""
    started = time.perf_counter()
    stream: BytesIO = environ["wsgi.input"]
    try:
        content = handler.answer(environ, stream.getvalue())
    except Exception:  # it says what is wrong, and logs it
        return None
    _note_time(environ, started, content)
    return content


def _note_time(environ: Environ, started: float, content: bytes | None) -> None:
    seconds = time.perf_counter() - started
    if content is not None and seconds > SLOW_SECONDS:
        logger.warning("POST %s 200 %.0f ms", environ["PATH_INFO"], seconds * 1000)


def _answered(headers: Headers, content: bytes) -> Answered:
    own = [("Content-Length", str(len(content))), ("X-Request-ID", secrets.token_hex(8))]
    return Answered("200 OK", headers + own, content)
