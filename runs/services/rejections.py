"""The list of operations that a run refused, which people see on its page."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from runs.models import RejectedOperation, Run
from runs.operations import Operation, OperationError

MAX_REJECTED_PER_RUN = 10_000


def keep_rejected(run: Run, batch: str, errors: Sequence[OperationError], operations: Sequence[Operation]) -> None:
    """Keep refused operations in the run's list, each once however often the batch is sent."""
    if not errors or RejectedOperation.objects.filter(run=run).count() >= MAX_REJECTED_PER_RUN:
        return
    by_index = {operation.index: operation for operation in operations}
    rows = []
    for error in errors[:1000]:
        operation = by_index.get(error.index)
        excerpt = _excerpt(operation)
        identity = f"{batch}|{error.index}|{error.path}|{error.code}|{excerpt}".encode(errors="replace")
        rows.append(
            RejectedOperation(
                run=run,
                path=_storable(error.path)[:1024],
                operation=type(operation).__name__ if operation else "",
                code=error.code,
                message=_storable(error.message),
                excerpt=excerpt,
                digest=hashlib.sha256(identity).hexdigest(),
            )
        )
    RejectedOperation.objects.bulk_create(rows, ignore_conflicts=True)


def _excerpt(operation: Operation | None) -> str:
    value = getattr(operation, "value", getattr(operation, "values", getattr(operation, "tags", "")))
    if isinstance(value, str):
        return _storable(value[:200])
    return _storable(repr(value[:5] if isinstance(value, list | tuple) else value)[:200])


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
