from __future__ import annotations

import re

import pytest

from projects.models import ApiToken, Scope
from projects.services.tokens import authenticate

FORM = {"name": "laptop", "scope": "log", "expiry": "30"}


def issued_token(page: str) -> str:
    found = re.search(r"data-issued-token>([^<]+)<", page)
    assert found, "the page shows no token"
    return found.group(1)


def test_a_new_token_is_shown_once_with_ready_lines_and_works(alice, project, sign_in):
    client = sign_in(alice)
    page = client.post("/account/tokens?project=lab/tutorial", FORM).content.decode()
    text = issued_token(page)
    token = authenticate(text)
    assert (token.owner, token.name, token.scope) == (alice, "laptop", Scope.LOG)
    assert token.expires_at is not None
    assert 'export NEPTUNE_PROJECT="lab/tutorial"' in page
    assert "export OAUTHLIB_INSECURE_TRANSPORT=1" in page
    again = client.get("/account/tokens").content.decode()
    assert text not in again
    assert token.secret_hash not in again
    assert "laptop" in again


def test_on_https_the_lines_leave_out_what_only_plain_http_needs(alice, project, sign_in, settings):
    settings.BASE_URL = "https://tracking.example.org"
    page = sign_in(alice).post("/account/tokens", FORM).content.decode()
    assert "OAUTHLIB_INSECURE_TRANSPORT" not in page


def test_a_token_may_never_expire(alice, project, sign_in):
    sign_in(alice).post("/account/tokens", {**FORM, "expiry": "never"})
    assert ApiToken.objects.get().expires_at is None


@pytest.mark.parametrize("change", [{"name": "  "}, {"scope": "everything"}, {"expiry": "-1"}, {"name": "x" * 101}])
def test_a_form_with_a_fault_makes_no_token_and_says_why(change, alice, project, sign_in):
    response = sign_in(alice).post("/account/tokens", {**FORM, **change})
    assert response.status_code == 200
    assert response.context["form"].errors
    assert not ApiToken.objects.exists()


def test_a_revoked_token_stays_in_the_list_as_revoked(alice, project, sign_in):
    client = sign_in(alice)
    client.post("/account/tokens", FORM)
    token = ApiToken.objects.get()
    page = client.post(f"/account/tokens/{token.pk}/revoke", follow=True).content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert "revoked" in page


def test_nobody_can_revoke_another_persons_token(alice, charlie, project, sign_in):
    sign_in(alice).post("/account/tokens", FORM)
    token = ApiToken.objects.get()
    assert sign_in(charlie).post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_revoking_needs_a_post(alice, project, sign_in):
    client = sign_in(alice)
    client.post("/account/tokens", FORM)
    assert client.get(f"/account/tokens/{ApiToken.objects.get().pk}/revoke").status_code == 405


def test_the_list_shows_nobody_elses_tokens(alice, bob, project, sign_in):
    sign_in(alice).post("/account/tokens", {**FORM, "name": "the laptop of alice"})
    assert "the laptop of alice" not in sign_in(bob).get("/account/tokens").content.decode()


def test_the_address_in_the_clients_messages_leads_to_the_tokens(alice, sign_in):
    assert sign_in(alice).get("/get_my_api_token")["Location"] == "/account/tokens"


def test_the_lines_name_a_project_that_the_person_may_log_to(dana, project, sign_in):
    page = sign_in(dana).post("/account/tokens?project=lab/tutorial", FORM).content.decode()
    assert "lab/tutorial" not in page.split("data-issued-lines")[1].split("</pre>")[0]
