import pytest

from projects.access import actor_for_user
from projects.exceptions import Conflict, InvalidInput, NotFound
from projects.models import ProjectMember, ProjectRole
from projects.services.projects import create_organization, create_project, suggest_key


def test_the_creator_owns_the_project(project, alice):
    assert ProjectMember.objects.get(project=project, user=alice).role == ProjectRole.OWNER
    assert (project.key, project.qualified_name) == ("TUT", "lab/tutorial")


def test_keys_are_suggested_from_the_name_and_stay_unique(project, organization, alice):
    assert suggest_key(organization, "tutorial-two") == "TUT2"
    assert suggest_key(organization, "3d-scans") == "DSC"
    assert suggest_key(organization, "--") == "PRO"
    second = create_project(actor=actor_for_user(alice), organization="lab", name="tutorial-two")
    assert second.key == "TUT2"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "a-", "ä", "a" * 101, "a\n", ".."])
def test_impossible_names_are_refused_by_field(organization, alice, name):
    with pytest.raises(InvalidInput) as caught:
        create_project(actor=actor_for_user(alice), organization="lab", name=name)
    assert caught.value.details["field"] == "name"


@pytest.mark.parametrize("key", ["abc", "1A", "A-B", "A" * 13])
def test_impossible_keys_are_refused_by_field(organization, alice, key):
    with pytest.raises(InvalidInput) as caught:
        create_project(actor=actor_for_user(alice), organization="lab", name="x", key=key)
    assert caught.value.details["field"] == "key"


def test_a_taken_name_or_key_is_told(project, alice):
    actor = actor_for_user(alice)
    with pytest.raises(Conflict) as caught:
        create_project(actor=actor, organization="lab", name="TUTORIAL")
    assert caught.value.details["field"] == "name"
    with pytest.raises(Conflict) as caught:
        create_project(actor=actor, organization="lab", name="other", key="TUT")
    assert caught.value.details["field"] == "key"


def test_an_outsider_can_not_tell_whether_an_organization_exists(organization, charlie):
    for name in ("lab", "none"):
        with pytest.raises(NotFound):
            create_project(actor=actor_for_user(charlie), organization=name, name="x")


def test_an_organization_can_not_take_an_address_of_the_site(db, alice):
    for name in ("admin", "API", "login"):
        with pytest.raises(InvalidInput):
            create_organization(owner=alice, name=name)
    create_organization(owner=alice, name="team")
    with pytest.raises(Conflict):
        create_organization(owner=alice, name="Team")
