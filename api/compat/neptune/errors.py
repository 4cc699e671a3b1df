"""Errors in the shape that the Neptune clients read: `title` for people, `errorType` where a client has its own
exception for it. The other keys are ours, for people who look at the answers themselves."""

from __future__ import annotations

import errno
import logging
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed

from api.compat.neptune.answers import json_answer
from projects.exceptions import DomainError, InvalidInput, Unavailable
from runs.services.uploads import RangeMismatch

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5


def error_answer(error: DomainError, request: HttpRequest, *, error_type: str = "") -> HttpResponse:
    """The answer for a domain error; `error_type` is the name by which the clients know it."""
    body: dict[str, Any] = {
        "code": error.status,
        "errorType": error_type or error.code.upper(),
        "title": error.message,
        "message": error.message,
        "request_id": getattr(request, "request_id", ""),
        **{key: value for key, value in error.details.items() if isinstance(value, str | int | float | list)},
    }
    answer = json_answer(body, status=error.status)
    if error.status == 401:
        answer["WWW-Authenticate"] = "Bearer"
    if error.status in {429, 503}:
        answer["Retry-After"] = str(RETRY_SECONDS)
    return answer


def answer_for(exception: Exception, request: HttpRequest) -> HttpResponse | None:
    """The answer for anything a view raised; None for what nobody foresaw."""
    if isinstance(exception, RangeMismatch) and exception.details.get("repeated"):
        return error_answer(_too_often(exception), request)
    if isinstance(exception, DomainError):
        return error_answer(exception, request)
    if isinstance(exception, MethodNotAllowed):
        refusal = InvalidInput("This address does not take that method.", code="method_not_allowed")
        refusal.status = 405
        return error_answer(refusal, request)
    if isinstance(exception, OperationalError | InterfaceError) or _is_full_disk(exception):
        logger.warning("A request could not be served just now: %s", exception)
        return error_answer(Unavailable("The server can't store data just now; send it again."), request)
    return None


def _too_often(exception: RangeMismatch) -> DomainError:
    """The clients begin an upload again at once on a mismatch, for ever; 429 makes them pause."""
    refusal = InvalidInput("The upload did not match its announced length several times.", code=exception.code)
    refusal.status = 429
    return refusal


def _is_full_disk(exception: Exception) -> bool:
    return isinstance(exception, OSError) and exception.errno in {errno.ENOSPC, errno.EDQUOT}


def unknown_address(request: HttpRequest, rest: str = "") -> HttpResponse:
    """404 for the parts of the clients' API that this server does not have."""
    missing = InvalidInput("This server has no such address; the feature is not available.", code="unknown_address")
    missing.status = 404
    return error_answer(missing, request)
