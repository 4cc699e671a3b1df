"""A run's page: the header that all tabs share, and the tab asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe

from projects.access import Action, Actor, actions_in
from projects.exceptions import NotFound
from runs.access import access_run
from runs.models import Run
from runs.models.run import RunState
from runs.selectors.attributes import get_attribute
from runs.selectors.runs import rows_for
from web.views.page import page
from web.views.tabs.checkpoints import checkpoints_tab
from web.views.tabs.files import files
from web.views.tabs.overview import overview
from web.views.tabs.source import source

Values = Callable[[Run, QueryDict], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    label: str
    icon: str
    values: Values


def _nothing(run: Run, query: QueryDict) -> dict[str, Any]:
    """For tabs whose content the browser asks the API for."""
    return {}


TABS = [
    Tab("overview", "Overview", "info", overview),
    Tab("charts", "Charts", "chart-line", _nothing),
    Tab("images", "Images", "images", _nothing),
    Tab("metadata", "Metadata", "folder-tree", _nothing),
    Tab("logs", "Logs", "scroll-text", _nothing),
    Tab("files", "Files", "files", files),
    Tab("checkpoints", "Checkpoints", "box", checkpoints_tab),
    Tab("source", "Source", "code", source),
    Tab("system", "System", "cpu", _nothing),
]
_TABS_BY_NAME = {tab.name: tab for tab in TABS}


@require_safe
@page
def run(request: HttpRequest, actor: Actor, organization: str, project: str, run_id: str, tab: str) -> HttpResponseBase:
    found = access_run(actor, organization, project, run_id, Action.VIEW)
    chosen = _TABS_BY_NAME.get(tab)
    if chosen is None:
        raise NotFound
    actions = actions_in(actor, found.project)
    context = {
        **_header(found),
        "tabs": TABS,
        "tab": chosen,
        "can_edit": Action.EDIT in actions,
        "is_live": found.state == RunState.RUNNING,
        "section": "run",
        **chosen.values(found, request.GET),
    }
    return render(request, f"web/runs/tabs/{chosen.name}.html", context)


def _header(run: Run) -> dict[str, Any]:
    description = get_attribute(run, "sys/description")
    return {
        "run": run,
        "row": rows_for(run.project, [run])[0],
        "project": run.project,
        "description": str(description.value or "") if description else "",
    }
