import pytest
from django.utils import timezone

from projects.access import (
    ANONYMOUS,
    Action,
    access_organization,
    access_project,
    access_project_by_uuid,
    actions_in,
    actor_for_token,
    actor_for_user,
    visible_organizations,
    visible_projects,
)
from projects.exceptions import AccessDenied, NotFound
from projects.models import Organization, OrganizationMember, OrganizationRole, Project, Scope, Visibility
from projects.services.tokens import issue_token

ALL = frozenset(Action)
LOGGING = frozenset({Action.VIEW, Action.LOG, Action.EDIT})
READING = frozenset({Action.VIEW})
NOTHING: frozenset[Action] = frozenset()


def join(project: Project, user, role: OrganizationRole) -> None:
    OrganizationMember.objects.update_or_create(organization=project.organization, user=user, defaults={"role": role})


def test_roles_in_a_project_give_their_actions(project, alice, bob, dana, charlie):
    given = {user.username: actions_in(actor_for_user(user), project) for user in (alice, bob, dana, charlie)}
    assert given == {"alice": ALL, "bob": LOGGING, "dana": READING, "charlie": NOTHING}
    assert actions_in(ANONYMOUS, project) == NOTHING


@pytest.mark.parametrize(
    ("role", "visibility", "expected"),
    [
        (OrganizationRole.OWNER, Visibility.PRIVATE, ALL),
        (OrganizationRole.ADMIN, Visibility.PRIVATE, ALL),
        (OrganizationRole.MEMBER, Visibility.PRIVATE, NOTHING),
        (OrganizationRole.MEMBER, Visibility.ORGANIZATION, LOGGING),
        (OrganizationRole.GUEST, Visibility.ORGANIZATION, NOTHING),
        (OrganizationRole.GUEST, Visibility.PUBLIC, READING),
    ],
)
def test_roles_in_the_organization_reach_its_projects(project, charlie, role, visibility, expected):
    Project.objects.update(visibility=visibility)
    project.refresh_from_db()
    join(project, charlie, role)
    actor = actor_for_user(charlie)
    assert actions_in(actor, project) == expected
    assert (project in visible_projects(actor)) is bool(expected)


def test_a_public_project_may_be_read_by_anybody_and_changed_by_nobody_else(project, charlie):
    Project.objects.update(visibility=Visibility.PUBLIC)
    project.refresh_from_db()
    for actor in (ANONYMOUS, actor_for_user(charlie)):
        assert actions_in(actor, project) == READING
        with pytest.raises(AccessDenied):
            access_project(actor, "lab", "tutorial", Action.LOG)


def test_missing_and_forbidden_look_the_same(project, charlie):
    actor = actor_for_user(charlie)
    errors = []
    for organization, name in [("lab", "tutorial"), ("lab", "none"), ("none", "none")]:
        with pytest.raises(NotFound) as caught:
            access_project(actor, organization, name, Action.VIEW)
        errors.append((caught.value.code, caught.value.message, caught.value.details))
    assert len(set(map(str, errors))) == 1
    with pytest.raises(NotFound):
        access_project_by_uuid(actor, project.uuid, Action.VIEW)


def test_a_refusal_names_the_role_that_is_needed(project, dana):
    with pytest.raises(AccessDenied) as caught:
        access_project(actor_for_user(dana), "lab", "tutorial", Action.LOG)
    assert caught.value.details == {"role": "contributor"}
    assert "contributor" in caught.value.message


@pytest.mark.parametrize(("scope", "expected"), [(Scope.READ, READING), (Scope.LOG, LOGGING), (Scope.MANAGE, ALL)])
def test_the_scope_of_a_token_limits_its_owner(project, alice, dana, scope, expected):
    token, _ = issue_token(actor=actor_for_user(alice), owner=alice, name="scoped", scope=scope)
    assert actions_in(actor_for_token(token), project) == expected
    weak, _ = issue_token(actor=actor_for_user(dana), owner=dana, name="scoped", scope=scope)
    assert actions_in(actor_for_token(weak), project) == READING


def test_the_operator_sees_all_but_their_token_only_what_is_theirs(project, charlie):
    charlie.is_superuser = True
    charlie.save()
    assert actions_in(actor_for_user(charlie), project) == ALL
    token, _ = issue_token(actor=actor_for_user(charlie), owner=charlie, name="operator", scope=Scope.MANAGE)
    assert actions_in(actor_for_token(token), project) == NOTHING


def test_a_deactivated_person_is_nobody(project, alice):
    alice.is_active = False
    alice.save()
    assert actions_in(actor_for_user(alice), project) == NOTHING


def test_a_project_in_the_trash_is_not_there(project, alice):
    Project.objects.update(trashed_at=timezone.now())
    with pytest.raises(NotFound):
        access_project(actor_for_user(alice), "lab", "tutorial", Action.VIEW)
    assert project not in visible_projects(actor_for_user(alice))


def test_names_are_found_in_any_case(project, alice):
    assert access_project(actor_for_user(alice), "LAB", "Tutorial", Action.VIEW) == project


def test_organizations_are_listed_to_their_members_only(project, alice, charlie):
    assert visible_organizations(actor_for_user(alice)) == [project.organization]
    assert visible_organizations(actor_for_user(charlie)) == []
    assert visible_organizations(ANONYMOUS) == []
    Organization.objects.create(name="without-members")
    assert visible_organizations(ANONYMOUS) == []


def test_guests_and_weak_tokens_create_no_projects(project, alice, charlie):
    join(project, charlie, OrganizationRole.GUEST)
    with pytest.raises(AccessDenied):
        access_organization(actor_for_user(charlie), "lab", to_create_projects=True)
    token, _ = issue_token(actor=actor_for_user(alice), owner=alice, name="weak", scope=Scope.LOG)
    with pytest.raises(AccessDenied):
        access_organization(actor_for_token(token), "lab", to_create_projects=True)


@pytest.mark.parametrize("name", ["lab\x00", "\ud800", "läb", "lab\n", "LAB\u0130"])
def test_what_nothing_can_be_called_is_not_found(project, alice, name):
    actor = actor_for_user(alice)
    for organization, named in ((name, "tutorial"), ("lab", name)):
        with pytest.raises(NotFound):
            access_project(actor, organization, named, Action.VIEW)
    with pytest.raises(NotFound):
        access_organization(actor, name)
