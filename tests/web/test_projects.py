from __future__ import annotations

import pytest

from projects.models import Project, ProjectMember, ProjectRole, Visibility

FORM = {
    "organization": "lab",
    "name": "segmentation",
    "key": "seg",
    "description": "Masks",
    "visibility": "organization",
}


def test_a_member_makes_a_project_and_lands_on_its_page(alice, organization, sign_in):
    response = sign_in(alice).post("/new", FORM)
    project = Project.objects.get()
    assert response["Location"] == "/lab/segmentation/"
    assert (project.key, project.visibility) == ("SEG", Visibility.ORGANIZATION)
    assert ProjectMember.objects.get().role == ProjectRole.OWNER


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "with space"}, "name"),
        ({"name": "tutorial"}, "name"),
        ({"key": "TUT"}, "key"),
        ({"key": "1A"}, "key"),
        ({"visibility": "secret"}, "visibility"),
        ({"organization": "others"}, "organization"),
    ],
)
def test_a_fault_is_told_beside_its_field_and_the_form_keeps_what_was_typed(change, field, project, alice, sign_in):
    response = sign_in(alice).post("/new", {**FORM, **change})
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert "Masks" in response.content.decode()
    assert Project.objects.count() == 1


def test_an_outsider_can_not_make_a_project_in_the_organization(organization, charlie, sign_in):
    response = sign_in(charlie).post("/new", FORM)
    assert response.status_code == 200
    assert not Project.objects.exists()


def test_home_shows_visibility_and_counts_of_runs(run, alice, sign_in):
    page = sign_in(alice).get("/").content.decode()
    assert "/lab/tutorial/" in page
    assert "Members" in page
    assert "1 run running now" in page


def test_home_without_projects_teaches_the_first_lines(organization, alice, sign_in):
    page = sign_in(alice).get("/").content.decode()
    assert "export NEPTUNE_PROJECT=" in page
    assert "lab/my-project" in page


def test_home_without_an_organization_says_whom_to_ask(charlie, sign_in):
    assert "You are in no organization yet" in sign_in(charlie).get("/").content.decode()


def test_home_finds_projects_by_name(project, alice, sign_in):
    owner = sign_in(alice)
    assert "/lab/tutorial/" in owner.get("/?search=tuto").content.decode()
    assert "No project matches" in owner.get("/?search=elsewhere").content.decode()


def test_the_number_of_queries_at_home_does_not_grow_with_projects(
    alice, organization, sign_in, django_assert_max_num_queries
):
    client = sign_in(alice)
    for number in range(30):
        Project.objects.create(organization=organization, name=f"project{number}", key=f"P{number}")
    with django_assert_max_num_queries(10):
        assert client.get("/").status_code == 200
