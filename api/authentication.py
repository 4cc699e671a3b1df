"""Who is asking: an API token or a session, never both.

A request with an `Authorization` header is judged by its token alone and its cookies are not looked at; a request
without one is judged by its session cookie, and then every unsafe method needs the CSRF token.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Protocol

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.settings import api_settings

from projects.access import Actor, actor_for_token, actor_for_user
from projects.exceptions import AccessDenied, NotAuthenticated
from projects.models import User
from projects.services.tokens import actor_to_log, authenticate, record_use


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`; the token may be the bare key or the clients' base64 form. With `is_logging`,
    for what is sent several times a second, what is known of the token may be a second old."""

    def __init__(self, *, is_logging: bool = False) -> None:
        self._is_logging = is_logging

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Actor] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthenticated
        actor = self._actor(credential, request)
        return actor.user, actor

    def _actor(self, credential: str, request: Request) -> Actor:
        client = request.META.get("HTTP_USER_AGENT", "")
        if self._is_logging:
            return actor_to_log(credential, address=lambda: client_address(request), client=client)
        token = authenticate(credential)
        record_use(token, address=client_address(request), client=client)
        return actor_for_token(token)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class SessionAuthentication(BaseAuthentication):
    """The cookie of a person signed in on the site."""

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Actor] | None:
        if "HTTP_AUTHORIZATION" in request.META:
            return None
        user: User | AnonymousUser | None = getattr(request._request, "user", None)
        if user is None or not user.is_active:
            return None
        _check_csrf(request._request)
        return user, actor_for_user(user)


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        """The reason instead of a page."""
        return reason


def _no_view(request: HttpRequest) -> HttpResponse:
    """Stands for the view where Django's check wants one; it only asks it for an exemption."""
    raise NotImplementedError


def _check_csrf(request: HttpRequest) -> None:
    check = _CsrfCheck(_no_view)
    check.process_request(request)
    reason = check.process_view(request, _no_view, (), {})
    if reason:
        raise AccessDenied(
            "A signed-in browser must send the CSRF token in the X-CSRFToken header.", code="csrf_failed"
        )


class HasHeaders(Protocol):
    @property
    def META(self) -> Mapping[str, Any]: ...  # noqa: N802 - Django's name


def client_address(request: HasHeaders) -> str | None:
    """The client's IP address. Only as many X-Forwarded-For entries are believed as there are proxies of ours."""
    proxies = api_settings.NUM_PROXIES or 0
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    address = request.META.get("REMOTE_ADDR", "")
    if proxies and forwarded:
        address = forwarded[-min(proxies, len(forwarded))]
    try:
        return str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return None
