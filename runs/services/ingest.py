"""Applying logged operations to a run: the one way in, whatever wire they came by.

One transaction per batch. Good operations are committed, each bad one is reported by index and kept in the run's list
of rejected operations. Applying a batch again changes nothing.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import accumulate, pairwise

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from projects.exceptions import NotFound, Unavailable
from projects.rows import ModelRows, fetch, is_postgresql
from runs.commits import FindLeader, Job, committed
from runs.models import (
    Attribute,
    AttributeKind,
    Run,
)
from runs.models.run import GONE
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
from runs.series import make_room, runs_with_room, store, writer_of
from runs.series.base import Examination, FloatColumns, PointBatch, StringColumns
from runs.series.statements import submit_batch
from runs.services import memory
from runs.services.attributes import create_attributes, resolve_definitions, write_git_reference, write_values
from runs.services.direct import append_directly, plan_directly, session_of, unique_seq
from runs.services.existing import known_attributes
from runs.services.links import append_files, drop_links, write_file, write_members, write_tags
from runs.services.plan import BatchPlan, PathPlan
from runs.services.points import pack_floats, pack_strings
from runs.services.received import errors_before, is_repeating, remember_batch, remember_session
from runs.services.rejections import keep_rejected
from runs.services.runs import seconds_alive, write_run

MAX_ATTRIBUTES_PER_RUN = 100_000
_ATTEMPTS = 3
_POINT_KINDS = (AttributeKind.FLOAT_SERIES, AttributeKind.STRING_SERIES)
_APPENDS = (AppendFloats, AppendStrings, AppendFiles)
_RUN_ROWS = ModelRows(Run, "run")
_LOCK = f"SELECT {_RUN_ROWS.columns} FROM {Run._meta.db_table} AS run WHERE run.id = %s AND run.kind <> '{GONE}'"  # noqa: S608


def apply_operations(
    run: Run, operations: Sequence[Operation], *, identity: BatchIdentity, is_edit: bool = False
) -> IngestResult:
    """Apply a batch and return what became of it; when this returns, all of it is committed.

    What a client logs is a sign of life of a running run, as a ping is; with `is_edit` a person changes it by hand.

    Raises NotFound when the run was purged meanwhile, and Unavailable (send it again) when the database can't take it.
    """
    _make_room(run.pk, identity)
    return _apply(run, operations, identity, is_edit)


def apply_points(run: Run, columns: PointColumns, *, identity: BatchIdentity) -> IngestResult:
    """As apply_operations, for a batch that only logs points. To series that this process has seen before, that is one
    write and nothing else."""
    result = log_points(run, columns, identity=identity)
    return apply_operations(run, list(_as_operations(columns)), identity=identity) if result is None else result


def log_points(run: Run, columns: PointColumns, *, identity: BatchIdentity) -> IngestResult | None:
    """As apply_points, but None when that takes more than one write; then nothing was written."""
    _make_room(run.pk, identity)
    return append_directly(run, columns, identity)


class Submitted(Enum):
    """What became of an attempt to log without waiting."""

    YES = "yes"
    NO = "no"  # more is needed than one write
    LOOK_FIRST = "look first"  # the database has to be asked something; then it can be tried again


def submit_points(
    run_id: int,
    columns: PointColumns,
    *,
    identity: BatchIdentity,
    when_done: Callable[[IngestResult | None], object],
    find_leader: FindLeader,
) -> Submitted:
    """As log_points, but this thread neither waits nor asks the database anything: `when_done` is called with the
    result by the thread that `find_leader` finds. Unless it was submitted, nothing is done."""
    known = memory.recall(run_id)
    if known is None:
        return Submitted.NO
    if known.counts_next:
        return Submitted.NO if identity.is_numbered else Submitted.LOOK_FIRST
    write = plan_directly(run_id, columns, identity, known)
    if write is None or len(write.batch.rows) > 1:
        return Submitted.NO
    known.is_time_to_count()  # it is not, but this batch counts

    def answer(job: Job[bool | None]) -> None:
        if job.error is None and job.result is None:  # someone else had the lock: what is remembered may well be true
            when_done(None)
        else:
            when_done(write.result(is_written=job.error is None and bool(job.result)))

    submit_batch(write.batch, answer, find_leader)
    return Submitted.YES


def look_for_room(run_ids: Iterable[int]) -> None:
    """What has to be looked at before some of the batches without a number, in a thread that may wait a little: where
    there is no room, log_points has to make it."""
    due = {pk: known for pk in run_ids if (known := memory.recall(pk)) is not None and known.counts_next}
    for run_id in runs_with_room(due):
        due[run_id].is_time_to_count()


def _make_room(run_id: int, identity: BatchIdentity) -> None:
    """Once in a while, look whether too much of the run waits in the log. The clients of the Neptune wire may drop what
    is refused, so their batches are taken in any case."""
    known = memory.recall(run_id)
    if known is not None and known.is_time_to_count():
        make_room(run_id, may_refuse=identity.is_numbered)


def _apply(run: Run, operations: Sequence[Operation], identity: BatchIdentity, is_edit: bool) -> IngestResult:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return committed(lambda: _Batch(_locked(run), operations, identity, is_edit).apply())
        except OperationalError as error:
            # A deadlock, a lock that did not come in time, a connection that broke. Should all have been written yet,
            # the batch is known the second time.
            if attempt == _ATTEMPTS or connection.in_atomic_block:
                raise Unavailable("The database could not take the data just now; send it again.") from error
            connection.close_if_unusable_or_obsolete()
    raise AssertionError("unreachable")


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
    statement = _LOCK + (" FOR NO KEY UPDATE" if is_postgresql() else "")
    for values in fetch(statement, [run.pk]):
        return _RUN_ROWS.make(values)
    raise NotFound


class _Batch:
    """One batch on its way into the database; `run` is locked."""

    def __init__(self, run: Run, operations: Sequence[Operation], identity: BatchIdentity, is_edit: bool) -> None:
        self.run = run
        self.operations = operations
        self.identity = identity
        self.is_edit = is_edit
        self.writer = writer_of(run.pk, uuids.UUID(identity.writer)) if identity.is_numbered else None
        self.plan = BatchPlan({}, ())
        self.heads = b""
        self.first_ms = self.last_ms = 0
        self.drops = False
        self.sessions: dict[str, int] = {}

    def apply(self) -> IngestResult:
        is_repeated, before = self._look_back()
        if is_repeated and self.identity.is_numbered:
            return IngestResult(0, before, is_duplicate=True)
        operations = _without_appends(self.operations) if is_repeated else self.operations
        self.plan = BatchPlan(*known_attributes(self.run, operations))
        for operation in operations:
            self.plan.add(operation)
        self._check_attribute_limit()
        self._write()
        errors = tuple(dict.fromkeys([*before, *self.plan.errors]))
        self._remember(errors, is_repeated)
        failed = len({error.index for error in errors})
        return IngestResult(len(self.operations) - failed, errors, is_duplicate=is_repeated)

    @property
    def _digest(self) -> str:
        """What this batch is remembered by."""
        return f"{self.writer.number}:{self.identity.seq}" if self.writer else self.identity.digest

    @property
    def _has_points(self) -> bool:
        return any(isinstance(operation, _APPENDS) for operation in self.operations)

    def _look_back(self) -> tuple[bool, tuple[OperationError, ...]]:
        """Whether the batch came before, and the errors it had then."""
        if self.writer and not self.writer.has_received(self.identity.seq):
            return False, ()
        is_kept = self._digest and (self.writer or self._has_points)
        errors = errors_before(self.run.pk, self._digest) if is_kept else None
        return self.writer is not None or errors is not None, errors or ()

    def _check_attribute_limit(self) -> None:
        new = [plan for plan in self.plan.paths.values() if plan.is_new]
        if not new:
            return
        statement = f"SELECT count(*) FROM {Attribute._meta.db_table} WHERE run_id = %s"  # noqa: S608 - own names
        room = MAX_ATTRIBUTES_PER_RUN - int(fetch(statement, [self.run.pk])[0][0])
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
        ids = self._create(kept)
        for plan in kept:
            self._write_links(plan, ids[plan.path])
        self._write_points(kept, ids)
        self._touch()
        self._note(kept, ids)

    def _create(self, plans: Sequence[PathPlan]) -> dict[str, int]:
        """Make the attributes that are missing and set values; returns the definition id of each path."""
        ids = {plan.path: plan.retained.definition_id for plan in plans if plan.retained}
        new = [(plan.path, plan.kind) for plan in plans if plan.kind and plan.path not in ids]
        ids |= {path: pk for (path, _), pk in resolve_definitions(self.run.project_id, new).items()}
        create_attributes(self.run, [ids[plan.path] for plan in plans if plan.is_new and plan.value is None])
        write_values(
            self.run,
            {ids[plan.path]: plan.value for plan in plans if plan.value is not None},
            new={ids[plan.path] for plan in plans if plan.is_new},
        )
        return ids

    def _drop(self, plans: Sequence[PathPlan], *, with_attribute: bool) -> None:
        ids = [plan.existing.definition_id for plan in plans if plan.existing]
        if not ids:
            return
        if not self.drops:
            self.drops = True
            self.run.attributes_version += 1  # what any process remembers of the run ends with it
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

    def _write_points(self, plans: Sequence[PathPlan], ids: Mapping[str, int]) -> None:
        floats = {ids[plan.path]: pack_floats(plan.floats, self.plan.errors) for plan in plans if plan.floats}
        strings = {ids[plan.path]: pack_strings(plan.strings, self.plan.errors) for plan in plans if plan.strings}
        timestamps = [each.timestamps for each in floats.values() if len(each)]
        timestamps += [each.timestamps for each in strings.values() if len(each)]
        if not timestamps and self.writer is None:
            return
        if timestamps:
            self.first_ms = min(int(each.min()) for each in timestamps)
            self.last_ms = max(int(each.max()) for each in timestamps)
        if self.writer is None:
            self._append_by_content(floats, strings)
            return
        self.writer.close_gap(self.identity.seq)
        store.append(PointBatch(self.run.pk, self.writer.number, self.identity.seq, floats, strings), self.run)

    def _append_by_content(self, floats: Mapping[int, FloatColumns], strings: Mapping[int, StringColumns]) -> None:
        """Append points that have no number. What a session logs is examined until it has sent something new, and again
        when it goes back in time."""
        session = session_of(self.identity)
        examination = Examination.BY_CONTENT if session is None else self._examination(session)
        appended = store.append(PointBatch(self.run.pk, 0, unique_seq(), floats, strings, examination), self.run)
        self.heads = appended.heads
        if session is None or not appended.heads:  # only points without a step tell anything
            return
        if examination is not Examination.NONE:
            remember_session(self.run.pk, session, is_repeating=appended.is_repetition)
        if appended.is_repetition:
            transaction.on_commit(lambda: memory.forget(self.run.pk))
        else:
            self.sessions[self.identity.session] = self.last_ms

    def _examination(self, session: uuids.UUID) -> Examination:
        known = memory.recall(self.run.pk)
        if known is not None and known.goes_on(self.identity.session, self.first_ms):
            return Examination.NONE
        # One that this process does not know, or that goes back in time, may be sending the next of several queues.
        return Examination.REPEATING if is_repeating(self.run.pk, session) else Examination.FIRST

    def _touch(self) -> None:
        """Write what the batch changes on the run's own row."""
        run, now = self.run, timezone.now()
        # The clients of the Neptune wire ping; their queue may also be sent long after they ended. Ours only log.
        is_heard = run.is_alive or self.identity.is_numbered
        if is_heard and not self.is_edit and run.finished_at is None:
            run.running_seconds += seconds_alive(run, now)
            run.last_ping_at = now
        failed = self.plan.paths.get("sys/failed")
        if failed is not None and failed.value is not None:
            run.failed = bool(failed.value.value)
        changes = {
            "touched_at": now,
            "values_changed_at": now,
            "last_point_ms": max(run.last_point_ms, self.last_ms),
            "last_ping_at": run.last_ping_at,
            "running_seconds": run.running_seconds,
            "attributes_version": run.attributes_version,
            "failed": run.failed,
        }
        write_run(run.pk, changes)

    def _remember(self, errors: Sequence[OperationError], is_repeated: bool) -> None:
        """Keep what tells this batch when it comes again. A numbered one is known by its number, so only its errors are
        kept; of others, those that add points."""
        keep_rejected(self.run, self._digest, errors, self.operations)
        if is_repeated or not self._digest:
            return
        if errors if self.writer else self._has_points:
            span = {"first_ms": self.first_ms, "last_ms": self.last_ms}
            remember_batch(self.run.pk, self._digest, errors, **span, heads=self.heads)

    def _note(self, plans: Sequence[PathPlan], ids: Mapping[str, int]) -> None:
        """Let the process remember, once this is committed, the series found or made, and who sent the batch."""
        floats = {plan.path: ids[plan.path] for plan in plans if plan.kind is AttributeKind.FLOAT_SERIES}
        texts = {plan.path: ids[plan.path] for plan in plans if plan.kind is AttributeKind.STRING_SERIES}
        if not floats and not texts:
            return
        run_id, version = self.run.pk, self.run.attributes_version
        writers = {self.identity.writer: self.writer.number} if self.writer else {}
        sessions = self.sessions
        transaction.on_commit(lambda: memory.remember(run_id, version, floats, texts, writers, sessions))


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
