"""Every page, asked for by everyone: owner, contributor, viewer, outsider, visitor."""

from __future__ import annotations

import pytest
from django.test import Client

from projects.models import Visibility
from web.views.run import TABS

PROJECT_PAGES = ["/lab/tutorial/", "/lab/tutorial", "/lab/", "/lab/tutorial/e/TUT-1/", "/lab/tutorial/e/TUT-1"]
RUN_PAGES = [f"/lab/tutorial/e/TUT-1/{tab.name}" for tab in TABS]
FILE_PAGES = [
    "/lab/tutorial/e/TUT-1/files?path=reports/summary",
    "/lab/tutorial/e/TUT-1/files?path=source_code/files&member=train.py",
    "/lab/tutorial/e/TUT-1/source?file=train.py",
]
OWN_PAGES = ["/", "/new", "/account/tokens"]
WRITE_CONTROLS = ["data-trash-run", "data-edit-name", "data-edit-description", "data-stop-run", "data-abort-run"]


@pytest.mark.parametrize("address", [*OWN_PAGES, *PROJECT_PAGES, *RUN_PAGES, *FILE_PAGES])
def test_every_page_answers_every_member(address, run, alice, bob, dana, sign_in):
    for member in (alice, bob, dana):
        response = sign_in(member).get(address)
        assert response.status_code == (200 if address != "/lab/" or member == alice else response.status_code)
        assert response.status_code in {200, 404}


@pytest.mark.parametrize("address", [*PROJECT_PAGES, *RUN_PAGES, *FILE_PAGES])
def test_an_outsider_gets_the_same_answer_as_for_what_does_not_exist(address, run, charlie, sign_in):
    outsider = sign_in(charlie)
    answer = outsider.get(address)
    missing = outsider.get("/nobody/nothing/e/NO-1/overview")
    assert answer.status_code == missing.status_code == 404
    assert answer.content == missing.content


@pytest.mark.parametrize("address", [*PROJECT_PAGES, *RUN_PAGES, *OWN_PAGES, "/nobody/nothing/"])
def test_a_visitor_is_asked_to_sign_in_and_brought_back(address, run):
    response = Client().get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/login?next=/")


@pytest.mark.parametrize("address", [*PROJECT_PAGES, *RUN_PAGES, "/"])
def test_a_visitor_may_read_a_public_project(address, run, project):
    project.visibility = Visibility.PUBLIC
    project.save()
    response = Client().get(address)
    assert response.status_code == 200
    assert all(control not in response.content.decode() for control in WRITE_CONTROLS)


@pytest.mark.parametrize("address", RUN_PAGES)
def test_a_viewer_sees_no_write_controls(address, run, dana, sign_in):
    page = sign_in(dana).get(address).content.decode()
    assert all(control not in page for control in WRITE_CONTROLS)
    assert 'data-can-edit="no"' in page


def test_a_contributor_sees_the_write_controls(run, bob, sign_in):
    page = sign_in(bob).get("/lab/tutorial/e/TUT-1/overview").content.decode()
    assert all(control in page for control in WRITE_CONTROLS)


def test_the_home_page_of_an_outsider_does_not_mention_the_project(run, charlie, sign_in):
    page = sign_in(charlie).get("/").content.decode()
    assert "tutorial" not in page
    assert "TUT-1" not in page


def test_a_deactivated_person_is_a_visitor(run, bob, sign_in):
    client = sign_in(bob)
    bob.is_active = False
    bob.save()
    assert client.get("/lab/tutorial/").status_code == 302


def test_an_unknown_tab_and_an_unknown_run_are_not_found(run, alice, sign_in):
    owner = sign_in(alice)
    assert owner.get("/lab/tutorial/e/TUT-1/nonsense").status_code == 404
    assert owner.get("/lab/tutorial/e/TUT-99/overview").status_code == 404


def test_pages_are_never_cached_by_others(run, alice, sign_in):
    response = sign_in(alice).get("/lab/tutorial/e/TUT-1/overview")
    assert response["Cache-Control"] == "private, no-store"
    assert "script-src 'self'" in response["Content-Security-Policy"]
