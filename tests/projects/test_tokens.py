import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from projects.access import Action, access_project, actor_for_token, actor_for_user
from projects.exceptions import AccessDenied, NotAuthenticated, NotFound
from projects.models import ApiToken, Scope
from projects.services.tokens import authenticate, issue_token, revoke_token


def test_a_token_is_accepted_as_the_clients_send_it_and_as_a_bare_key(token):
    key = json.loads(base64.b64decode(token))["api_key"]
    assert authenticate(token) == authenticate(key) == ApiToken.objects.get()


def test_the_database_holds_no_usable_secret(token):
    secret = json.loads(base64.b64decode(token))["api_key"].split("_", 2)[2]
    stored = str(ApiToken.objects.values().get())
    assert secret not in stored


@pytest.mark.parametrize("text", ["", "x", "trk_", "trk_a_b", "e30=", "bnVsbA==", "\x00", "trk_é_x", "W" * 100_000])
def test_anything_else_is_refused_alike(db, text):
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(text)
    assert caught.value.message == NotAuthenticated().message


def test_a_revoked_or_expired_token_is_refused(alice, token):
    actor = actor_for_user(alice)
    stored = ApiToken.objects.get()
    stored.expires_at = timezone.now() - timedelta(seconds=1)
    stored.save()
    with pytest.raises(NotAuthenticated):
        authenticate(token)
    stored.expires_at = None
    stored.save()
    assert authenticate(token) == stored
    revoke_token(actor=actor, token_id=stored.pk)
    with pytest.raises(NotAuthenticated):
        authenticate(token)


def test_a_token_can_never_make_a_stronger_one(alice, project):
    for scope in (Scope.READ, Scope.LOG):
        weak, _ = issue_token(actor=actor_for_user(alice), owner=alice, name="weak", scope=scope)
        with pytest.raises(AccessDenied):
            issue_token(actor=actor_for_token(weak), owner=alice, name="strong", scope=Scope.MANAGE)


def test_a_token_limited_to_a_project_sees_no_other(alice, project):
    other = project.organization.projects.create(name="other", key="OTH")
    limited, _ = issue_token(actor=actor_for_user(alice), owner=alice, name="limited", projects=[other])
    actor = actor_for_token(limited)
    assert access_project(actor, "lab", "other", Action.LOG) == other
    with pytest.raises(NotFound):
        access_project(actor, "lab", "tutorial", Action.VIEW)
    other.delete()
    with pytest.raises(NotFound):
        access_project(actor_for_token(limited), "lab", "tutorial", Action.VIEW)


def test_nobody_revokes_the_token_of_somebody_else(token, charlie):
    with pytest.raises(NotFound):
        revoke_token(actor=actor_for_user(charlie), token_id=ApiToken.objects.get().pk)
