from projects.models import OrganizationMember, OrganizationRole, Scope
from projects.services.projects import create_organization
from tests.api.conftest import refused


def test_a_member_sees_their_organizations(api, organization, charlie):
    create_organization(owner=charlie, name="others")
    answer = api.get("organizations/").json()
    assert [each["name"] for each in answer["results"]] == ["lab"]
    assert answer["next"] is None
    assert set(answer["results"][0]) == {"uuid", "name", "display_name", "created_at"}


def test_a_guest_sees_it_and_an_outsider_does_not(as_user, organization, dana, charlie):
    OrganizationMember.objects.create(organization=organization, user=dana, role=OrganizationRole.GUEST)
    assert len(as_user(dana).get("organizations/").json()["results"]) == 1
    assert as_user(charlie).get("organizations/").json()["results"] == []


def test_a_limited_token_sees_the_organizations_of_its_projects_only(as_user, alice, project):
    create_organization(owner=alice, name="second")
    limited = as_user(alice, Scope.READ, (project,))
    assert [each["name"] for each in limited.get("organizations/").json()["results"]] == ["lab"]


def test_nobody_is_asked_to_sign_in(anonymous, organization):
    refused(anonymous.get("organizations/"), 401, "not_authenticated")


def test_parameters_are_refused(api, organization):
    assert refused(api.get("organizations/?search=x"), 400, "invalid")["field"] == "search"
