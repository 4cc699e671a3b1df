"""The one place that decides who may do what.

An `Actor` joins a person with the limits of the credentials in use, so that sessions and tokens take the same path.
There are two doors: `access_project` returns one project or raises, and `visible_projects` gives the list;
runs/access.py builds on both. Interface code has no third way to obtain a project or a run.

"Does not exist" and "is not yours to see" are one answer, NotFound; "you may see it but not do that" is AccessDenied.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q

from projects.exceptions import AccessDenied, NotFound
from projects.models import (
    ApiToken,
    Organization,
    OrganizationMember,
    OrganizationRole,
    Project,
    ProjectMember,
    ProjectRole,
    Scope,
    User,
    Visibility,
)
from projects.querysets import ProjectQuerySet
from projects.rows import ModelRows, fetch, uuid_parameter


class Action(StrEnum):
    VIEW = "view"
    LOG = "log"
    EDIT = "edit"
    MANAGE = "manage"


ROLE_ACTIONS: dict[ProjectRole, frozenset[Action]] = {
    ProjectRole.VIEWER: frozenset({Action.VIEW}),
    ProjectRole.CONTRIBUTOR: frozenset({Action.VIEW, Action.LOG, Action.EDIT}),
    ProjectRole.OWNER: frozenset(Action),
}
SCOPE_ACTIONS: dict[Scope, frozenset[Action]] = {
    Scope.READ: frozenset({Action.VIEW}),
    Scope.LOG: frozenset({Action.VIEW, Action.LOG, Action.EDIT}),
    Scope.MANAGE: frozenset(Action),
}
_OWNING_ROLES = {OrganizationRole.OWNER, OrganizationRole.ADMIN}
ROLE_NEEDED: dict[Action, ProjectRole] = {
    Action.VIEW: ProjectRole.VIEWER,
    Action.LOG: ProjectRole.CONTRIBUTOR,
    Action.EDIT: ProjectRole.CONTRIBUTOR,
    Action.MANAGE: ProjectRole.OWNER,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking. `scope` is None for a signed-in person; `project_ids` is None unless a token names its
    projects."""

    user: User | AnonymousUser
    scope: Scope | None = None
    project_ids: frozenset[int] | None = None
    token_id: int | None = None

    @property
    def user_id(self) -> int | None:
        return self.user.pk if self.user.is_authenticated else None

    @property
    def is_operator(self) -> bool:
        """The server's operator, signed in as a person. A token never carries the operator's powers."""
        return self.scope is None and bool(self.user.is_active and self.user.is_superuser)

    def allows(self, action: Action) -> bool:
        """Whether the credentials allow the action at all, whatever the roles say."""
        return self.scope is None or action in SCOPE_ACTIONS[self.scope]


ANONYMOUS = Actor(user=AnonymousUser())


def actor_for_user(user: User | AnonymousUser) -> Actor:
    """The actor for a session; a deactivated person counts as nobody."""
    return Actor(user=user) if user.is_active else ANONYMOUS


def actor_for_token(token: ApiToken) -> Actor:
    """The actor for a verified token (see services.tokens.authenticate)."""
    ids = frozenset(token.projects.values_list("id", flat=True)) if token.is_limited_to_projects else None
    return Actor(user=token.owner, scope=Scope(token.scope), project_ids=ids, token_id=token.pk)


def visible_projects(actor: Actor) -> ProjectQuerySet:
    """The projects that the actor may view, the list side of `access_project`."""
    projects = Project.objects.select_related("organization")
    if actor.project_ids is not None:
        projects = projects.filter(pk__in=actor.project_ids)
    projects = projects.filter(trashed_at__isnull=True)
    if actor.is_operator:
        return projects
    rule = Q(visibility=Visibility.PUBLIC)
    if actor.user_id is not None:
        memberships = OrganizationMember.objects.filter(user_id=actor.user_id)
        rule |= Q(pk__in=ProjectMember.objects.filter(user_id=actor.user_id).values("project_id"))
        rule |= Q(
            organization_id__in=memberships.filter(role__in=[OrganizationRole.OWNER, OrganizationRole.ADMIN]).values(
                "organization_id"
            )
        )
        rule |= Q(
            visibility=Visibility.ORGANIZATION,
            organization_id__in=memberships.filter(role=OrganizationRole.MEMBER).values("organization_id"),
        )
    return projects.filter(rule)


# By hand: every request asks this, and the ORM took ten times as long to put two statements together.
_ROLES = """
    SELECT (SELECT role FROM projects_organizationmember WHERE organization_id = %s AND user_id = %s),
           (SELECT role FROM projects_projectmember WHERE project_id = %s AND user_id = %s)
"""
# The same for a statement that reads a project, as `in_organization.role` and `in_project.role`. Its two parameters are
# the actor's `user_id`.
ROLES_JOINED = """
    LEFT JOIN projects_organizationmember AS in_organization
        ON in_organization.organization_id = project.organization_id AND in_organization.user_id = %s
    LEFT JOIN projects_projectmember AS in_project
        ON in_project.project_id = project.id AND in_project.user_id = %s
"""


def role_in(actor: Actor, project: Project) -> ProjectRole | None:
    """The actor's role in the project from memberships and visibility; None when there is none. One query."""
    if actor.is_operator:
        return ProjectRole.OWNER
    if actor.user_id is None:
        return role_from(project.visibility, None, None)
    rows = fetch(_ROLES, [project.organization_id, actor.user_id, project.pk, actor.user_id])
    return role_from(project.visibility, *rows[0])


def role_from(visibility: str, in_organization: str | None, in_project: str | None) -> ProjectRole | None:
    """The role that follows from a project's visibility and a person's roles in its organization and in itself."""
    if in_organization in _OWNING_ROLES:
        return ProjectRole.OWNER
    roles = {in_project}
    if in_organization == OrganizationRole.MEMBER and visibility == Visibility.ORGANIZATION:
        roles.add(ProjectRole.CONTRIBUTOR)
    if visibility == Visibility.PUBLIC:
        roles.add(ProjectRole.VIEWER)
    ranked = [ProjectRole.OWNER, ProjectRole.CONTRIBUTOR, ProjectRole.VIEWER]
    return next((role for role in ranked if role in roles), None)


def actions_in(actor: Actor, project: Project) -> frozenset[Action]:
    """All that the actor may do in the project; empty when it is not theirs to see."""
    if actor.project_ids is not None and project.pk not in actor.project_ids:
        return frozenset()
    role = role_in(actor, project)
    return actions_of(actor, project.pk, role, is_trashed=project.trashed_at is not None)


def actions_of(actor: Actor, project_id: int, role: ProjectRole | None, *, is_trashed: bool) -> frozenset[Action]:
    """As actions_in, for someone whose role in the project is known."""
    if role is None or is_trashed or (actor.project_ids is not None and project_id not in actor.project_ids):
        return frozenset()
    return frozenset(action for action in ROLE_ACTIONS[role] if actor.allows(action))


def require(actor: Actor, project: Project, action: Action) -> None:
    """Raise NotFound when the actor may not see the project, AccessDenied when they may not do `action` in it."""
    _require(actor, actions_in(actor, project), action)


def require_with(
    actor: Actor, project: Project, action: Action, in_organization: str | None, in_project: str | None
) -> None:
    """As require, for callers that have read the actor's roles with the project (see ROLES_JOINED)."""
    role = ProjectRole.OWNER if actor.is_operator else role_from(project.visibility, in_organization, in_project)
    actions = actions_of(actor, project.pk, role, is_trashed=project.trashed_at is not None)
    _require(actor, actions, action)


def _require(actor: Actor, actions: frozenset[Action], action: Action) -> None:
    if Action.VIEW not in actions:
        raise NotFound
    if action in actions:
        return
    if not actor.allows(action):
        raise AccessDenied(f"This API token's scope does not allow '{action}'.", code="needs_scope")
    needed = ROLE_NEEDED[action]
    raise AccessDenied(f"This needs the role {needed.label.lower()} in the project.", role=str(needed))


PROJECT_ROWS = ModelRows(Project, "project")
ORGANIZATION_ROWS = ModelRows(Organization, "organization")
_PROJECT = f"""
    SELECT {PROJECT_ROWS.columns}, {ORGANIZATION_ROWS.columns}, in_organization.role, in_project.role
    FROM projects_project AS project
    JOIN projects_organization AS organization ON organization.id = project.organization_id
    {ROLES_JOINED}"""  # noqa: S608 - own names
_PROJECT_BY_NAME = f"{_PROJECT} WHERE LOWER(organization.name) = LOWER(%s) AND LOWER(project.name) = LOWER(%s)"
_PROJECT_BY_UUID = f"{_PROJECT} WHERE project.uuid = %s"


def access_project(actor: Actor, organization: str, name: str, action: Action) -> Project:
    """The project `organization/name`, if the actor may do `action` in it; else NotFound or AccessDenied. One query."""
    check_names(organization, name)
    return _accessed(actor, fetch(_PROJECT_BY_NAME, [actor.user_id, actor.user_id, organization, name]), action)


def check_names(*names: str) -> None:
    """Raise NotFound for what nothing is called (see models/names.py), some of which the database would refuse."""
    if not all(name.isascii() and name.isprintable() for name in names):
        raise NotFound


def access_project_by_uuid(actor: Actor, uuid: uuids.UUID, action: Action) -> Project:
    """As access_project, by the project's uuid."""
    return _accessed(actor, fetch(_PROJECT_BY_UUID, [actor.user_id, actor.user_id, uuid_parameter(uuid)]), action)


def _accessed(actor: Actor, rows: list[tuple[Any, ...]], action: Action) -> Project:
    if not rows:
        raise NotFound
    project = project_of(rows[0])
    require_with(actor, project, action, *rows[0][-2:])
    return project


def project_of(values: Sequence[Any]) -> Project:
    """The project with its organization, of the columns of PROJECT_ROWS and ORGANIZATION_ROWS."""
    project = PROJECT_ROWS.make(values[: PROJECT_ROWS.width])
    project.organization = ORGANIZATION_ROWS.make(values[PROJECT_ROWS.width :][: ORGANIZATION_ROWS.width])
    return project


def visible_organizations(actor: Actor) -> list[Organization]:
    """The organizations the actor belongs to, by name; the operator sees all. A token sees those of its projects."""
    if actor.user_id is None:
        return []
    organizations = Organization.objects.order_by("name")
    if not actor.is_operator:
        organizations = organizations.filter(memberships__user_id=actor.user_id)
    if actor.project_ids is not None:
        organizations = organizations.filter(projects__in=actor.project_ids).distinct()
    return list(organizations)


def access_organization(actor: Actor, name: str, *, to_create_projects: bool = False) -> Organization:
    """The organization, if the actor is a member; with `to_create_projects`, one who may add projects to it."""
    check_names(name)
    organization = Organization.objects.filter(name__iexact=name).first()
    if organization is None or actor.user_id is None:
        raise NotFound
    if actor.is_operator:
        return organization
    role = organization.memberships.filter(user_id=actor.user_id).values_list("role", flat=True).first()
    if role is None:
        raise NotFound
    if to_create_projects:
        if not actor.allows(Action.MANAGE) or actor.project_ids is not None:
            raise AccessDenied("This API token's scope does not allow creating projects.", code="needs_scope")
        if role == OrganizationRole.GUEST:
            raise AccessDenied("Guests of an organization can't create projects in it.", role=OrganizationRole.MEMBER)
    return organization
