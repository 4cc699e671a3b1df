"""The first page: my organizations with their projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from projects.access import Actor, access_organization, visible_organizations
from projects.exceptions import NotFound
from projects.models import Organization, Project
from projects.selectors.projects import list_projects
from runs.selectors.activity import Activity, RecentRun, project_activity, recent_runs
from web.views.page import page

MAX_PROJECTS = 500
MAX_RECENT = 8


@dataclass(frozen=True, slots=True)
class ProjectCard:
    project: Project
    activity: Activity


@dataclass(frozen=True, slots=True)
class Section:
    """One organization on the page; `is_mine` when the person belongs to it."""

    organization: Organization
    projects: list[ProjectCard]
    is_mine: bool


@require_safe
@page
def home(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """All that the person may see. A visitor sees public projects, and is asked to sign in when there are none."""
    search = request.GET.get("search", "")[:100]
    sections = _sections(actor, visible_organizations(actor), search=search)
    if actor.user_id is None and not sections and not search:
        return redirect_to_login(request.get_full_path())
    recent = recent_runs(actor, limit=MAX_RECENT) if not search and actor.user_id is not None else []
    return _answer(request, sections, search, recent=recent)


@require_safe
@page
def organization(request: HttpRequest, actor: Actor, organization: str) -> HttpResponseBase:
    """The projects of one organization, for its members and for who may see one of its projects."""
    search = request.GET.get("search", "")[:100]
    try:
        mine = [access_organization(actor, organization)]
    except NotFound:
        mine = []
    sections = _sections(actor, mine, search=search, only=organization)
    if not sections and not search:
        raise NotFound
    return _answer(request, sections, search, organization=sections[0].organization if sections else None)


def _answer(
    request: HttpRequest,
    sections: list[Section],
    search: str,
    organization: Organization | None = None,
    recent: Sequence[RecentRun] = (),
) -> HttpResponseBase:
    context = {
        "sections": sections,
        "search": search,
        "organization": organization,
        "recent": recent,
        "running": sum(card.activity.running for section in sections for card in section.projects),
        "has_projects": any(section.projects for section in sections),
        "is_plain_http": settings.BASE_URL.startswith("http://"),
        "section": "home",
    }
    return render(request, "web/home.html", context)


def _sections(actor: Actor, mine: list[Organization], *, search: str, only: str = "") -> list[Section]:
    projects = list_projects(actor, organization=only, search=search, limit=MAX_PROJECTS)
    activities = project_activity(projects)
    homes = {each.pk: each for each in mine} | {each.organization_id: each.organization for each in projects}
    cards: dict[int, list[ProjectCard]] = {pk: [] for pk in homes}
    for project in projects:
        cards[project.organization_id].append(ProjectCard(project, activities.get(project.pk, Activity())))
    my_ids = {each.pk for each in mine}
    ordered = sorted(homes.values(), key=lambda each: (each.pk not in my_ids, each.name.lower()))
    return [Section(each, cards[each.pk], each.pk in my_ids) for each in ordered if cards[each.pk] or not search]
