"""Who may see and change runs: the doors of projects/access.py, carried on to what a project holds."""

from __future__ import annotations

import uuid as uuids

from django.db.models import QuerySet

from projects.access import Action, Actor, require, visible_projects
from projects.exceptions import NotFound
from runs.models import Run, StoredFile
from runs.models.run import GONE


def visible_runs(actor: Actor) -> QuerySet[Run]:
    """The runs (and other containers) of all projects that the actor may view, the trash included."""
    runs = Run.objects.exclude(kind=GONE).select_related("project__organization", "owner")
    return runs.filter(project__in=visible_projects(actor))


def access_run_by_uuid(actor: Actor, uuid: uuids.UUID, action: Action) -> Run:
    """The run, if the actor may do `action` in its project; else NotFound or AccessDenied."""
    return _accessed(actor, Run.objects.filter(uuid=uuid), action)


def access_run(actor: Actor, organization: str, project: str, sys_id: str, action: Action) -> Run:
    """As access_run_by_uuid, by the names people use: `organization/project` and `TUT-3`."""
    runs = Run.objects.filter(
        project__organization__name__iexact=organization, project__name__iexact=project, sys_id__iexact=sys_id
    )
    return _accessed(actor, runs, action)


def access_file(actor: Actor, uuid: uuids.UUID, action: Action) -> StoredFile:
    """A stored file that something refers to, if the actor may do `action` in its run's project; else NotFound or
    AccessDenied."""
    files = StoredFile.objects.select_related("run__project__organization", "run__owner")
    file = files.exclude(run__kind=GONE).filter(uuid=uuid, orphaned_at__isnull=True).first()
    if file is None:
        raise NotFound
    require(actor, file.run.project, action)
    return file


def _accessed(actor: Actor, runs: QuerySet[Run], action: Action) -> Run:
    run = runs.exclude(kind=GONE).select_related("project__organization", "owner").first()
    if run is None:
        raise NotFound
    require(actor, run.project, action)
    return run
