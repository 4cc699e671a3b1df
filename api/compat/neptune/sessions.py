"""Sessions of the Neptune wire: access and refresh tokens derived from an API token.

The clients exchange their API token for a JWT once, decode it without verifying anything (they read `exp`, `iss` and
`azp`), and renew it at `{iss}/protocol/openid-connect/token` when it is about to expire. Nothing is stored: both tokens
are JWTs signed with a key derived from SECRET_KEY, and carry the API token's public id. They open nothing by
themselves: the API token is looked up again, so revoking it ends its sessions.

They also carry the session's own id (`sid`), made by the exchange and kept by renewals. A client exchanges its API
token once per process, so the id tells the batches of one process from those that `neptune sync` sends after a crash.
"""

from __future__ import annotations

import time
import uuid as uuids
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from projects.exceptions import NotAuthenticated
from projects.models import ApiToken
from projects.recent import Recent
from projects.services.tokens import usable_token

ISSUER_PATH = "/auth/realms/neptune"
TOKEN_PATH = f"{ISSUER_PATH}/protocol/openid-connect/token"
CLIENT_ID = "neptune-cli"
ACCESS_SECONDS = 4 * 3600
REFRESH_SECONDS = 90 * 24 * 3600
# A client whose clock is slow, or that slept, sends a token past its end; refusing it would end its thread for good.
GRACE_SECONDS = 30 * 60
_ALGORITHM = "HS256"
_VERIFIED_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Session:
    """What the client gets: two texts and the life of the first, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int = ACCESS_SECONDS


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of this wire says: whose it is, of which session (empty in tokens of earlier versions), and when it
    ends (seconds since 1970)."""

    public_id: str
    session: str
    expires_at: float


_verified: Recent[str, Claims] = Recent(size=10_000, seconds=_VERIFIED_SECONDS)


def open_session(token: ApiToken) -> Session:
    """A new session for a verified API token."""
    return _session(token, str(uuids.uuid4()))


def renew_session(refresh_token: str) -> Session:
    """New tokens for a refresh token's session. The old ones stay valid: the clients' threads share them without a
    lock."""
    claims = _claims(refresh_token, "refresh")
    return _session(usable_token(claims.public_id), claims.session or str(uuids.uuid4()))


def token_of_session(access_token: str) -> ApiToken:
    """The API token behind an access token; NotAuthenticated when either can't be used any more."""
    return usable_token(claims_of_session(access_token).public_id)


def claims_of_session(access_token: str) -> Claims:
    """What an access token says; NotAuthenticated when it is not ours or at its end. The signature is verified once."""
    claims = _verified.find(access_token, lambda: _claims(access_token, "access"))
    if claims.expires_at <= time.time() - GRACE_SECONDS:
        raise NotAuthenticated
    return claims


def _session(token: ApiToken, session: str) -> Session:
    return Session(
        access_token=_signed(token, session, "access", ACCESS_SECONDS),
        refresh_token=_signed(token, session, "refresh", REFRESH_SECONDS),
    )


def _signed(token: ApiToken, session: str, use: str, seconds: int) -> str:
    now = int(time.time())
    claims = {
        "iss": settings.BASE_URL + ISSUER_PATH,
        "azp": CLIENT_ID,
        "sub": token.public_id,
        "sid": session,
        "use": use,
        "iat": now,
        "exp": now + seconds,
    }
    return jwt.encode(claims, _key(), algorithm=_ALGORITHM)


def _claims(text: str, use: str) -> Claims:
    """What a verified token says. The issuer is not compared: the server's address may change while a session lives."""
    try:
        claims: dict[str, Any] = jwt.decode(
            text, _key(), algorithms=[_ALGORITHM], leeway=GRACE_SECONDS, options={"require": ["exp", "sub"]}
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise NotAuthenticated from error
    if claims.get("use") != use or not isinstance(claims["sub"], str):
        raise NotAuthenticated
    return Claims(claims["sub"], claims.get("sid", ""), claims["exp"])


def _key() -> bytes:
    return salted_hmac("api.compat.neptune.sessions", "signing key", algorithm="sha256").digest()
