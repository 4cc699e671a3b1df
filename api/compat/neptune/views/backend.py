"""Projects and workspaces."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from api.compat.neptune.answers import json_answer
from api.compat.neptune.views.base import WireView, actor_of, parameter, project_by_identifier, whole_number
from api.compat.neptune.wire import containers
from projects.access import Action, visible_organizations, visible_projects

MAX_PROJECTS = 10_000


class ProjectView(WireView):
    def get(self, request: Request) -> HttpResponse:
        project = project_by_identifier(actor_of(request), parameter(request, "projectIdentifier"), Action.VIEW)
        return json_answer(containers.project(project))


class ProjectListView(WireView):
    """Without `limit` all projects: the clients' listing does not page."""

    def get(self, request: Request) -> HttpResponse:
        projects = visible_projects(actor_of(request))
        total = projects.count()
        workspace = request.GET.get("organizationIdentifier", "")
        search = request.GET.get("searchTerm", "")
        if workspace:
            projects = projects.filter(organization__name__iexact=_printable(workspace))
        if search:
            projects = projects.filter(name__icontains=_printable(search))
        offset = whole_number(request, "offset", default=0, highest=MAX_PROJECTS)
        limit = whole_number(request, "limit", default=MAX_PROJECTS, highest=MAX_PROJECTS)
        return json_answer(
            {
                "entries": [containers.project(project) for project in projects[offset : offset + limit]],
                "matchingItemCount": projects.count(),
                "totalItemCount": total,
            }
        )


class OrganizationListView(WireView):
    def get(self, request: Request) -> HttpResponse:
        return json_answer([containers.organization(each) for each in visible_organizations(actor_of(request))])


def _printable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
