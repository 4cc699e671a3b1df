"""Response headers for every answer, one log line for each request that is worth it, and who is signed in, for requests
that can tell."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

logger = logging.getLogger("tracking_platform.requests")

Handler = Callable[[HttpRequest], HttpResponse]
LONGEST_PATH_LOGGED = 512

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "form-action 'self'",
    ]
)


class ResponseHeadersMiddleware:
    """Headers that keep browsers from doing more with an answer than they should.

    A view that sets one of them itself keeps its own, as file downloads do. Static files are public and may be cached.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class RequestLogMiddleware:
    """Gives each request an id (`request.request_id`, header X-Request-ID) and logs it.

    Fast successes are logged at DEBUG only: a training run sends several a second.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = secrets.token_hex(8)  # type: ignore[attr-defined]
        started = time.perf_counter()
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        self._log(request, response, time.perf_counter() - started)
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        level = logging.WARNING if response.status_code >= 400 or seconds > 1 else logging.DEBUG
        if not logger.isEnabledFor(level):
            return
        logger.log(
            level,
            "%s %s %s %.0f ms %s",
            request.method,
            request.path[:LONGEST_PATH_LOGGED],
            response.status_code,
            seconds * 1000,
            request.request_id,  # type: ignore[attr-defined]
        )


class _PassedByPrograms(MiddlewareMixin):
    """For what serves browsers. A request to the API without a cookie belongs to no session, and there are many of
    them: it goes straight on, which saves a fifth of what Django takes for a small one. It has no `request.user`."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if not request.META.get("HTTP_COOKIE") and request.path_info.startswith("/api/"):
            return self.get_response(request)
        return super().__call__(request)


class BrowserSessionMiddleware(_PassedByPrograms, SessionMiddleware):
    """Django's sessions, for browsers."""


class BrowserAuthenticationMiddleware(_PassedByPrograms, AuthenticationMiddleware):
    """`request.user`, for browsers."""


class BrowserMessageMiddleware(_PassedByPrograms, MessageMiddleware):
    """Messages for the next page, for browsers."""
