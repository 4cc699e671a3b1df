"""Applying logged operations to a run: the one way in, whatever wire they came by.

One transaction per batch. Good operations are committed, each bad one is reported by index and kept in the run's list
of rejected operations. Applying a batch again changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from django.db import OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from projects.exceptions import NotFound, Unavailable
from runs.models import (
    Attribute,
    AttributeKind,
    BatchLog,
    ReceivedBatch,
    RejectedOperation,
    Run,
    Writer,
)
from runs.operations import (
    AppendFiles,
    AppendFloats,
    AppendStrings,
    BatchIdentity,
    ClearSeries,
    DeleteAttribute,
    IngestResult,
    Operation,
    OperationError,
    PointColumns,
)
from runs.paths import below, parents, path_problem
from runs.series import count_unflushed, has_received, store
from runs.series.base import PointBatch
from runs.services.attributes import create_attributes, resolve_definitions, write_git_reference, write_values
from runs.services.links import append_files, drop_links, write_file, write_members, write_tags
from runs.services.plan import BatchPlan, Existing, PathPlan
from runs.services.points import pack_floats, pack_strings
from runs.services.runs import signs_of_life

MAX_ATTRIBUTES_PER_RUN = 100_000
MAX_REJECTED_PER_RUN = 10_000
MAX_UNFLUSHED_BATCHES = 256
_ATTEMPTS = 3
_IN_CHUNK = 500
_POINT_KINDS = (AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES)
_APPENDS = (AppendFloats, AppendStrings, AppendFiles)


def apply_operations(
    run: Run, operations: Sequence[Operation], *, identity: BatchIdentity, is_edit: bool = False
) -> IngestResult:
    """Apply a batch and return what became of it; when this returns, all of it is committed.

    What a client logs is a sign of life of a running run, as a ping is; with `is_edit` a person changes it by hand.

    Raises NotFound when the run was purged meanwhile, and Unavailable (send it again) when the database can't take it.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return _Batch(_locked(run), operations, identity, is_edit).apply()
        except OperationalError as error:
            # A deadlock or a lock that did not come in time: nothing was written, so it can simply be done again.
            if attempt == _ATTEMPTS or connection.in_atomic_block:
                raise Unavailable("The database could not take the data just now; send it again.") from error
    raise AssertionError("unreachable")


def apply_points(run: Run, columns: PointColumns, *, identity: BatchIdentity) -> IngestResult:
    """As apply_operations, for a batch that only logs points."""
    return apply_operations(run, list(_as_operations(columns)), identity=identity)


def _as_operations(columns: PointColumns) -> Iterator[Operation]:
    """An append for each series."""
    for block, kind in ((columns.floats, AppendFloats), (columns.texts, AppendStrings)):
        if block is None:
            continue
        bounds = [0, *accumulate(block.counts)]
        for path, index, (start, end) in zip(block.paths, block.indexes, pairwise(bounds), strict=True):
            yield kind(
                path=path,
                index=index,
                values=block.values[start:end],  # type: ignore[arg-type]
                steps=block.steps[start:end],  # type: ignore[arg-type]
                timestamps=block.timestamps[start:end],  # type: ignore[arg-type]
            )


def _locked(run: Run) -> Run:
    locked = Run.objects.select_for_update(no_key=True).filter(pk=run.pk).first()
    if locked is None:
        raise NotFound
    return locked


class _Batch:
    """One batch on its way into the database; `run` is locked."""

    def __init__(self, run: Run, operations: Sequence[Operation], identity: BatchIdentity, is_edit: bool) -> None:
        self.run = run
        self.operations = operations
        self.identity = identity
        self.is_edit = is_edit
        self.writer = _writer_number(run, identity.writer) if identity.is_numbered else 0
        self.plan = BatchPlan({}, ())
        self.heads = b""
        self.first_ms = self.last_ms = 0

    def apply(self) -> IngestResult:
        before = ReceivedBatch.objects.filter(run=self.run, digest=self._digest).first() if self._digest else None
        is_repeated = before is not None or self._is_flushed_already()
        if is_repeated and self.identity.is_numbered:
            return IngestResult(0, tuple(_read_errors(before)), is_duplicate=True)
        operations = _without_appends(self.operations) if is_repeated else self.operations
        self.plan = BatchPlan(*self._known(operations))
        for operation in operations:
            self.plan.add(operation)
        self._check_attribute_limit()
        self._write()
        errors = list(dict.fromkeys([*_read_errors(before), *self.plan.errors]))
        self._remember(errors, is_repeated)
        failed = len({error.index for error in errors})
        return IngestResult(len(self.operations) - failed, tuple(errors), is_duplicate=is_repeated)

    @property
    def _digest(self) -> str:
        """What this batch is remembered by."""
        if self.identity.is_numbered:
            return f"{self.writer}:{self.identity.seq}"
        return self.identity.digest

    def _is_flushed_already(self) -> bool:
        """Whether a numbered batch lies below its writer's watermark, where nothing more is remembered of it."""
        if not self.identity.is_numbered:
            return False
        return has_received(self.run.pk, self.writer, self.identity.seq)

    def _known(self, operations: Sequence[Operation]) -> tuple[dict[str, Existing], list[str]]:
        """The run's attributes among the paths and their namespaces, and the paths that are namespaces in the run."""
        paths = {operation.path for operation in operations if not path_problem(operation.path)}
        wanted = sorted(paths.union(*(parents(path) for path in paths)) if paths else paths)
        rows = Attribute.objects.filter(run=self.run)
        existing: dict[str, Existing] = {}
        for start in range(0, len(wanted), _IN_CHUNK):
            found = rows.filter(definition__path__in=wanted[start : start + _IN_CHUNK])
            for path, kind, pk in found.values_list("definition__path", "definition__kind", "definition_id"):
                existing[path] = Existing(pk, AttributeKind(kind))
        return existing, self._namespaces_among(sorted(paths - existing.keys()))

    def _namespaces_among(self, paths: Sequence[str]) -> list[str]:
        """Which of these new paths have attributes of the run below them; usually none."""
        rows = Attribute.objects.filter(run=self.run)
        namespaces: list[str] = []
        for start in range(0, len(paths), 100):
            some = paths[start : start + 100]
            condition = below(some[0], "definition__path")
            for path in some[1:]:
                condition |= below(path, "definition__path")
            inside = rows.filter(definition__project_id=self.run.project_id).filter(condition)
            for path in inside.values_list("definition__path", flat=True)[:1000]:
                namespaces += [parent for parent in parents(path) if parent in some]
        return namespaces

    def _check_attribute_limit(self) -> None:
        new = [plan for plan in self.plan.paths.values() if plan.is_new]
        if not new:
            return
        room = MAX_ATTRIBUTES_PER_RUN - Attribute.objects.filter(run=self.run).count()
        for plan in new[max(room, 0) :]:
            plan.forget()
            index = next(each.index for each in self.operations if each.path == plan.path)
            message = f"The run has {MAX_ATTRIBUTES_PER_RUN} attributes, which is the limit; {plan.path} was not added."
            self.plan.errors.append(OperationError(index, plan.path, "attribute_limit", message))

    def _write(self) -> None:
        plans = list(self.plan.paths.values())
        self._drop([plan for plan in plans if plan.drops_existing], with_attribute=True)
        self._drop([plan for plan in plans if plan.clears and plan.retained], with_attribute=False)
        kept = [plan for plan in plans if plan.kind is not None]
        resolved = resolve_definitions(self.run.project_id, [(plan.path, plan.kind) for plan in kept if plan.kind])
        ids = {path: pk for (path, _), pk in resolved.items()}
        create_attributes(self.run, [ids[plan.path] for plan in kept if plan.is_new and plan.value is None])
        write_values(self.run, [plan.value for plan in kept if plan.value is not None])
        for plan in kept:
            self._write_links(plan, ids[plan.path])
        self._write_points(kept, ids)
        self._touch()

    def _drop(self, plans: Sequence[PathPlan], *, with_attribute: bool) -> None:
        ids = [plan.existing.definition_id for plan in plans if plan.existing]
        if not ids:
            return
        series = [each.existing.definition_id for each in plans if each.existing and each.existing.kind in _POINT_KINDS]
        if series:
            store.delete(self.run.pk, series)
        drop_links(self.run, ids)
        attributes = Attribute.objects.filter(run=self.run, definition_id__in=ids)
        if with_attribute:
            attributes.delete()
        else:
            attributes.update(count=0, last_step=None, last_ms=None)

    def _write_links(self, plan: PathPlan, definition_id: int) -> None:
        if plan.git is not None:
            write_git_reference(self.run, plan.git)
        if plan.config is not None:
            Attribute.objects.filter(run=self.run, definition_id=definition_id).update(
                range_minimum=plan.config.minimum, range_maximum=plan.config.maximum, unit=plan.config.unit or ""
            )
        if plan.tags or plan.clears_tags:
            write_tags(self.run, definition_id, plan)
        if plan.file is not None:
            write_file(self.run, definition_id, plan.file)
        if plan.members:
            write_members(self.run, definition_id, plan.members)
        if plan.files:
            append_files(self.run, definition_id, [point for each in plan.files for point in each.points])

    def _write_points(self, plans: Sequence[PathPlan], ids: dict[str, int]) -> None:
        floats = {ids[plan.path]: pack_floats(plan.floats, self.plan.errors) for plan in plans if plan.floats}
        strings = {ids[plan.path]: pack_strings(plan.strings, self.plan.errors) for plan in plans if plan.strings}
        timestamps = [each.timestamps for each in floats.values() if len(each)]
        timestamps += [each.timestamps for each in strings.values() if len(each)]
        if not timestamps and not self.identity.is_numbered:
            return
        seq = self.identity.seq if self.identity.is_numbered else _unique_seq(self.run)
        self.heads = store.append(PointBatch(self.run.pk, self.writer, seq, floats, strings)).heads
        if timestamps:
            self.first_ms = min(int(each.min()) for each in timestamps)
            self.last_ms = max(int(each.max()) for each in timestamps)
        if count_unflushed(self.run.pk) > MAX_UNFLUSHED_BATCHES:
            store.flush(self.run.pk)  # the flusher does not keep up, or is dead: the request helps

    def _touch(self) -> None:
        changes: dict[str, object] = {"touched_at": timezone.now()}
        # The clients of the Neptune wire ping; their queue may also be sent long after they ended. Ours only log.
        is_heard = self.run.is_alive or self.identity.is_numbered
        if is_heard and not self.is_edit and self.run.finished_at is None:
            changes |= signs_of_life(self.run)
        failed = self.plan.paths.get("sys/failed")
        if failed is not None and failed.value is not None:
            changes["failed"] = bool(failed.value.value)
        Run.objects.filter(pk=self.run.pk).update(**changes)

    def _remember(self, errors: Sequence[OperationError], is_repeated: bool) -> None:
        _keep_rejected(self.run, self._digest, errors, self.operations)
        if is_repeated or not self._digest:
            return
        if self.identity.is_numbered or any(isinstance(operation, _APPENDS) for operation in self.operations):
            ReceivedBatch.objects.create(
                run=self.run,
                digest=self._digest,
                errors=[[error.index, error.path[:1024], error.code, error.message] for error in errors[:1000]],
                first_ms=self.first_ms,
                last_ms=self.last_ms,
                heads=self.heads,
            )


def _without_appends(operations: Sequence[Operation]) -> list[Operation]:
    """What is left to do when a batch without a number comes a second time.

    Its points are stored already, so neither they nor the deletions that came before them in the batch may be repeated.
    Everything else gives the same result again; the same assignments may also be sent on purpose, later, to set a value
    back, and then they must count.
    """
    appended = {operation.path for operation in operations if isinstance(operation, _APPENDS)}
    return [
        operation
        for operation in operations
        if not isinstance(operation, _APPENDS)
        and not (isinstance(operation, ClearSeries | DeleteAttribute) and operation.path in appended)
    ]


def _writer_number(run: Run, writer: str) -> int:
    """The number of a writer in its run, given on first sight. The caller holds the lock on the run."""
    identity = uuids.UUID(writer)
    known = Writer.objects.filter(run=run, uuid=identity).values_list("number", flat=True).first()
    if known is not None:
        return known
    highest = Writer.objects.filter(run=run).aggregate(highest=Max("number"))["highest"] or 0
    return Writer.objects.create(run=run, uuid=identity, number=highest + 1).number


def _unique_seq(run: Run) -> int:
    """A number no other unnumbered log row of the run has. The caller holds the lock on the run."""
    highest = BatchLog.objects.filter(run=run, writer=0).aggregate(highest=Max("seq"))["highest"]
    return 1 if highest is None else highest + 1


def _read_errors(batch: ReceivedBatch | None) -> list[OperationError]:
    return [OperationError(*error) for error in batch.errors] if batch else []


def _keep_rejected(run: Run, batch: str, errors: Sequence[OperationError], operations: Sequence[Operation]) -> None:
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
