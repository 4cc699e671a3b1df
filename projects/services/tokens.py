"""Issuing, verifying and revoking API tokens.

A token is what the Neptune clients expect in NEPTUNE_API_TOKEN: base64 of a JSON object with `api_address`, `api_url`
and `api_key`. The key is ours: `trk_<public id>_<secret>`, of which the database keeps the id and the SHA-256 of the
secret. Our own clients may send the bare key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from hmac import compare_digest

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from projects.access import Action, Actor, actor_for_token
from projects.exceptions import AccessDenied, InvalidInput, NotAuthenticated, NotFound
from projects.models import ApiToken, Project, Scope, User
from projects.recent import Recent
from projects.rows import ModelRows, fetch

KEY_PREFIX = "trk"
MAX_TOKENS_PER_USER = 100
_LAST_USE_RESOLUTION = timedelta(minutes=1)
_NO_HASH = "0" * 64
# How long a revoked token may still log, in each process.
RECENT_SECONDS = 1.0
_recent: Recent[str | bytes, Actor] = Recent(size=10_000, seconds=RECENT_SECONDS)


@transaction.atomic
def issue_token(
    *,
    actor: Actor,
    owner: User,
    name: str,
    scope: Scope = Scope.LOG,
    projects: Collection[Project] = (),
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token for `owner` and return it with its one and only readable form.

    Raises AccessDenied when the actor's own credentials are weaker than the token asked for, InvalidInput for a bad
    name, a date in the past or too many tokens.
    """
    if actor.scope is not None and (not actor.allows(Action.MANAGE) or actor.project_ids is not None):
        raise AccessDenied(
            "An API token can't create tokens unless its scope is 'manage' on all projects.", code="needs_scope"
        )
    if actor.user_id != owner.pk and not actor.is_operator:
        raise AccessDenied("You can create tokens only for yourself.")
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise InvalidInput("The token's name must have 1 to 100 characters.", field="name")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput("The expiry must lie in the future.", field="expires_at")
    if ApiToken.objects.filter(owner=owner, revoked_at__isnull=True).count() >= MAX_TOKENS_PER_USER:
        raise InvalidInput(f"A person may have {MAX_TOKENS_PER_USER} tokens; revoke one first.", code="quota")
    secret = secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        public_id=secrets.token_hex(8),
        secret_hash=_digest(secret),
        owner=owner,
        name=name,
        scope=scope,
        expires_at=expires_at,
        is_limited_to_projects=bool(projects),
    )
    token.projects.set(projects)
    return token, encode_token(f"{KEY_PREFIX}_{token.public_id}_{secret}")


def encode_token(key: str) -> str:
    """The clients' form of a key: it carries the server's public address, so the client finds us by itself."""
    document = {"api_address": settings.BASE_URL, "api_url": settings.BASE_URL, "api_key": key}
    return base64.b64encode(json.dumps(document).encode()).decode()


def authenticate(credential: str) -> ApiToken:
    """The usable token for a bare key or its base64 form; raises NotAuthenticated for anything else.

    Unknown, wrong, expired and revoked cost and say the same.
    """
    public_id, secret = _split(credential)
    token = _token(public_id)
    matches = compare_digest(_digest(secret), token.secret_hash if token else _NO_HASH)
    if token is None or not matches or not token.is_usable or not token.owner.is_active:
        raise NotAuthenticated
    return token


def usable_token(public_id: str) -> ApiToken:
    """The token behind a session credential that was derived from it earlier, if it is still usable."""
    token = _token(public_id)
    if token is None or not token.is_usable or not token.owner.is_active:
        raise NotAuthenticated
    return token


_TOKEN_ROWS = ModelRows(
    ApiToken,
    "token",
    (
        "id",
        "public_id",
        "secret_hash",
        "owner_id",
        "name",
        "scope",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "is_limited_to_projects",
    ),
)
_OWNER_ROWS = ModelRows(User, "owner")
# By hand: every request with a token asks this.
_TOKEN = f"""
    SELECT {_TOKEN_ROWS.columns}, {_OWNER_ROWS.columns}
    FROM projects_apitoken AS token JOIN projects_user AS owner ON owner.id = token.owner_id
    WHERE token.public_id = %s"""  # noqa: S608 - own names


def _token(public_id: str) -> ApiToken | None:
    """The token with its owner. One query."""
    for row in fetch(_TOKEN, [public_id]):
        token = _TOKEN_ROWS.make(row[: _TOKEN_ROWS.width])
        token.owner = _OWNER_ROWS.make(row[_TOKEN_ROWS.width :])
        return token
    return None


def actor_to_log(credential: str, *, address: Callable[[], str | None], client: str) -> Actor:
    """As authenticate, for requests that come several times a second: the answer may be RECENT_SECONDS old. Notes the
    token's use; `address` is asked for when that is due."""
    return _recent.find(_digest_of(credential), lambda: _used(authenticate(credential), address, client))


def session_actor_to_log(public_id: str, *, address: Callable[[], str | None], client: str) -> Actor:
    """As actor_to_log, by what a session credential was derived from (see usable_token)."""
    return _recent.find(public_id, lambda: _used(usable_token(public_id), address, client))


def recent_actor(credential: str) -> Actor | None:
    """What actor_to_log would say of the credential without asking the database, if it can."""
    return _recent.known(_digest_of(credential))


def recent_session_actor(public_id: str) -> Actor | None:
    """As recent_actor, for session_actor_to_log."""
    return _recent.known(public_id)


def _digest_of(credential: str) -> bytes:
    return hashlib.sha256(credential.encode(errors="replace")).digest()


def _used(token: ApiToken, address: Callable[[], str | None], client: str) -> Actor:
    record_use(token, address=address(), client=client)
    return actor_for_token(token)


def record_use(token: ApiToken, *, address: str | None, client: str) -> None:
    """Remember when and from where a token was used, at most once a minute so that logging costs no write."""
    now = timezone.now()
    if token.last_used_at is not None and now - token.last_used_at < _LAST_USE_RESOLUTION:
        return
    ApiToken.objects.filter(pk=token.pk).update(
        last_used_at=now, last_used_address=address, last_used_client=client[:200]
    )


def revoke_token(*, actor: Actor, token_id: int) -> ApiToken:
    """Revoke one of the actor's tokens at once; repeating it changes nothing. NotFound for anyone else's."""
    tokens = ApiToken.objects.all() if actor.is_operator else ApiToken.objects.filter(owner_id=actor.user_id)
    token = tokens.filter(pk=token_id).first()
    if token is None:
        raise NotFound
    if actor.scope is not None and token.pk != actor.token_id and not actor.allows(Action.MANAGE):
        raise AccessDenied("This API token's scope does not allow revoking other tokens.", code="needs_scope")
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
    return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _split(credential: str) -> tuple[str, str]:
    key = credential.strip()
    if not key.startswith(f"{KEY_PREFIX}_"):
        try:
            document = json.loads(base64.b64decode(key, validate=True))
            key = document["api_key"]
        except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
            key = ""
    parts = key.split("_", 2) if isinstance(key, str) else []
    if len(parts) != 3 or parts[0] != KEY_PREFIX or not parts[1].isascii() or "\x00" in key:
        return "", ""
    return parts[1], parts[2]
