import base64
import json
from datetime import timedelta

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from api.authentication import client_address
from projects.access import actor_for_user
from projects.models import ApiToken, Project
from projects.services.tokens import RECENT_SECONDS, revoke_token
from tests.api.conftest import Caller, bearer, refused, signed_in


def test_a_token_is_taken_as_a_bare_key_and_as_the_clients_send_it(token, project):
    key = json.loads(base64.b64decode(token))["api_key"]
    for text in (token, key):
        assert bearer(text).get("projects/lab/tutorial/").status_code == 200
    assert Caller(Authorization=f"bearer {key}").get("projects/lab/tutorial/").status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic YWxpY2U6eA==", "Token x", "Bearer trk_a_b", "Bearer \x00", "é"],
)
def test_any_other_credential_is_refused_alike(project, header):
    answer = refused(Caller(Authorization=header).get("projects/"), 401, "not_authenticated")
    assert answer["message"] == "The API token is missing, wrong, expired or revoked."


def test_no_revoked_and_expired_tokens_get_the_same_answer(token, alice, anonymous, project):
    answers = [anonymous.get("organizations/")]
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answers.append(bearer(token).get("organizations/"))
    ApiToken.objects.update(expires_at=None)
    assert bearer(token).get("organizations/").status_code == 200
    revoke_token(actor=actor_for_user(alice), token_id=ApiToken.objects.get().pk)
    answers.append(bearer(token).get("organizations/"))
    bodies = [refused(answer, 401, "not_authenticated") for answer in answers]
    assert len({body["message"] for body in bodies}) == 1
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer") for answer in answers)


def test_a_deactivated_person_is_refused(token, alice, project):
    browser = signed_in(alice)
    alice.is_active = False
    alice.save()
    refused(bearer(token).get("organizations/"), 401, "not_authenticated")
    refused(browser.get("organizations/"), 401, "not_authenticated")


def test_a_signed_in_browser_reads_without_and_writes_with_the_csrf_token(alice, project):
    browser = signed_in(alice)
    body = {"organization": "lab", "name": "second"}
    assert browser.get("projects/").status_code == 200
    refused(Caller(browser.client).post("projects/", body), 403, "csrf_failed")
    refused(browser.post("projects/", body, headers={"X-CSRFToken": "u" * 32}), 403, "csrf_failed")
    assert not Project.objects.filter(name="second").exists()
    assert browser.post("projects/", body).status_code == 201


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_form_of_another_site_changes_nothing(alice, project, run, method):
    browser = Caller(signed_in(alice).client, Origin="https://evil.example")
    for path in ("projects/", "projects/lab/tutorial/", f"runs/{run.uuid}/trash/", f"runs/{run.uuid}/", "tokens/1/"):
        response = browser.request(
            method, path, data="csrfmiddlewaretoken=x&name=x", content_type="application/x-www-form-urlencoded"
        )
        refused(response, 403, "csrf_failed")
    run.refresh_from_db()
    assert run.trashed_at is None


def test_a_token_is_never_helped_by_a_cookie(alice, project):
    browser = signed_in(alice)
    refused(browser.get("organizations/", headers={"Authorization": "Bearer wrong"}), 401, "not_authenticated")
    refused(browser.get("organizations/", headers={"Authorization": "Basic x"}), 401, "not_authenticated")


def test_a_token_needs_no_csrf_token_even_beside_a_session(alice, token, project):
    browser = Caller(signed_in(alice).client, Authorization=f"Bearer {token}")
    assert browser.post("projects/", {"organization": "lab", "name": "second"}).status_code == 201


def test_the_use_of_a_token_is_remembered(token, project):
    client = Caller(Client(REMOTE_ADDR="192.0.2.7"), Authorization=f"Bearer {token}", **{"User-Agent": "trainer/1"})
    assert client.get("organizations/").status_code == 200
    stored = ApiToken.objects.get()
    assert (stored.last_used_address, stored.last_used_client) == ("192.0.2.7", "trainer/1")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "expected"),
    [
        (0, "198.51.100.1", "192.0.2.7", "192.0.2.7"),
        (1, "203.0.113.9, 198.51.100.1", "192.0.2.7", "198.51.100.1"),
        (2, "198.51.100.1", "192.0.2.7", "198.51.100.1"),
        (1, "", "192.0.2.7", "192.0.2.7"),
        (1, "nonsense", "192.0.2.7", None),
        (0, "", "", None),
        (0, "", "fe80::1%eth0", "fe80::1"),
    ],
)
def test_only_our_own_proxies_are_believed_about_the_address(settings, proxies, forwarded, remote, expected):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == expected


def test_a_revoked_token_reads_nothing_at_once_and_logs_nothing_after_a_second(as_user, bob, run, clock):
    caller = as_user(bob)
    batch = {"writer": "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77", "seq": 1, "operations": []}
    assert caller.post(f"runs/{run.uuid}/operations/", batch).status_code == 200
    ApiToken.objects.update(revoked_at=timezone.now())
    refused(caller.get(f"runs/{run.uuid}/"), 401, "not_authenticated")
    refused(caller.get(f"runs/{run.uuid}/points/?path=x"), 401, "not_authenticated")
    clock.advance(RECENT_SECONDS)
    refused(caller.post(f"runs/{run.uuid}/operations/", batch), 401, "not_authenticated")
    refused(caller.post(f"runs/{run.uuid}/points/"), 401, "not_authenticated")
