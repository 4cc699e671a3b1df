from datetime import timedelta

import pytest
from django.utils import timezone

from projects.models import ApiToken, Scope
from tests.api.conftest import bearer, refused, signed_in


def test_a_token_is_shown_once_and_works(alice, project):
    browser = signed_in(alice)
    answer = browser.post("tokens/", {"name": "laptop", "scope": "read"})
    assert answer.status_code == 201
    text = answer.json()["token"]
    assert bearer(text).get("projects/lab/tutorial/").status_code == 200
    listed = browser.get("tokens/")
    assert [each["name"] for each in listed.json()["results"]] == ["laptop"]
    stored = ApiToken.objects.get()
    for secret in (text, stored.secret_hash):
        assert secret.encode() not in listed.content


def test_a_token_can_be_limited_to_projects_and_a_time(alice, project):
    project.organization.projects.create(name="other", key="OTH")
    until = timezone.now() + timedelta(days=1)
    body = {"name": "ci", "projects": ["lab/tutorial"], "expires_at": until.isoformat()}
    answer = signed_in(alice).post("tokens/", body).json()
    assert answer["projects"] == ["lab/tutorial"]
    limited = bearer(answer["token"])
    assert limited.get("projects/lab/tutorial/").status_code == 200
    refused(limited.get("projects/lab/other/"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "x", "scope": "all"}, "scope"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "projects": ["tutorial"]}, "projects"),
        ({"name": "x", "owner": 1}, "owner"),
        ({"name": "x", "secret_hash": "0"}, "secret_hash"),
    ],
)
def test_a_faulty_request_is_refused_by_field(alice, project, body, field):
    assert refused(signed_in(alice).post("tokens/", body), 400, "invalid")["field"] == field
    assert not ApiToken.objects.exists()


def test_a_project_of_others_can_not_be_named(charlie, project):
    refused(signed_in(charlie).post("tokens/", {"name": "x", "projects": ["lab/tutorial"]}), 404, "not_found")


@pytest.mark.parametrize("scope", [Scope.READ, Scope.LOG])
def test_a_weak_token_neither_makes_nor_lists_tokens(as_user, alice, project, scope):
    weak = as_user(alice, scope)
    refused(weak.post("tokens/", {"name": "x", "scope": "read"}), 403, "needs_scope")
    refused(weak.get("tokens/"), 403, "needs_scope")


def test_a_limited_token_neither_makes_nor_lists_tokens(as_user, alice, project):
    limited = as_user(alice, Scope.MANAGE, (project,))
    refused(limited.post("tokens/", {"name": "x", "scope": "read"}), 403, "needs_scope")
    refused(limited.get("tokens/"), 403, "needs_scope")


def test_a_revoked_token_is_refused_at_once_and_revoking_repeats(alice, project):
    browser = signed_in(alice)
    made = browser.post("tokens/", {"name": "laptop"}).json()
    for _ in range(2):
        assert browser.delete(f"tokens/{made['id']}/").status_code == 204
    refused(bearer(made["token"]).get("organizations/"), 401, "not_authenticated")


def test_the_tokens_of_others_do_not_exist(as_user, alice, charlie, project):
    as_user(alice)
    theirs = ApiToken.objects.get().pk
    assert signed_in(charlie).get("tokens/").json()["results"] == []
    refused(signed_in(charlie).delete(f"tokens/{theirs}/"), 404, "not_found")
    refused(signed_in(charlie).delete("tokens/999999999999999999/"), 404, "not_found")


def test_the_list_costs_the_same_number_of_queries_however_long(alice, project, as_user, django_assert_max_num_queries):
    browser = signed_in(alice)
    for _ in range(20):
        as_user(alice, Scope.READ, (project,))
    with django_assert_max_num_queries(6):
        assert len(browser.get("tokens/").json()["results"]) == 20
