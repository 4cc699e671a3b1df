"""The operations of a run that could not be applied."""

from __future__ import annotations

from runs.models import RejectedOperation, Run


def list_rejections(run: Run, *, before: int | None = None, limit: int) -> list[RejectedOperation]:
    """Newest first, those below the id `before`. One query."""
    rows = RejectedOperation.objects.filter(run=run)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:limit])
