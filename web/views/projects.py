"""Making a project."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from projects.access import Actor, visible_organizations
from projects.exceptions import Conflict, InvalidInput
from projects.models import Project, Visibility
from projects.services.projects import create_project
from web.forms.projects import ProjectForm
from web.views.page import add_errors, person_page


@require_http_methods(["GET", "HEAD", "POST"])
@person_page
def new_project(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    form = ProjectForm(
        request.POST if request.method == "POST" else None,
        organizations=visible_organizations(actor),
        initial={"organization": request.GET.get("organization", "")},
    )
    project = _create(actor, form) if form.is_bound and form.is_valid() else None
    if project is not None:
        return redirect("web:project", project.organization.name, project.name)
    return render(request, "web/projects/new.html", {"form": form, "section": "home"})


def _create(actor: Actor, form: ProjectForm) -> Project | None:
    fields = form.cleaned_data
    try:
        return create_project(
            actor=actor,
            organization=fields["organization"],
            name=fields["name"],
            key=fields["key"],
            description=fields["description"],
            visibility=Visibility(fields["visibility"]),
        )
    except (InvalidInput, Conflict) as error:
        add_errors(form, error)
        return None
