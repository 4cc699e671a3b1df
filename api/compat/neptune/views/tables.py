"""Tables of runs: filtered and sorted by the clients' query language, paged by offset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from api.body import read_body
from api.compat.neptune.answers import json_answer
from api.compat.neptune.body import parse_json
from api.compat.neptune.views.base import WireView, actor_of, parameter, project_by_identifier, raw, whole_number
from api.compat.neptune.wire.attributes import KINDS, WIRE_TYPES, attribute
from api.compat.neptune.wire.containers import WIRE_KINDS
from projects.access import Action
from projects.exceptions import InvalidInput
from projects.models import Project
from runs.models import AttributeDefinition, AttributeKind, ContainerKind, Run
from runs.query import Query, QuerySyntaxError, parse
from runs.selectors.attributes import attributes_of_runs, system_attributes
from runs.selectors.ordering import Sort
from runs.selectors.search import Search, load_runs, search_runs

MAX_PARAMETERS_BYTES = 1024 * 1024
MAX_ROWS = 10_000
MAX_NAMES = 10_000
MAX_COLUMNS = 1000
DEFAULT_ROWS = 100


class EntriesView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """A page of the runs that match a query, and how many match in all."""
        project = _project(request)
        parameters = _parameters(request)
        search = Search(
            query=_query(parameters.get("query")),
            sort=_sort(parameters.get("sorting")),
            trashed=None,
            kinds=_kinds(request),
        )
        offset, limit = _page(parameters.get("pagination"))
        paths = _columns(parameters.get("attributeFilters"))
        try:
            found = search_runs(project, search, offset=offset, limit=limit)
        except QuerySyntaxError:
            raise _syntax_error() from None
        entries = _entries(project, load_runs(found.run_ids), paths)
        return json_answer({"matchingItemCount": found.total, "entries": entries})


class AttributeNamesView(WireView):
    def post(self, request: Request) -> HttpResponse:
        """The (name, type) pairs that occur in a project; `search` is part of the name, or a regular expression of
        plain characters, as the clients send."""
        project = _project(request)
        _parameters(request)
        search = _plain(request.GET.get("search", ""))
        limit = whole_number(request, "limit", default=MAX_NAMES, highest=MAX_NAMES)
        definitions = AttributeDefinition.objects.filter(project=project, path__contains=search)
        names = {(path, WIRE_TYPES[AttributeKind(kind)]) for path, kind in definitions.values_list("path", "kind")}
        for view in system_attributes(Run(project=project)):
            if search in view.path:
                names.add((view.path, WIRE_TYPES[view.kind]))
        return json_answer({"entries": [{"name": name, "type": kind} for name, kind in sorted(names)[:limit]]})


def _project(request: Request) -> Project:
    return project_by_identifier(actor_of(request), parameter(request, "projectIdentifier"), Action.VIEW)


def _parameters(request: Request) -> dict[str, Any]:
    body = read_body(raw(request), limit=MAX_PARAMETERS_BYTES)
    parameters = parse_json(body) if body else {}
    if not isinstance(parameters, dict):
        raise InvalidInput("The body is not an object.")
    return parameters


def _kinds(request: Request) -> tuple[ContainerKind, ...]:
    asked = set(request.GET.getlist("type")) or {"run"}
    return tuple(
        ContainerKind(kind) for kind, name in WIRE_KINDS.items() if name in asked and kind != ContainerKind.PROJECT
    )


def _query(query: object) -> Query:
    query = query or {}
    text = query.get("query", "") if isinstance(query, dict) else None
    if not isinstance(text, str):
        raise _syntax_error()
    try:
        return parse(text)
    except QuerySyntaxError:
        raise _syntax_error() from None


def _syntax_error() -> InvalidInput:
    return InvalidInput("Syntax error", code="syntax_error")  # the title that a client looks for, letter by letter


def _sort(sorting: object) -> Sort:
    """Newest first unless asked otherwise."""
    sorting = sorting if isinstance(sorting, dict) else {}
    by = sorting.get("sortBy")
    is_descending = sorting.get("dir") != "ascending"
    name, kind = (by.get("name"), by.get("type")) if isinstance(by, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(kind, str):
        return Sort(is_descending=is_descending)
    if not _is_storable(name):
        raise InvalidInput("The name of the column to sort by can't be a path.")
    # Clients ask for whole numbers as floats and the other way round.
    wanted = None if kind in {"float", "int"} else KINDS.get(kind)
    return Sort(name, is_descending=is_descending, kind=wanted)


def _is_storable(text: str) -> bool:
    return not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text)


def _page(pagination: object) -> tuple[int, int]:
    pagination = pagination if isinstance(pagination, dict) else {}
    offset, limit = pagination.get("offset", 0), pagination.get("limit", DEFAULT_ROWS)
    for number in (offset, limit):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise InvalidInput("Offset and limit of the pagination are whole numbers.")
    return min(offset, 2**62), min(limit, MAX_ROWS)


def _columns(filters: object) -> list[str] | None:
    """The paths asked for; None for all."""
    if filters is None:
        return None
    paths = [each.get("path") for each in filters if isinstance(each, dict)] if isinstance(filters, list) else []
    return [path for path in paths[:MAX_COLUMNS] if isinstance(path, str) and _is_storable(path)]


def _entries(project: Project, runs: Sequence[Run], paths: Sequence[str] | None) -> list[dict[str, Any]]:
    for run in runs:
        run.project = project
    attributes = attributes_of_runs(runs, paths)
    return [
        {
            "experimentId": str(run.uuid),
            "type": WIRE_KINDS[run.kind],
            "organizationName": project.organization.name,
            "projectName": project.name,
            "attributes": [attribute(view) for view in attributes[run.pk]],
        }
        for run in runs
    ]


def _plain(pattern: str) -> str:
    r"""The text behind a pattern such as `^sys/name$` or `sys\/name`; the clients escape nothing else."""
    return re.sub(r"\\(.)", r"\1", pattern.removeprefix("^").removesuffix("$")).replace("\x00", "")
