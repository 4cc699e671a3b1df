"""How busy projects are: what the home page says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q
from django.utils import timezone

from projects.access import Actor
from projects.models import Project
from runs.access import visible_runs
from runs.models import Attribute, ContainerKind, Run
from runs.models.run import PING_TIMEOUT


@dataclass(frozen=True, slots=True)
class Activity:
    """Runs outside the trash, those of them that are running now, and when anything was last written."""

    total: int = 0
    running: int = 0
    last_at: datetime | None = None


def project_activity(projects: Sequence[Project]) -> dict[int, Activity]:
    """The activity of each project by its id, in one query. Projects without runs are left out."""
    alive = Q(last_ping_at__gte=timezone.now() - PING_TIMEOUT, finished_at__isnull=True, failed=False)
    runs = Run.objects.filter(project__in=[each.pk for each in projects], kind=ContainerKind.RUN)
    counted = (
        runs.filter(trashed_at__isnull=True)
        .order_by()
        .values("project_id")
        .annotate(total=Count("id"), running=Count("id", filter=alive), last_at=Max("touched_at"))
    )
    return {row["project_id"]: Activity(row["total"], row["running"], row["last_at"]) for row in counted}


@dataclass(frozen=True, slots=True)
class RecentRun:
    run: Run
    name: str


def recent_runs(actor: Actor, *, limit: int) -> list[RecentRun]:
    """The runs that the actor may view and that were written to last, newest first. Two queries."""
    runs = visible_runs(actor).filter(kind=ContainerKind.RUN, trashed_at__isnull=True)
    found = list(runs.order_by("-touched_at")[:limit])
    names = Attribute.objects.filter(run__in=found, definition__path="sys/name").values_list("run_id", "text")
    by_run = dict(names)
    return [RecentRun(run, by_run.get(run.pk) or "") for run in found]
