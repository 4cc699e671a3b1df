"""Signing in on the Neptune wire: what opens a session, what keeps it, what ends it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from api.compat.neptune import sessions
from api.compat.neptune.signals import authorize
from api.compat.neptune.views import operations
from projects.access import actor_for_user
from projects.exceptions import AccessDenied, NotAuthenticated, NotFound
from projects.models import ApiToken, Project, Scope, User
from projects.services import tokens
from projects.services.tokens import RECENT_SECONDS, issue_token, revoke_token
from runs.models import Run
from runs.operations import IngestResult
from tests.compat.neptune.conftest import ATTRIBUTES, BACKEND, BOARD, Wire, sign_in

EXCHANGE = f"{BACKEND}/authorization/oauth-token"
CONFIG = f"{BACKEND}/clients/config"


def exchange(client: Client, token: str) -> Any:
    return client.get(EXCHANGE, headers={"X-Neptune-Api-Token": token})


def renew(client: Client, **form: str) -> Any:
    return post_form(client, grant_type="refresh_token", client_id="neptune-cli", **form)


def post_form(client: Client, **form: str) -> Any:
    return client.post(sessions.TOKEN_PATH, urlencode(form), content_type="application/x-www-form-urlencoded")


def test_an_api_token_opens_a_session_whose_jwt_tells_the_client_all_it_reads(client, token, settings):
    answer = exchange(client, token).json()
    claims = jwt.decode(answer["accessToken"], options={"verify_signature": False})
    assert answer["username"] == "alice"
    assert claims["iss"] + "/protocol/openid-connect/token" == settings.BASE_URL + sessions.TOKEN_PATH
    assert claims["azp"]
    assert claims["exp"] - time.time() > 3600


def test_the_configuration_names_this_server_and_the_upload_limits_to_everyone(client, db, settings):
    answer = client.get(f"{CONFIG}?alpha=true", headers={"X-Neptune-Api-Token": "wrong"}).json()
    assert answer["apiUrl"] == answer["applicationUrl"] == settings.BASE_URL
    assert answer["pyLibVersions"] == {}
    assert answer["multiPartUpload"]["enabled"] is True
    assert answer["artifacts"]["enabled"] is False


def test_a_refresh_token_renews_the_session_and_stays_valid(client, token):
    first = exchange(client, token).json()["refreshToken"]
    for _ in range(2):
        answer = renew(client, refresh_token=first)
        assert answer.status_code == 200
        assert answer.json()["token_type"] == "Bearer"
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert client.get(f"{BACKEND}/projects", headers=bearer).status_code == 200


@pytest.mark.parametrize(
    "form",
    [{}, {"refresh_token": "x"}, {"refresh_token": "\x00"}, {"refresh_token": "a.b.c"}],
)
def test_a_wrong_refresh_token_is_an_invalid_grant_so_that_the_client_signs_in_anew(client, db, form):
    answer = renew(client, **form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


def test_an_access_token_is_no_refresh_token_and_the_reverse(client, token):
    answer = exchange(client, token).json()
    assert renew(client, refresh_token=answer["accessToken"]).json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {answer['refreshToken']}"}
    assert client.get(f"{BACKEND}/projects", headers=bearer).status_code == 401


def test_another_grant_is_refused(client, db):
    answer = post_form(client, grant_type="password", username="alice", password="x")
    assert answer.status_code == 400
    assert answer.json()["error"] == "unsupported_grant_type"


def test_wrong_revoked_and_expired_tokens_are_told_apart_by_nobody(client, alice):
    actor = actor_for_user(alice)
    revoked, revoked_text = issue_token(actor=actor, owner=alice, name="revoked")
    revoke_token(actor=actor, token_id=revoked.pk)
    expired, expired_text = issue_token(actor=actor, owner=alice, name="expired")
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    bodies = []
    for text in ("", "nonsense", "ÿ", revoked_text, expired_text):
        answer = exchange(client, text)
        assert answer.status_code == 401
        bodies.append({key: value for key, value in answer.json().items() if key != "request_id"})
    assert all(body == bodies[0] for body in bodies)


def test_revoking_the_api_token_ends_its_sessions_at_once_and_for_logging_within_a_second(wire, run, clock):
    assert wire.get(ATTRIBUTES, experimentId=run).status_code == 200
    assert wire.post(f"{ATTRIBUTES}/operations", [], experimentId=run).status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())
    assert wire.get(ATTRIBUTES, experimentId=run).status_code == 401
    clock.advance(RECENT_SECONDS)
    assert wire.post(f"{ATTRIBUTES}/operations", [], experimentId=run).status_code == 401


def test_a_session_is_looked_up_once_a_second_while_it_logs(wire, run, clock, monkeypatch):
    looked_up = []
    usable = tokens.usable_token
    monkeypatch.setattr(tokens, "usable_token", lambda public_id: looked_up.append(public_id) or usable(public_id))
    for passed, count in [(0, 1), (0.5, 1), (0.6, 2)]:
        clock.advance(passed)
        wire.log(run)
        assert len(looked_up) == count


def session_id(text: str) -> str:
    return jwt.decode(text, options={"verify_signature": False})["sid"]


def test_an_exchange_begins_a_session_and_a_renewal_carries_it_on(client, token):
    first, second = exchange(client, token).json(), exchange(client, token).json()
    renewed = renew(client, refresh_token=first["refreshToken"]).json()
    ids = {session_id(first[name]) for name in ("accessToken", "refreshToken")}
    assert ids == {session_id(renewed[name]) for name in ("access_token", "refresh_token")}
    assert len(ids) == 1
    assert session_id(second["accessToken"]) not in ids


def test_a_batch_carries_the_session_it_was_sent_in(client, wire, run, monkeypatch):
    seen = []

    def apply(run: Run, columns: Any, *, identity: Any) -> Any:
        seen.append(identity)
        return IngestResult(applied=1, errors=())

    monkeypatch.setattr(operations, "apply_points", apply)
    point = {"value": 1.0, "step": None, "timestampMilliseconds": 1795404068739}
    wire.log(run, {"path": "m", "logFloats": {"entries": [point]}})
    (identity,) = seen
    assert identity.session == session_id(wire.headers["Authorization"].removeprefix("Bearer "))
    assert len(identity.digest) == operations.DIGEST_LENGTH


def test_tokens_of_earlier_versions_have_no_session_and_stay_valid(client, token):
    def earlier(use: str) -> str:
        claims = {"sub": ApiToken.objects.get().public_id, "use": use, "exp": time.time() + 3600}
        return jwt.encode(claims, sessions._key(), algorithm="HS256")

    assert sessions.claims_of_session(earlier("access")).session == ""
    assert (
        client.get(f"{BACKEND}/projects", headers={"Authorization": f"Bearer {earlier('access')}"}).status_code == 200
    )
    assert session_id(renew(client, refresh_token=earlier("refresh")).json()["access_token"])


def test_the_end_of_a_verified_token_is_looked_at_each_time(token, monkeypatch):
    text = sessions.open_session(ApiToken.objects.get()).access_token
    sessions.claims_of_session(text)
    later = time.time() + sessions.ACCESS_SECONDS + sessions.GRACE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(NotAuthenticated):
        sessions.claims_of_session(text)


def test_deactivating_a_person_ends_their_sessions(wire, run, bob):
    bob.is_active = False
    bob.save()
    assert wire.get(ATTRIBUTES, experimentId=run).status_code == 401


@pytest.mark.parametrize(
    ("past_end", "status"), [(sessions.GRACE_SECONDS - 60, 200), (sessions.GRACE_SECONDS + 60, 401)]
)
def test_an_access_token_is_accepted_for_a_while_past_its_end(client, token, monkeypatch, past_end, status):
    began = time.time() - sessions.ACCESS_SECONDS - past_end
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: began)
        session = sessions.open_session(ApiToken.objects.get())
    bearer = {"Authorization": f"Bearer {session.access_token}"}
    assert client.get(f"{BACKEND}/projects", headers=bearer).status_code == status


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_a_jwt_that_was_not_signed_here_opens_nothing(client, token, algorithm):
    claims = {"sub": ApiToken.objects.get().public_id, "use": "access", "exp": time.time() + 3600}
    forged = jwt.encode(claims, "x" * 32 if algorithm == "HS256" else "", algorithm=algorithm)
    assert client.get(f"{BACKEND}/projects", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_a_browser_session_is_not_accepted(client, alice, project):
    client.force_login(alice)
    assert client.get(f"{BACKEND}/projects").status_code == 401


def test_unsafe_requests_with_a_session_need_no_csrf_token(project, token):
    client = Client(enforce_csrf_checks=True)
    headers = sign_in(client, token)
    body = {"projectIdentifier": str(project.uuid)}
    answer = client.post(f"{BOARD}/experiments", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200


def test_using_a_token_is_noted(client, token):
    exchange(client, token)
    assert ApiToken.objects.get().last_used_at is not None


def bearer_of(wire: Wire) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", wire.headers["Authorization"].encode())]


def test_who_may_log_to_a_run_may_hear_its_signals(wire, run, project):
    assert str(authorize(bearer_of(wire), project.uuid, Run.objects.get(uuid=run).uuid).uuid) == run


def test_others_may_not_hear_a_runs_signals(wire_of: Any, run: str, project: Project, dana: User, charlie: User):
    found = Run.objects.get(uuid=run)
    with pytest.raises(AccessDenied):
        authorize(bearer_of(wire_of(dana)), project.uuid, found.uuid)
    with pytest.raises(NotFound):
        authorize(bearer_of(wire_of(charlie)), project.uuid, found.uuid)
    with pytest.raises(NotAuthenticated):
        authorize([], project.uuid, found.uuid)
    with pytest.raises(NotFound):
        authorize(bearer_of(wire_of(found.owner, Scope.LOG)), found.uuid, found.uuid)
