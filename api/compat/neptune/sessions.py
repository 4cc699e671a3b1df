"""Sessions of the Neptune wire: access and refresh tokens derived from an API token.

The clients exchange their API token for a JWT once, decode it without verifying anything (they read `exp`, `iss` and
`azp`), and renew it at `{iss}/protocol/openid-connect/token` when it is about to expire. Nothing is stored: both tokens
are JWTs signed with a key derived from SECRET_KEY, and carry the API token's public id. They open nothing by
themselves: every request looks the API token up again, so revoking it ends its sessions at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from projects.exceptions import NotAuthenticated
from projects.models import ApiToken
from projects.services.tokens import usable_token

ISSUER_PATH = "/auth/realms/neptune"
TOKEN_PATH = f"{ISSUER_PATH}/protocol/openid-connect/token"
CLIENT_ID = "neptune-cli"
ACCESS_SECONDS = 4 * 3600
REFRESH_SECONDS = 90 * 24 * 3600
# A client whose clock is slow, or that slept, sends a token past its end; refusing it would end its thread for good.
GRACE_SECONDS = 30 * 60
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Session:
    """What the client gets: two texts and the life of the first, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int = ACCESS_SECONDS


def open_session(token: ApiToken) -> Session:
    """A new session for a verified API token."""
    return Session(
        access_token=_signed(token, "access", ACCESS_SECONDS),
        refresh_token=_signed(token, "refresh", REFRESH_SECONDS),
    )


def renew_session(refresh_token: str) -> Session:
    """A new session for a refresh token. The old one stays valid: the clients' threads share it without a lock."""
    return open_session(usable_token(_public_id(refresh_token, "refresh")))


def token_of_session(access_token: str) -> ApiToken:
    """The API token behind an access token; NotAuthenticated when either can't be used any more."""
    return usable_token(_public_id(access_token, "access"))


def _signed(token: ApiToken, use: str, seconds: int) -> str:
    now = int(time.time())
    claims = {
        "iss": settings.BASE_URL + ISSUER_PATH,
        "azp": CLIENT_ID,
        "sub": token.public_id,
        "use": use,
        "iat": now,
        "exp": now + seconds,
    }
    return jwt.encode(claims, _key(), algorithm=_ALGORITHM)


def _public_id(text: str, use: str) -> str:
    """The public id that a token of this wire carries. The issuer is not compared: the server's address may change
    while a session lives."""
    try:
        claims: dict[str, Any] = jwt.decode(
            text, _key(), algorithms=[_ALGORITHM], leeway=GRACE_SECONDS, options={"require": ["exp", "sub"]}
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise NotAuthenticated from error
    if claims.get("use") != use or not isinstance(claims["sub"], str):
        raise NotAuthenticated
    return claims["sub"]


def _key() -> bytes:
    return salted_hmac("api.compat.neptune.sessions", "signing key", algorithm="sha256").digest()
