"""Creating, finding, pinging and trashing runs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from api.body import read_body
from api.compat.neptune.answers import empty_answer, json_answer
from api.compat.neptune.body import parse_json
from api.compat.neptune.errors import error_answer
from api.compat.neptune.views.base import (
    WireView,
    actor_of,
    container_by_identifier,
    container_of,
    parameter,
    project_by_identifier,
    raw,
)
from api.compat.neptune.wire import attributes, containers
from api.compat.neptune.wire.values import BadValue, texts
from projects.access import Action
from projects.exceptions import DomainError, InvalidInput, NotFound
from projects.models import Project, User
from runs.models import Run
from runs.selectors.attributes import list_attributes
from runs.services.runs import create_run, ping_run, trash_runs

MAX_SMALL_BODY = 1024 * 1024
# The clients leave naming a run to us: they would otherwise name it anew whenever it is opened again.
UNNAMED = "Untitled"
MAX_TRASHED_AT_ONCE = 1000


class ExperimentView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """Create a run; one with a custom id that the project has already is that run."""
        actor = actor_of(request)
        document = parse_json(read_body(raw(request), limit=MAX_SMALL_BODY))
        try:
            new = containers.read_new_run(document)
        except BadValue as problem:
            raise InvalidInput(str(problem)) from None
        project = project_by_identifier(actor, new.project, Action.LOG)
        owner = actor.user if isinstance(actor.user, User) else None
        run, _ = create_run(project=project, owner=owner, custom_id=new.custom_id, git=new.git, name=UNNAMED)
        return json_answer(containers.experiment(run))

    def get(self, request: Request) -> HttpResponse:
        try:
            return json_answer(containers.experiment(container_of(request, Action.VIEW)))
        except NotFound as error:
            # Only here: elsewhere this name would hide the clients' own meaning of a 404.
            return error_answer(error, raw(request), error_type="EXPERIMENT_NOT_FOUND")


class AttributesView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """All attributes of a run."""
        run = container_of(request, Action.VIEW)
        views = [attributes.attribute(view) for view in list_attributes(run)]
        return json_answer({"id": str(run.uuid), "attributes": views})


class PingView(WireView):
    def post(self, request: Request) -> HttpResponse:
        ping_run(container_of(request, Action.LOG))
        return empty_answer()


class TrashView(WireView):
    def post(self, request: Request) -> HttpResponse:
        actor = actor_of(request)
        project = project_by_identifier(actor, parameter(request, "projectIdentifier"), Action.EDIT)
        try:
            identifiers = texts(parse_json(read_body(raw(request), limit=MAX_SMALL_BODY)), "The list")
        except BadValue as problem:
            raise InvalidInput(str(problem)) from None
        if len(identifiers) > MAX_TRASHED_AT_ONCE:
            raise InvalidInput(f"At most {MAX_TRASHED_AT_ONCE} at a time; these are {len(identifiers)}.")
        found: dict[str, Run] = {}
        errors: list[dict[str, Any]] = []
        for identifier in identifiers:
            try:
                found[identifier] = _run_in(project, container_by_identifier(actor, identifier, Action.EDIT))
            except DomainError as error:
                errors.append(_bulk_error(identifier, error.message, "NOT_EXISTS"))
        trashed = {run.pk for run in trash_runs(list(found.values()))}
        for identifier, run in found.items():
            if run.pk not in trashed:
                errors.append(_bulk_error(identifier, "It is in the trash already.", "ALREADY_TRASHED"))
        updated = [identifier for identifier, run in found.items() if run.pk in trashed]
        return json_answer({"updatedExperimentIdentifiers": updated, "errors": errors})


def _run_in(project: Project, run: Run) -> Run:
    if run.project_id != project.pk:
        raise NotFound("It is not in this project.")
    return run


def _bulk_error(identifier: str, message: str, reason: str) -> dict[str, Any]:
    return {"experimentIdentifier": identifier, "message": message, "reason": reason}
