"""Removing for good what has been in the trash long enough.

A run may hold millions of rows, and removing them must keep nobody waiting: first its row is marked as gone, from when
on it does not exist for anybody; then all it holds is removed in short transactions, its own row last. Whatever stops
this half-way, the next round goes on with it. The bytes of its files are swept once the run's row is gone
(runs/services/sweeping.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from runs.models import (
    Attribute,
    AttributeTag,
    FileEntry,
    FileSeriesEntry,
    LogSession,
    ReceivedBatch,
    RejectedOperation,
    Run,
    RunSignal,
    StoredFile,
    Upload,
    Writer,
)
from runs.models.run import GONE
from runs.series import purge_some

ROWS_AT_ONCE = 1000
RUNS_AT_ONCE = 100
# What refers to something else comes before it.
_MODELS: tuple[type[models.Model], ...] = (
    AttributeTag,
    Attribute,
    FileSeriesEntry,
    FileEntry,
    Upload,
    StoredFile,
    ReceivedBatch,
    LogSession,
    Writer,
    RejectedOperation,
    RunSignal,
)


def purge_trash(seconds: float = 60.0) -> int:
    """Purge runs that have been in the trash for TRASH_DAYS, and finish what was begun, until all are done or the time
    is up. Returns the number of runs that are gone."""
    end = time.monotonic() + seconds
    purged = 0
    for run_id in _due():
        for _ in _steps(run_id):
            if time.monotonic() >= end:
                return purged
        purged += 1
    return purged


def _due() -> list[int]:
    begun = list(Run.objects.filter(kind=GONE).order_by("pk").values_list("pk", flat=True)[:RUNS_AT_ONCE])
    if not settings.TRASH_DAYS:
        return begun
    expired = Run.objects.exclude(kind=GONE).filter(trashed_at__lt=_limit()).order_by("trashed_at")
    return begun + list(expired.values_list("pk", flat=True)[:RUNS_AT_ONCE])


def _steps(run_id: int, *, goes_with_parent: bool = False) -> Iterator[None]:
    """Purge the run and what belongs to it; yields after each transaction. Does nothing if it was taken out of the
    trash."""
    if not _mark_as_gone(run_id, goes_with_parent):
        return
    for child_id in list(Run.objects.filter(parent_id=run_id).values_list("pk", flat=True)):
        yield from _steps(child_id, goes_with_parent=True)  # the versions of a model
    while purge_some(run_id):
        yield
    for model in _MODELS:
        while _remove_some(model, run_id):
            yield
    Run.objects.filter(pk=run_id).delete()
    yield


def _mark_as_gone(run_id: int, goes_with_parent: bool) -> bool:
    """Whether the run is, or now was, marked. Who logs to it notices: its attributes have a new version."""
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None or run.kind == GONE:
            return run is not None
        if not goes_with_parent and (run.trashed_at is None or run.trashed_at >= _limit()):
            return False
        Run.objects.filter(pk=run_id).update(
            kind=GONE,
            custom_id=None,
            attributes_version=F("attributes_version") + 1,
            flush_count=F("flush_count") + 1,
            values_changed_at=timezone.now(),
        )
    return True


def _remove_some(model: type[models.Model], run_id: int) -> int:
    """Remove some rows and what hangs on them; the number found."""
    with transaction.atomic():
        rows = model._default_manager.filter(run_id=run_id).order_by()
        ids = list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE])
        model._default_manager.filter(pk__in=ids).delete()
    return len(ids)


def _limit() -> datetime:
    return timezone.now() - timedelta(days=settings.TRASH_DAYS)
