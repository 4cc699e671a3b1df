"""Signing in: the server's settings for clients, an API token for a session, a session for a fresh one."""

from __future__ import annotations

from urllib.parse import parse_qs

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from api.body import read_body
from api.compat.neptune.answers import json_answer
from api.compat.neptune.authentication import ApiTokenAuthentication
from api.compat.neptune.errors import answer_for, unknown_address
from api.compat.neptune.sessions import open_session, renew_session
from api.compat.neptune.swagger.documents import NAMES, document
from api.compat.neptune.views.base import WireView
from projects.exceptions import DomainError, NotAuthenticated
from projects.models import ApiToken

MIB = 1024 * 1024
# Parts of this size; files up to it go in one request. The numbers are the clients' own defaults.
UPLOAD_LIMITS = {
    "enabled": True,
    "minChunkSize": 5 * MIB,
    "maxChunkSize": 1024 * MIB,
    "maxChunkCount": 1000,
    "maxSinglePartSize": 5 * MIB,
}
_MAX_FORM_BYTES = 64 * 1024


def swagger_view(request: HttpRequest, name: str) -> HttpResponse:
    """One of the three documents; no sign-in needed."""
    if name not in NAMES:
        return unknown_address(request)
    return HttpResponse(document(name), content_type="application/json")


class ClientConfigView(WireView):
    """Open to everyone: it holds no secret, and a client whose token is wrong then learns so from the exchange, for
    which it has an exception of its own."""

    authentication_classes = []

    def get(self, request: Request) -> HttpResponse:
        return json_answer(
            {
                "apiUrl": settings.BASE_URL,
                "applicationUrl": settings.BASE_URL,
                "pyLibVersions": {},
                "multiPartUpload": UPLOAD_LIMITS,
                "artifacts": {"enabled": False, "apiVersion": 2},
                "sysNameSetByBackend": True,
            }
        )


class ExchangeTokenView(WireView):
    authentication_classes = [ApiTokenAuthentication]

    def get(self, request: Request) -> HttpResponse:
        token = request.auth
        assert isinstance(token, ApiToken)  # noqa: S101 - what ApiTokenAuthentication returns
        session = open_session(token)
        return json_answer(
            {
                "accessToken": session.access_token,
                "refreshToken": session.refresh_token,
                "username": token.owner.username,
            }
        )


@csrf_exempt
def token_view(request: HttpRequest) -> HttpResponse:
    """OAuth's token endpoint, for `grant_type=refresh_token` only. After `invalid_grant` the clients exchange their API
    token anew."""
    if request.method != "POST":
        return _oauth_error("invalid_request", "Send a POST.", status=405)
    try:
        form = parse_qs(read_body(request, limit=_MAX_FORM_BYTES).decode(errors="replace"), max_num_fields=20)
        if form.get("grant_type") != ["refresh_token"]:
            return _oauth_error("unsupported_grant_type", "Only refresh_token is supported.")
        session = renew_session(form.get("refresh_token", [""])[0])
    except NotAuthenticated as error:
        return _oauth_error("invalid_grant", error.message)
    except DomainError as error:
        return _oauth_error("invalid_request", error.message, status=error.status)
    except ValueError:
        return _oauth_error("invalid_request", "The form has too many fields.")
    except Exception as error:
        answer = answer_for(error, request)
        if answer is None:
            raise
        return answer
    return json_answer(
        {
            "access_token": session.access_token,
            "refresh_token": session.refresh_token,
            "token_type": "Bearer",
            "expires_in": session.expires_in,
        }
    )


def _oauth_error(error: str, description: str, *, status: int = 400) -> HttpResponse:
    return json_answer({"error": error, "error_description": description}, status=status)
