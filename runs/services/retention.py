"""Removing series when the rules of their project say so.

A round looks, rule by rule, at the runs that have been quiet for long enough, those first that have been for longest,
and removes what the rule governs in short transactions. The rules take turns, so that one with much to remove does not
keep the others waiting. Whatever stops this half-way, the next round goes on with it: what was removed is not found
again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from projects.exceptions import Unavailable
from runs.commits import write_turn
from runs.models import RetentionRule, Run
from runs.operations import BatchIdentity, DeleteAttribute
from runs.selectors.retention import GRACE, Scope, load_scopes
from runs.services.ingest import apply_operations

logger = logging.getLogger(__name__)

RUNS_AT_ONCE = 100
SERIES_AT_ONCE = 500
POINTS_AT_ONCE = 4_000_000  # some 500 chunks
_TICK = timedelta(microseconds=1)


def apply_retention(seconds: float = 60.0) -> int:
    """Remove series that the rules of their projects no longer keep, until all are gone or the time is up. Returns the
    number of series removed."""
    end = time.monotonic() + seconds
    removed = 0
    turns = deque((scope, _steps(scope)) for scope in load_scopes() if scope.changed_at <= timezone.now() - GRACE)
    while turns:
        scope, steps = turns.popleft()
        # A person may change a rule, or add one with a longer prefix, at any time: then this one is over for now.
        count = next(steps, None) if scope in load_scopes({scope.project_id}) else None
        if count is None:
            continue
        removed += count
        if time.monotonic() >= end:
            break
        turns.append((scope, steps))
    return removed


def _steps(scope: Scope) -> Iterator[int]:
    """Remove what the rule governs; yields the number of series after each transaction."""
    now = timezone.now()
    left = now - timedelta(days=scope.days)  # of runs last written to before this, nothing is left
    last: tuple[int, datetime] | None = None
    while runs := _runs_after(scope, now, last):
        for run_id, touched_at in runs:
            while count := _try_to_remove(run_id, scope, now):
                yield count
            if count is None:
                left = min(left, touched_at)
                yield 0
        last = runs[-1]
        _settle(scope, min(left, last[1]))
    _settle(scope, left)


def _runs_after(scope: Scope, now: datetime, last: tuple[int, datetime] | None) -> list[tuple[int, datetime]]:
    """The next runs that hold series of the rule, in the order in which they were last written to."""
    runs = scope.runs(now).order_by("touched_at", "pk")
    if last is not None:
        run_id, touched_at = last
        runs = runs.filter(Q(touched_at__gt=touched_at) | Q(pk__gt=run_id), touched_at__gte=touched_at)
    return list(runs.values_list("pk", "touched_at")[:RUNS_AT_ONCE])


def _settle(scope: Scope, until: datetime) -> None:
    """Note how far the rule was applied, so that the next rounds need not look at all old runs again. Should it have
    been changed meanwhile, the digest says so."""
    RetentionRule.objects.filter(pk=scope.rule_id).update(settled_until=until, settled_for=scope.digest)


def _try_to_remove(run_id: int, scope: Scope, now: datetime) -> int | None:
    """Remove some of the run's series; how many, 0 when none is left, None if the run is to be left alone for now. A
    failure with one run does not hold up the others."""
    try:
        return _remove_some(run_id, scope, now)
    except (DatabaseError, Unavailable, ValueError):
        logger.exception("Series of run %d could not be removed; that is tried again later.", run_id)
        return None


def _remove_some(run_id: int, scope: Scope, now: datetime) -> int | None:
    with write_turn(), transaction.atomic():
        quiet = Run.objects.select_for_update(no_key=True).filter(scope.is_quiet(now), pk=run_id)
        run = quiet.first()
        if run is None or run.is_alive:
            return None
        paths = _some_paths(scope, run_id)
        if paths:
            _remove(run, paths)
    return len(paths)


def _some_paths(scope: Scope, run_id: int) -> list[str]:
    """Series for one transaction, one at least. A series goes as a whole, however long, as it does when a person
    removes it: half of one must never be seen."""
    found = scope.series().filter(run_id=run_id).order_by("definition_id")
    paths: list[str] = []
    points = 0
    for path, count in found.values_list("definition__path", "count")[:SERIES_AT_ONCE]:
        points += count
        if paths and points > POINTS_AT_ONCE:
            break
        paths.append(path)
    return paths


def _remove(run: Run, paths: Sequence[str]) -> None:
    """Remove the attributes at these paths as a client's request would, in the caller's transaction.

    That counts as writing to the run, but nobody was active: other rules, and the rest of this one, would have to wait
    for as many days again, and old runs would come up as the latest. So the time of the last write is set back to what
    it was, and a microsecond more: who compares it to know whether to read again must see a change.
    """
    operations = [DeleteAttribute(path=path, index=index) for index, path in enumerate(paths)]
    result = apply_operations(run, operations, identity=BatchIdentity(), is_edit=True)
    if result.errors:
        raise ValueError(result.errors[0].message)  # and nothing of the transaction stays
    Run.objects.filter(pk=run.pk).update(touched_at=run.touched_at + _TICK)
