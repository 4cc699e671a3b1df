"""Answers when no view gave one: JSON for machines, Django's pages for people."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

MACHINE_PATHS = ("/api/", "/auth/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _json(request, 400, "bad_request", "The request is malformed or names a host that is not ours.")
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _json(request, 403, "access_denied", "You may not do that.")
    return defaults.permission_denied(request, exception)


@csrf_exempt
def nothing_here(request: HttpRequest) -> HttpResponse:
    """The view of machine addresses that do not exist, whatever the method."""
    return _json(request, 404, "not_found", "There is nothing here that you may see.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _json(request, 404, "not_found", "There is nothing here that you may see.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if _is_machine(request):
        return _json(request, 500, "internal_error", "Something went wrong here. The server's log has the details.")
    return defaults.server_error(request)


def _is_machine(request: HttpRequest) -> bool:
    return request.path.startswith(MACHINE_PATHS)


def _json(request: HttpRequest, status: int, code: str, message: str) -> JsonResponse:
    body: dict[str, Any] = {"code": code, "message": message, "request_id": getattr(request, "request_id", "")}
    return JsonResponse(body, status=status)
