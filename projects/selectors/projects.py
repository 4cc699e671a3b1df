"""Lists of projects."""

from __future__ import annotations

from django.db.models import Q

from projects.access import Actor, visible_projects
from projects.models import Project


def list_projects(
    actor: Actor, *, organization: str = "", search: str = "", after: tuple[str, str] | None = None, limit: int
) -> list[Project]:
    """The projects that the actor may view by (organization, name), behind the pair `after`; `search` matches either
    name in any case. One query."""
    projects = visible_projects(actor).order_by("organization__name", "name")
    if organization:
        projects = projects.filter(organization__name__iexact=organization)
    if search:
        projects = projects.filter(Q(name__icontains=search) | Q(organization__name__icontains=search))
    if after is not None:
        home, name = after
        projects = projects.filter(Q(organization__name__gt=home) | Q(organization__name=home, name__gt=name))
    return list(projects[:limit])
