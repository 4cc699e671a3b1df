from __future__ import annotations

import pytest
from django.test import Client

from projects.models.user import Theme

PASSWORD = "alice-password-1"


def test_signing_in_leads_to_where_one_wanted_to_go(alice):
    response = Client().post("/login?next=/account/tokens", {"username": "alice", "password": PASSWORD})
    assert response.status_code == 302
    assert response["Location"] == "/account/tokens"


@pytest.mark.parametrize(
    "target",
    ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "https:///elsewhere.example"],
)
def test_signing_in_never_leads_to_another_site(target, alice):
    response = Client().post(f"/login?next={target}", {"username": "alice", "password": PASSWORD, "next": target})
    assert response["Location"] == "/"


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_wrong_names_and_wrong_passwords_get_the_same_answer(name, alice):
    page = Client().post("/login", {"username": name, "password": "wrong"}).content.decode()
    assert "The user name or the password is wrong" in page


def test_signing_out_needs_a_post_and_ends_the_session(alice, sign_in):
    client = sign_in(alice)
    assert client.get("/logout").status_code == 405
    assert client.get("/account/tokens").status_code == 200
    client.post("/logout")
    assert client.get("/account/tokens").status_code == 302


def test_forms_without_the_csrf_token_are_refused_with_our_page(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = client.post("/logout")
    assert response.status_code == 403
    assert "nothing was changed" in response.content.decode()


def test_the_theme_is_kept_for_the_person_and_for_the_browser(alice, sign_in):
    client = sign_in(alice)
    response = client.post("/account/theme", {"theme": "dark", "next": "/account/tokens"})
    alice.refresh_from_db()
    assert (alice.theme, response["Location"]) == (Theme.DARK, "/account/tokens")
    assert 'data-theme="dark"' in client.get("/").content.decode()
    client.post("/logout")
    assert 'data-theme="dark"' in client.get("/login").content.decode()


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example"])
def test_choosing_a_theme_never_leads_to_another_site(target, alice, sign_in):
    response = sign_in(alice).post("/account/theme", {"theme": "nonsense", "next": target})
    alice.refresh_from_db()
    assert (alice.theme, response["Location"]) == (Theme.SYSTEM, "/")
