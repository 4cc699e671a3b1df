"""Who may see and change runs: the doors of projects/access.py, carried on to what a project holds."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.db.models import QuerySet

from projects.access import (
    ORGANIZATION_ROWS,
    PROJECT_ROWS,
    ROLES_JOINED,
    Action,
    Actor,
    check_names,
    project_of,
    require,
    require_with,
    visible_projects,
)
from projects.exceptions import NotFound
from projects.models import User
from projects.rows import ModelRows, fetch, uuid_parameter
from runs.models import Run, StoredFile
from runs.models.run import GONE


def visible_runs(actor: Actor) -> QuerySet[Run]:
    """The runs (and other containers) of all projects that the actor may view, the trash included."""
    runs = Run.objects.exclude(kind=GONE).select_related("project__organization", "owner")
    return runs.filter(project__in=visible_projects(actor))


_RUN_ROWS = ModelRows(Run, "run")
_OWNER_ROWS = ModelRows(User, "owner")
# By hand, and in one statement with the roles: every read of a run begins with it.
_RUN = f"""
    SELECT {_RUN_ROWS.columns}, {PROJECT_ROWS.columns}, {ORGANIZATION_ROWS.columns}, {_OWNER_ROWS.columns},
           in_organization.role, in_project.role
    FROM runs_run AS run
    JOIN projects_project AS project ON project.id = run.project_id
    JOIN projects_organization AS organization ON organization.id = project.organization_id
    LEFT JOIN projects_user AS owner ON owner.id = run.owner_id
    {ROLES_JOINED}
    WHERE run.kind <> '{GONE}' AND"""  # noqa: S608 - own names
_RUN_BY_UUID = f"{_RUN} run.uuid = %s"
_RUN_BY_NAME = (
    f"{_RUN} LOWER(organization.name) = LOWER(%s) AND LOWER(project.name) = LOWER(%s) AND run.sys_id = UPPER(%s)"
)


def access_run_by_uuid(actor: Actor, uuid: uuids.UUID, action: Action) -> Run:
    """The run, if the actor may do `action` in its project; else NotFound or AccessDenied. One query."""
    return _accessed(actor, fetch(_RUN_BY_UUID, [actor.user_id, actor.user_id, uuid_parameter(uuid)]), action)


def access_run(actor: Actor, organization: str, project: str, sys_id: str, action: Action) -> Run:
    """As access_run_by_uuid, by the names people use: `organization/project` and `TUT-3`."""
    names = [organization, project, sys_id]
    check_names(*names)
    return _accessed(actor, fetch(_RUN_BY_NAME, [actor.user_id, actor.user_id, *names]), action)


def access_file(actor: Actor, uuid: uuids.UUID, action: Action) -> StoredFile:
    """A stored file that something refers to, if the actor may do `action` in its run's project; else NotFound or
    AccessDenied."""
    files = StoredFile.objects.select_related("run__project__organization", "run__owner")
    file = files.exclude(run__kind=GONE).filter(uuid=uuid, orphaned_at__isnull=True).first()
    if file is None:
        raise NotFound
    require(actor, file.run.project, action)
    return file


def _accessed(actor: Actor, rows: list[tuple[Any, ...]], action: Action) -> Run:
    if not rows:
        raise NotFound
    values, roles = rows[0][:-2], rows[0][-2:]
    run = _RUN_ROWS.make(values[: _RUN_ROWS.width])
    run.project = project_of(values[_RUN_ROWS.width :])
    run.owner = _OWNER_ROWS.make(values[-_OWNER_ROWS.width :]) if run.owner_id is not None else None
    require_with(actor, run.project, action, *roles)
    return run
