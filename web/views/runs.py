"""A project's page: the table of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from projects.access import Action, Actor, access_project, actions_in
from projects.models import Project
from runs.models import AttributeKind
from runs.query import QuerySyntaxError, parse, parse_column
from runs.selectors.ordering import Sort
from runs.selectors.runs import MAX_PAGE, RunPage, list_runs, suggest_columns
from runs.selectors.search import Search
from web.views.page import page

PAGE_SIZE = 50
MAX_QUERY = 10_000
# The columns every table has, and what sorts them.
OWN_COLUMNS = {
    "run": "sys/creation_time",
    "state": "sys/state",
    "owner": "sys/owner",
    "duration": "sys/running_time",
    "activity": "sys/modification_time",
}
_NUMBERS = frozenset(kind.label for kind in (AttributeKind.FLOAT, AttributeKind.INT, AttributeKind.FLOAT_SERIES))


@require_safe
@page
def runs(request: HttpRequest, actor: Actor, organization: str, project: str) -> HttpResponseBase:
    """Newest first. `column` (repeated) chooses the attributes shown, `columns=none` shows none."""
    found = access_project(actor, organization, project, Action.VIEW)
    actions = actions_in(actor, found)
    columns = _columns(request, found)
    search = request.GET.get("search", "")[:200]
    is_trash = request.GET.get("trashed") == "1"
    sort = _sort(request)
    query = request.GET.get("query", "")[:MAX_QUERY]
    cursor = request.GET.get("cursor", "")
    problem: QuerySyntaxError | None = None
    try:
        wanted = Search(parse(query), sort, text=search, trashed=is_trash)
        listed = list_runs(found, wanted, columns=columns, limit=_limit(request), cursor=cursor)
    except QuerySyntaxError as error:
        problem, listed = error, RunPage([], "", 0)
    context = {
        "project": found,
        "numeric_columns": _numeric_columns(listed, columns),
        "page": listed,
        "columns": columns,
        "has_chosen_columns": "column" in request.GET or "columns" in request.GET,
        "search": search,
        "query": query,
        "problem": problem,
        "heads": [_head(request, sort, path) for path in columns],
        "own_heads": {name: _head(request, sort, path) for name, path in OWN_COLUMNS.items()},
        "sort": request.GET.get("sort", ""),
        "order": request.GET.get("order", ""),
        "is_trash": is_trash,
        "more": _query(request, cursor=listed.next_cursor) if listed.next_cursor else "",
        "can_log": Action.LOG in actions,
        "can_edit": Action.EDIT in actions,
        "is_plain_http": settings.BASE_URL.startswith("http://"),
        "section": "runs",
    }
    return render(request, "web/projects/runs.html", context)


@dataclass(frozen=True, slots=True)
class Head:
    """A column's head: `address` sorts by it, or turns the order round; `order` is how it is sorted now, if at all."""

    path: str
    address: str
    order: str


def _sort(request: HttpRequest) -> Sort:
    """The order in the address; newest first without one."""
    path, aggregate = parse_column(request.GET.get("sort", "")[:1100].replace("\x00", ""))
    if not path:
        return Sort()
    return Sort(path, aggregate, is_descending=request.GET.get("order") != "asc")


def _head(request: HttpRequest, sort: Sort, path: str) -> Head:
    is_sorted = parse_column(path) == (sort.path, sort.aggregate)
    turned = "asc" if is_sorted and sort.is_descending else "desc"
    order = ("descending" if sort.is_descending else "ascending") if is_sorted else ""
    return Head(path, _query(request, sort=path, order=turned, cursor=""), order)


def _columns(request: HttpRequest, project: Project) -> list[str]:
    if "column" in request.GET or "columns" in request.GET:
        return list(dict.fromkeys(path for path in request.GET.getlist("column") if path))
    return suggest_columns(project)


def _numeric_columns(listed: RunPage, columns: list[str]) -> set[str]:
    """The columns whose values are numbers, by the first run that has one: they are set to the right."""
    kinds = {path: next((row.cells[path].kind for row in listed.rows if path in row.cells), None) for path in columns}
    return {path for path, kind in kinds.items() if kind in _NUMBERS}


def _limit(request: HttpRequest) -> int:
    text = request.GET.get("limit", "")
    return max(1, min(int(text), MAX_PAGE)) if text.isascii() and text.isdecimal() and len(text) < 6 else PAGE_SIZE


def _query(request: HttpRequest, **changes: str) -> str:
    pairs = [(key, value) for key, value in request.GET.lists() if key not in changes and key != "limit"]
    flat = [(key, each) for key, values in pairs for each in values]
    return "?" + urlencode([*flat, *((key, value) for key, value in changes.items() if value)])
