"""What is remembered of batches that came, and of the sessions that sent them, to tell those that come again.

Statements written by hand: through the ORM they took a third of a batch that brings a new series (projects/rows.py).
"""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from projects.rows import execute, fetch, is_postgresql, uuid_parameter
from runs.models import LogSession, ReceivedBatch
from runs.operations import OperationError

MAX_ERRORS_KEPT = 1000
_MAX_PATH = 1024
_RECEIVED, _SESSION = ReceivedBatch._meta.db_table, LogSession._meta.db_table


def errors_before(run_id: int, digest: str) -> tuple[OperationError, ...] | None:
    """The errors that the batch had when it came before; None if it is not known to have come."""
    statement = f"SELECT CAST(errors AS text) FROM {_RECEIVED} WHERE run_id = %s AND digest = %s"  # noqa: S608
    for (errors,) in fetch(statement, [run_id, digest]):
        return tuple(OperationError(*error) for error in json.loads(errors))
    return None


def remember_batch(
    run_id: int, digest: str, errors: Sequence[OperationError], *, first_ms: int, last_ms: int, heads: bytes
) -> None:
    """Keep what tells the batch when it comes again: its digest, its errors, the span of its points, and how they
    begin."""
    kept = [[error.index, error.path[:_MAX_PATH], error.code, error.message] for error in errors[:MAX_ERRORS_KEPT]]
    as_json = "%s::jsonb" if is_postgresql() else "%s"
    execute(
        f"INSERT INTO {_RECEIVED} (run_id, digest, received_at, errors, first_ms, last_ms, heads)"  # noqa: S608
        f" VALUES (%s, %s, %s, {as_json}, %s, %s, %s)",
        [run_id, digest, _now(), json.dumps(kept), first_ms, last_ms, heads],
    )


def is_repeating(run_id: int, session: uuids.UUID) -> bool:
    """Whether all that the session sent so far was stored before; also False for one that sent nothing."""
    statement = f"SELECT is_repeating FROM {_SESSION} WHERE run_id = %s AND session = %s"  # noqa: S608
    return any(repeats for (repeats,) in fetch(statement, [run_id, uuid_parameter(session)]))


def remember_session(run_id: int, session: uuids.UUID, *, is_repeating: bool) -> None:
    """Note that the session logged points."""
    execute(
        f"INSERT INTO {_SESSION} (run_id, session, is_repeating, opened_at) VALUES (%s, %s, %s, %s)"  # noqa: S608
        " ON CONFLICT (run_id, session) DO UPDATE SET is_repeating = excluded.is_repeating",
        [run_id, uuid_parameter(session), is_repeating, _now()],
    )


def _now() -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())
