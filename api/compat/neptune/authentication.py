"""Who is asking, on the Neptune wire: a bearer session for most calls, the API token itself for the first two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api.compat.neptune.sessions import claims_of_session, token_of_session
from projects.access import Actor, actor_for_token
from projects.exceptions import NotAuthenticated
from projects.models import ApiToken, User
from projects.services.tokens import authenticate, recent_session_actor, record_use, session_actor_to_log


class SessionAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`. Cookies are never looked at, so no request can be forged from a page."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Actor]:
        token = token_from_header(request.META.get("HTTP_AUTHORIZATION", ""))
        _note_use(request, token)
        actor = actor_for_token(token)
        return actor.user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


@dataclass(frozen=True, slots=True)
class LoggingClient:
    """Who logs, and in which session (see sessions.Claims)."""

    actor: Actor
    session: str


def logging_client(headers: Mapping[str, Any]) -> LoggingClient:
    """Who sends this, by the headers as WSGI has them."""
    claims = claims_of_session(_credential(headers.get("HTTP_AUTHORIZATION", "")))
    actor = session_actor_to_log(
        claims.public_id,
        address=lambda: headers.get("REMOTE_ADDR") or None,
        client=headers.get("HTTP_USER_AGENT", ""),
    )
    return LoggingClient(actor, claims.session)


def recent_logging_client(headers: Mapping[str, Any]) -> LoggingClient | None:
    """As logging_client without asking the database; None when that takes more than memory."""
    claims = claims_of_session(_credential(headers.get("HTTP_AUTHORIZATION", "")))
    actor = recent_session_actor(claims.public_id)
    return None if actor is None else LoggingClient(actor, claims.session)


class LoggingAuthentication(BaseAuthentication):
    """As SessionAuthentication, for what a client sends several times a second: who it is may be a second old."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, LoggingClient]:
        client = logging_client(request._request.META)
        return client.actor.user, client

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiTokenAuthentication(BaseAuthentication):
    """`X-Neptune-Api-Token: <the whole token>`, before there is a session."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, ApiToken]:
        token = authenticate(request.META.get("HTTP_X_NEPTUNE_API_TOKEN", ""))
        _note_use(request, token)
        return token.owner, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def token_from_header(header: str) -> ApiToken:
    """The API token behind an `Authorization` header."""
    return token_of_session(_credential(header))


def _credential(header: str) -> str:
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated
    return credential.strip()


def _note_use(request: Request, token: ApiToken) -> None:
    record_use(token, address=request.META.get("REMOTE_ADDR") or None, client=request.META.get("HTTP_USER_AGENT", ""))
