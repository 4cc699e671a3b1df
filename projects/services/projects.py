"""Creating organizations and projects."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from projects.access import Actor, access_organization
from projects.exceptions import Conflict, InvalidInput
from projects.models import (
    Organization,
    OrganizationMember,
    OrganizationRole,
    Project,
    ProjectMember,
    ProjectRole,
    User,
    Visibility,
)
from projects.models.names import KEY_MAX_LENGTH, RESERVED_NAMES


@transaction.atomic
def create_organization(*, owner: User, name: str, display_name: str = "") -> Organization:
    """Make an organization with its first owner. InvalidInput names the field; Conflict when the name is taken."""
    if name.lower() in RESERVED_NAMES:
        raise InvalidInput(f"The name '{name}' is used by the site itself; choose another.", field="name")
    organization = Organization(name=name, display_name=display_name)
    _clean(organization)
    try:
        with transaction.atomic():
            organization.save()
    except IntegrityError as error:
        raise Conflict(f"There is an organization named '{name}' already.", field="name") from error
    OrganizationMember.objects.create(organization=organization, user=owner, role=OrganizationRole.OWNER)
    return organization


@transaction.atomic
def create_project(
    *,
    actor: Actor,
    organization: str,
    name: str,
    key: str = "",
    description: str = "",
    visibility: Visibility = Visibility.PRIVATE,
) -> Project:
    """Make a project whose owner is the actor; without `key` one is made from the name.

    Raises NotFound or AccessDenied for the organization, InvalidInput naming the field, Conflict (field `name` or
    `key`) when it is taken.
    """
    home = access_organization(actor, organization, to_create_projects=True)
    project = Project(
        organization=home,
        name=name,
        key=key or suggest_key(home, name),
        description=description,
        visibility=visibility,
        created_by_id=actor.user_id,
    )
    _clean(project)
    if home.projects.filter(name__iexact=name).exists():
        raise Conflict(f"There is a project named '{name}' in {home.name} already.", field="name")
    try:
        with transaction.atomic():
            project.save()
    except IntegrityError as error:
        raise Conflict(f"The key '{project.key}' is taken in {home.name}.", field="key") from error
    if actor.user_id is not None:
        ProjectMember.objects.create(project=project, user_id=actor.user_id, role=ProjectRole.OWNER)
    return project


def update_project(
    project: Project, *, description: str | None = None, visibility: Visibility | None = None
) -> Project:
    """Change what is given; the rest stays. InvalidInput names the field."""
    if description is not None:
        project.description = description
    if visibility is not None:
        project.visibility = visibility
    _clean(project)
    project.save(update_fields=["description", "visibility"])
    return project


def suggest_key(organization: Organization, name: str) -> str:
    """A free project key from a name: `tutorial` gives TUT, then TUT2, TUT3, …"""
    letters = re.sub(r"[^A-Z0-9]", "", name.upper()).lstrip("0123456789")
    stem = (letters[:3] or "PRO")[: KEY_MAX_LENGTH - 4]
    taken = set(Project.objects.filter(organization=organization, key__startswith=stem).values_list("key", flat=True))
    number = 1
    key = stem
    while key in taken:
        number += 1
        key = f"{stem}{number}"
    return key


def _clean(instance: Organization | Project) -> None:
    try:
        instance.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidInput(f"{field}: {messages[0]}", field=field) from error
