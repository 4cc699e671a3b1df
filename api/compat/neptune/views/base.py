"""What all views of this wire share: sessions instead of cookies, errors in the clients' shape, finding runs."""

from __future__ import annotations

import logging
import uuid as uuids

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from api.compat.neptune.authentication import SessionAuthentication
from api.compat.neptune.errors import answer_for, error_answer
from projects.access import Action, Actor, access_project, access_project_by_uuid
from projects.exceptions import DomainError, InvalidInput, NotFound
from projects.models import Project
from runs.access import access_run, access_run_by_uuid
from runs.models import Run
from runs.services.runs import project_container

logger = logging.getLogger(__name__)


class WireView(APIView):
    """An address of the clients' API. Bodies are read by our own readers and answers are made by `json_answer`, so
    neither parsers nor renderers take part: uploads come without a content type, downloads are asked for with many."""

    authentication_classes = [SessionAuthentication]
    permission_classes = []
    http_method_names = ["get", "post", "put", "delete"]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        return JSONRenderer(), "application/json"

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        answer = answer_for(exc, raw(self.request))
        if answer is None:
            logger.error("A request of the Neptune wire failed: %s", self.request.path, exc_info=exc)
            return error_answer(
                DomainError("Something went wrong on the server.", code="internal_error"), raw(self.request)
            )
        return answer

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: object, **kwargs: object
    ) -> HttpResponseBase:
        return response


def actor_of(request: Request) -> Actor:
    actor = request.auth
    assert isinstance(actor, Actor)  # noqa: S101 - what SessionAuthentication returns
    return actor


def raw(request: Request) -> HttpRequest:
    """Django's request, whose body nobody has touched."""
    return request._request


def parameter(request: Request, name: str) -> str:
    """A required query parameter."""
    value = request.GET.get(name)
    if value is None:
        raise InvalidInput(f"The parameter '{name}' is missing.", code="missing_parameter", field=name)
    return value


def whole_number(request: Request, name: str, *, default: int | None = None, highest: int) -> int:
    """A query parameter that is an integer of at least 0; larger ones than `highest` become it."""
    text = request.GET.get(name)
    if text is None and default is not None:
        return default
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(f"The parameter '{name}' must be a whole number.", code="invalid_parameter", field=name)
    return min(int(text), highest)


def project_by_identifier(actor: Actor, identifier: str, action: Action) -> Project:
    """The project for a uuid or `workspace/project`."""
    uuid = uuid_from(identifier)
    if uuid is not None:
        return access_project_by_uuid(actor, uuid, action)
    workspace, separator, name = identifier.partition("/")
    if not separator or _cannot_be_looked_up(identifier):
        raise NotFound("There is no such project, or it is not yours to see.")
    return access_project(actor, workspace, name, action)


def container_by_identifier(actor: Actor, identifier: str, action: Action) -> Run:
    """The run for a uuid or `workspace/project/ID`. A project's own uuid and key give the container of its metadata."""
    uuid = uuid_from(identifier)
    if uuid is not None:
        return _container_by_uuid(actor, uuid, action)
    parts = identifier.split("/")
    if len(parts) != 3 or _cannot_be_looked_up(identifier):
        raise NotFound("There is no such run, or it is not yours to see.")
    workspace, project, sys_id = parts
    try:
        return access_run(actor, workspace, project, sys_id, action)
    except NotFound:
        home = access_project(actor, workspace, project, action)
        if sys_id.upper() != home.key:
            raise
        return project_container(home)


def _container_by_uuid(actor: Actor, uuid: uuids.UUID, action: Action) -> Run:
    try:
        return access_run_by_uuid(actor, uuid, action)
    except NotFound:
        return project_container(access_project_by_uuid(actor, uuid, action))


def container_of(request: Request, action: Action, *, name: str = "experimentId") -> Run:
    """The run that the query parameter `name` means."""
    return container_by_identifier(actor_of(request), parameter(request, name), action)


def uuid_from(text: str) -> uuids.UUID | None:
    """The uuid that an identifier is; None for any other."""
    try:
        return uuids.UUID(text) if len(text) in {32, 36} else None
    except ValueError:
        return None


def _cannot_be_looked_up(text: str) -> bool:
    return "\x00" in text or not text.isprintable()
