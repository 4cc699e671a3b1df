"""The door to a run for those who log to it several times a second: runs/access.py with a memory of one second.

The same rules decide (projects/access.py). The facts come by one statement written by hand: through the ORM they took
three queries and 1.9 ms, which was most of what a small request cost; this one takes 0.1 ms.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterable
from functools import partial
from typing import Any, TypeAlias

from django.db import connection

from projects.access import ROLES_JOINED, Action, Actor, actions_of, role_from
from projects.models import Scope
from projects.recent import Recent
from projects.rows import fetch, uuid_parameter
from runs.access import access_run_by_uuid
from runs.models import Run
from runs.series.sql import among_uuids

# The limit within which every process notices that a token was revoked, a member removed or a project trashed. Tokens
# have a memory of their own (projects/services/tokens.py), of the same length and not added to this one.
SECONDS = 1.0
# Where a request on its way keeps what was looked up for it.
LOOKED_UP = "tracking_platform.looked_up"
_FIELDS = ("id", "uuid", "project_id", "kind", "sys_id")  # in the order of the model, as from_db wants them
_FACTS = f"""
    SELECT run.id, run.uuid, run.project_id, run.kind, run.sys_id,
           project.visibility, project.trashed_at IS NOT NULL, in_organization.role, in_project.role
    FROM runs_run AS run
    JOIN projects_project AS project ON project.id = run.project_id
    {ROLES_JOINED}"""  # noqa: S608 - own names
_Row: TypeAlias = tuple[Any, ...]
_Question: TypeAlias = tuple[int | None, Scope | None, frozenset[int] | None, uuids.UUID]
_recent: Recent[_Question, _Row] = Recent(size=20_000, seconds=SECONDS)


def access_run_to_log(actor: Actor, uuid: uuids.UUID) -> Run:
    """As access_run_by_uuid with Action.LOG, but what was allowed a second ago still is. The run has only its identity
    loaded; whatever else is asked of it is read then."""
    if actor.scope is None:  # a person in a browser, who logs nothing
        return access_run_by_uuid(actor, uuid, Action.LOG)
    return Run.from_db(connection.alias, _FIELDS, _recent.find(_question(actor, uuid), partial(_identity, actor, uuid)))


def recent_run_to_log(actor: Actor, uuid: uuids.UUID) -> int | None:
    """The id of the run that access_run_to_log would give without asking the database, if it can."""
    known = _recent.known(_question(actor, uuid))
    return None if known is None else int(known[0])


def look_up_runs_to_log(questions: Iterable[tuple[Actor, uuids.UUID]]) -> None:
    """Have recent_run_to_log know what it can be told of these, by one statement for each user."""
    by_user: dict[int | None, dict[uuids.UUID, list[Actor]]] = {}
    for actor, uuid in questions:
        if actor.scope is not None and _recent.known(_question(actor, uuid)) is None:
            by_user.setdefault(actor.user_id, {}).setdefault(uuid, []).append(actor)
    for user_id, wanted in by_user.items():
        since = _recent.now()
        condition, parameter = among_uuids("run.uuid", wanted)
        for row in fetch(f"{_FACTS} WHERE {condition}", [user_id, user_id, parameter]):
            uuid = row[1] if isinstance(row[1], uuids.UUID) else uuids.UUID(row[1])
            for actor in wanted[uuid]:
                if (identity := _allowed(actor, uuid, row)) is not None:
                    _recent.note(_question(actor, uuid), identity, since=since)


def _question(actor: Actor, uuid: uuids.UUID) -> _Question:
    # The credential's limits are part of the question, so that changing them does not wait for two memories.
    return actor.token_id, actor.scope, actor.project_ids, uuid


def _identity(actor: Actor, uuid: uuids.UUID) -> _Row:
    """The values of _FIELDS, if the actor may log to the run; else NotFound or AccessDenied."""
    for row in fetch(f"{_FACTS} WHERE run.uuid = %s", [actor.user_id, actor.user_id, uuid_parameter(uuid)]):
        if (identity := _allowed(actor, uuid, row)) is not None:
            return identity
    run = access_run_by_uuid(actor, uuid, Action.LOG)  # says why not
    return tuple(getattr(run, name) for name in _FIELDS)


def _allowed(actor: Actor, uuid: uuids.UUID, facts: _Row) -> _Row | None:
    """The values of _FIELDS, if a row of _FACTS says that the actor may log to the run."""
    pk, _, project_id, kind, sys_id, visibility, is_trashed, in_organization, in_project = facts
    role = role_from(visibility, in_organization, in_project)
    if Action.LOG not in actions_of(actor, project_id, role, is_trashed=bool(is_trashed)):
        return None
    return pk, uuid, project_id, kind, sys_id
