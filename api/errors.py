"""Every error of the native API as JSON: `{"code", "message", "request_id", ...details}`, never a page, never a trace.

4xx means "never send this again", 5xx "our fault, send it again". `code` is for programs and stays; `message` is for
people.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404
from django.http.request import UnreadablePostError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from projects.exceptions import DomainError, InvalidInput, NotAuthenticated, NotFound, Unavailable

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an exception is answered with."""

    status: int
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """The exception handler of the API's views."""
    request = context["request"]
    refusal = refusal_for(_as_seen_by(error, context["view"]))
    if refusal is None:
        logger.error("Unexpected error in the API", exc_info=error, extra={"request_id": request.request_id})
        got_request_exception.send(sender=None, request=request)
        refusal = Refusal(500, "internal_error", "Something went wrong here. The server's log has the details.")
    return respond(refusal, request.request_id)


def respond(refusal: Refusal, request_id: str) -> Response:
    """The answer for a refusal, with the headers its status asks for."""
    body = {**refusal.details, "code": refusal.code, "message": refusal.message, "request_id": request_id}
    headers = {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="api"'
    if refusal.status in {429, 503}:
        headers["Retry-After"] = str(refusal.details.get("retry_after", RETRY_AFTER_SECONDS))
    if refusal.status == 416:
        headers["Content-Range"] = f"bytes */{refusal.details['size']}"
    return Response(body, status=refusal.status, headers=headers)


def refusal_for(error: Exception) -> Refusal | None:
    """What to answer, or None for an error that is nobody's intention."""
    if isinstance(error, DomainError):
        return Refusal(error.status, error.code, error.message, _plain(error.details))
    if isinstance(error, drf.APIException):
        return _framework_refusal(error)
    if isinstance(error, Http404):
        return _domain(NotFound())
    if isinstance(error, PermissionDenied):
        return Refusal(403, "forbidden", "You may not do that.")
    if isinstance(error, UnreadablePostError):
        return Refusal(400, "malformed_body", "The connection broke before the body was complete.", {"position": 0})
    if isinstance(error, SuspiciousOperation | BadRequest | DataError):
        return _domain(InvalidInput("The request holds something that can't be processed."))
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database is not available: %s", error)
        return _domain(Unavailable("The database is not available just now; send it again."))
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        logger.error("The storage is full: %s", error)
        return _domain(Unavailable("The storage is full just now; send it again."))
    return None


def _as_seen_by(error: Exception, view: Any) -> Exception:
    """Where nobody is signed in, "not there" and "not for you" both ask to sign in."""
    if isinstance(error, NotFound | Http404) and not getattr(view, "is_open", False) and view.is_anonymous:
        return NotAuthenticated()
    return error


def _domain(error: DomainError) -> Refusal:
    return Refusal(error.status, error.code, error.message)


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    """Details as JSON can hold them; a detail can't take the place of the error's own keys."""
    simple = (str, int, float, bool, list, dict, type(None))
    return {
        key: value if isinstance(value, simple) else str(value)
        for key, value in details.items()
        if key not in {"code", "message", "request_id"}
    }


def _framework_refusal(error: drf.APIException) -> Refusal:
    if isinstance(error, drf.ValidationError):
        field_name, message = _first_fault(error.detail)
        details = {"field": field_name} if field_name else {}
        return Refusal(400, "invalid", f"{field_name}: {message}" if field_name else message, details)
    if isinstance(error, drf.AuthenticationFailed | drf.NotAuthenticated):
        return _domain(NotAuthenticated())
    if isinstance(error, drf.NotFound):
        return _domain(NotFound())
    detail = error.detail
    return Refusal(error.status_code, str(error.default_code), str(detail) if isinstance(detail, str) else "Refused.")


def _first_fault(detail: Any, path: str = "") -> tuple[str, str]:
    """The first message of a serializer's errors with the field it is about, such as `projects.0`."""
    if isinstance(detail, dict):
        key, inner = next(iter(detail.items()))
        return _first_fault(inner, path if key == "non_field_errors" else f"{path}.{key}".strip("."))
    if isinstance(detail, list):
        position, inner = next((place, each) for place, each in enumerate(detail) if each)
        return _first_fault(inner, f"{path}.{position}".strip(".") if isinstance(inner, dict | list) else path)
    return path, str(detail)
