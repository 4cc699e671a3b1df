import pytest

from projects.models import Project, Visibility
from tests.api.conftest import refused


def test_a_project_is_shown_with_what_the_caller_may_do(api, as_user, project, dana):
    shown = api.get("projects/lab/tutorial/").json()
    assert (shown["organization"], shown["name"], shown["key"]) == ("lab", "tutorial", "TUT")
    assert shown["actions"] == ["edit", "log", "manage", "view"]
    assert as_user(dana).get("projects/lab/tutorial/").json()["actions"] == ["view"]


def test_the_list_holds_only_what_the_caller_may_see(api, as_user, project, charlie):
    assert [each["name"] for each in api.get("projects/").json()["results"]] == ["tutorial"]
    assert as_user(charlie).get("projects/").json() == {"results": [], "next": None}


def test_the_list_is_read_page_by_page_in_order(api, organization, project):
    for name in ("beta", "Alpha", "gamma", "zeta"):
        Project.objects.create(organization=organization, name=name, key=name.upper())
    whole = [each["name"] for each in api.get("projects/").json()["results"]]
    names, cursor = [], ""
    while cursor is not None:
        answer = api.get(f"projects/?limit=2&cursor={cursor}").json()
        assert len(answer["results"]) <= 2
        names += [each["name"] for each in answer["results"]]
        cursor = answer["next"]
    assert names == whole
    assert set(names) == {"tutorial", "beta", "Alpha", "gamma", "zeta"}


def test_the_list_costs_the_same_number_of_queries_however_long(
    api, organization, project, django_assert_max_num_queries
):
    Project.objects.bulk_create(
        Project(organization=organization, name=f"p{number}", key=f"P{number}") for number in range(150)
    )
    with django_assert_max_num_queries(5):
        assert len(api.get("projects/?limit=150").json()["results"]) == 150


def test_the_list_is_searched_and_narrowed_to_an_organization(api, project):
    assert len(api.get("projects/?search=TUTOR").json()["results"]) == 1
    assert api.get("projects/?search=nothing").json()["results"] == []
    assert len(api.get("projects/?organization=LAB").json()["results"]) == 1
    assert api.get("projects/?organization=other").json()["results"] == []


def test_a_project_is_created_by_a_member(api, organization):
    answer = api.post("projects/", {"organization": "lab", "name": "digits", "description": "Handwritten digits"})
    assert answer.status_code == 201
    assert answer.json()["key"] == "DIG"
    assert answer.json()["visibility"] == "private"
    assert Project.objects.get(name="digits").created_by.username == "alice"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"organization": "lab"}, "name"),
        ({"organization": "lab", "name": "a b"}, "name"),
        ({"organization": "lab", "name": "x", "visibility": "secret"}, "visibility"),
        ({"organization": "lab", "name": "x", "uuid": "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77"}, "uuid"),
        ({"organization": "lab", "name": "x", "created_by": 1}, "created_by"),
        ({"organization": "lab", "name": ["x"]}, "name"),
        ({"organization": "lab", "name": "x" * 101}, "name"),
    ],
)
def test_a_faulty_project_is_refused_by_field(api, organization, body, field):
    assert refused(api.post("projects/", body), 400, "invalid")["field"] == field
    assert not Project.objects.exists()


@pytest.mark.parametrize("body", [[], "text", 1, None, [[]]])
def test_a_body_that_is_no_object_is_refused(api, organization, body):
    response = api.post("projects/", data=__import__("json").dumps(body))
    refused(response, 400, "invalid")


def test_a_taken_name_is_a_conflict(api, project):
    assert (
        refused(api.post("projects/", {"organization": "lab", "name": "Tutorial"}), 409, "conflict")["field"] == "name"
    )


def test_an_organization_of_others_does_not_exist(as_user, organization, charlie):
    body = {"organization": "lab", "name": "mine"}
    here = refused(as_user(charlie).post("projects/", body), 404, "not_found")
    nowhere = refused(as_user(charlie).post("projects/", {**body, "organization": "none"}), 404, "not_found")
    assert here["message"] == nowhere["message"]


def test_the_owner_changes_description_and_visibility(api, project):
    answer = api.patch("projects/lab/tutorial/", {"description": "New", "visibility": "public"})
    assert answer.status_code == 200
    project.refresh_from_db()
    assert (project.description, project.visibility) == ("New", Visibility.PUBLIC)


@pytest.mark.parametrize("field", ["name", "key", "organization", "uuid", "trashed_at", "last_run_number", "members"])
def test_nothing_else_can_be_changed(api, project, field):
    refused(api.patch("projects/lab/tutorial/", {field: "X"}), 400, "invalid")


def test_a_contributor_may_not_change_the_project(as_user, project, bob):
    answer = refused(as_user(bob).patch("projects/lab/tutorial/", {"description": "x"}), 403, "needs_role")
    assert answer["role"] == "owner"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=%00", "colour=red", "search=%00"]
)
def test_faulty_parameters_are_refused(api, project, query):
    answer = api.get(f"projects/?{query}")
    assert answer.status_code == 400
    assert answer.json()["field"] == query.split("=")[0]


@pytest.mark.parametrize("name", ["a%00b", "a%2Fb", "%ff", "..", "x" * 101, "é"])
def test_an_impossible_name_is_an_unknown_address(api, project, name):
    refused(api.get(f"projects/lab/{name}/"), 404, "not_found")
