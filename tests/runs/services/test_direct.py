"""The short way in for points must store and answer what the general way does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects.exceptions import NotFound
from runs.models import Attribute, AttributeKind, BatchLog, RejectedOperation, Run
from runs.operations import (
    AppendStrings,
    BatchIdentity,
    ClearSeries,
    DeleteAttribute,
    FloatBlock,
    IngestResult,
    PointColumns,
    TextBlock,
)
from runs.series import store
from runs.series.base import SeriesKey
from runs.series.rows import ROW_POINTS
from runs.services import direct, ingest, memory
from runs.services.ingest import apply_operations, apply_points
from runs.services.runs import create_run

WRITER = "6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11"
SESSION = "0b0e8f6a-36ab-4d04-8f7a-6a0b7bb4a001"
NONE = float("nan")


@pytest.fixture(autouse=True)
def _committed(committed_run: Run) -> None:
    """What is remembered is remembered after a commit, so these tests commit."""


def float_block(series: dict[str, Sequence[tuple[float, int, float]]]) -> FloatBlock:
    points = [point for each in series.values() for point in each]
    return FloatBlock(
        list(series),
        list(range(len(series))),
        [len(each) for each in series.values()],
        np.array([step for step, _, _ in points], np.float64),
        np.array([timestamp for _, timestamp, _ in points], np.int64),
        np.array([value for _, _, value in points], np.float64),
    )


def text_block(series: dict[str, Sequence[tuple[float, int, str]]]) -> TextBlock:
    points = [point for each in series.values() for point in each]
    return TextBlock(
        list(series),
        list(range(100, 100 + len(series))),
        [len(each) for each in series.values()],
        np.array([step for step, _, _ in points], np.float64),
        np.array([timestamp for _, timestamp, _ in points], np.int64),
        [value for _, _, value in points],
    )


def floats(**series: Sequence[tuple[float, int, float]]) -> PointColumns:
    return PointColumns(float_block(series))


def numbered(seq: int) -> BatchIdentity:
    return BatchIdentity(writer=WRITER, seq=seq)


def in_session(name: object, session: str = SESSION) -> BatchIdentity:
    return BatchIdentity(digest=hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest(), session=session)


@pytest.fixture
def general_way(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the batches that went the general way."""
    calls: list[int] = []

    def counting(*args: object, **options: object) -> IngestResult:
        calls.append(1)
        return apply_operations(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ingest, "apply_operations", counting)
    return calls


def points_of(run: Run, path: str) -> list[tuple[float, int, float]]:
    definition = Attribute.objects.get(run=run, definition__path=path).definition_id
    page = store.read_page(SeriesKey(run.pk, definition), offset=0, limit=1_000_000)
    return list(zip(page.steps.tolist(), page.timestamps.tolist(), page.values.tolist(), strict=True))


def lines_of(run: Run, path: str) -> list[tuple[float, int, str]]:
    definition = Attribute.objects.get(run=run, definition__path=path).definition_id
    page = store.read_strings(SeriesKey(run.pk, definition), offset=0, limit=1_000_000)
    return list(zip(page.steps.tolist(), page.timestamps.tolist(), page.values, strict=True))


@pytest.mark.parametrize("identity", [numbered, in_session])
def test_points_of_known_series_take_the_short_way(
    committed_run, general_way, identity: Callable[[int], BatchIdentity]
):
    for seq in range(1, 6):
        result = apply_points(
            committed_run, floats(loss=[(NONE, 10 * seq, seq), (NONE, 10 * seq + 1, -seq)]), identity=identity(seq)
        )
        assert result == IngestResult(1, ())
    assert len(general_way) == 1
    expected = [(10 * seq + i, value) for seq in range(1, 6) for i, value in ((0, seq), (1, -seq))]
    assert [point[1:] for point in points_of(committed_run, "loss")] == expected
    committed_run.refresh_from_db()
    assert committed_run.last_point_ms == 51


@pytest.mark.parametrize(("identity", "statements"), [(numbered, (1, 2)), (in_session, (1, 3))])
def test_a_batch_costs_one_statement_on_postgresql(
    committed_run, django_assert_num_queries, identity: Callable[[int], BatchIdentity], statements: tuple[int, int]
):
    batch = floats(**{f"series_{number}": [(NONE, 5, 1.0)] * 20 for number in range(50)})
    for seq in (1, 2):
        apply_points(committed_run, batch, identity=identity(seq))
    expected = statements[0] if connection.vendor == "postgresql" else statements[1] + 2  # BEGIN and COMMIT
    with django_assert_num_queries(expected):
        apply_points(committed_run, batch, identity=identity(3))


@pytest.mark.parametrize("identity", [numbered, in_session])
def test_a_batch_sent_again_changes_nothing(committed_run, identity: Callable[[int], BatchIdentity]):
    for seq in (1, 2, 3):
        apply_points(committed_run, floats(loss=[(NONE, seq, 1.0)]), identity=identity(seq))
    for flush in (False, True):
        if flush:
            store.flush(committed_run.pk)
        for seq in (2, 3):
            again = apply_points(committed_run, floats(loss=[(NONE, seq, 1.0)]), identity=identity(seq))
            assert again.is_duplicate
    assert points_of(committed_run, "loss") == [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)]


@pytest.mark.parametrize(
    "removal", [DeleteAttribute(path="loss"), ClearSeries(path="loss", kind=AttributeKind.FLOAT_SERIES)]
)
def test_what_another_process_removed_is_noticed(committed_run, general_way, removal):
    for seq in (1, 2):
        apply_points(committed_run, floats(loss=[(1.0, seq, 1.0)]), identity=numbered(seq))
    known = memory.recall(committed_run.pk)
    assert known is not None
    apply_operations(committed_run, [removal], identity=BatchIdentity())
    memory.forget(committed_run.pk)  # this process did not see it
    memory.remember(committed_run.pk, known.version, known.floats, known.texts, known.writers, known.sessions)
    assert len(general_way) == 1
    assert apply_points(committed_run, floats(loss=[(5.0, 9, 2.0)]), identity=numbered(3)) == IngestResult(1, ())
    assert len(general_way) == 2
    assert points_of(committed_run, "loss") == [(5.0, 9, 2.0)]


def test_a_path_that_became_another_type_elsewhere_is_refused(committed_run):
    for seq in (1, 2):
        apply_points(committed_run, floats(loss=[(1.0, seq, 1.0)]), identity=numbered(seq))
    known = memory.recall(committed_run.pk)
    apply_operations(
        committed_run,
        [DeleteAttribute(path="loss"), AppendStrings(path="loss", values=["x"], steps=[0], timestamps=[1], index=1)],
        identity=BatchIdentity(),
    )
    memory.forget_all()
    memory.remember(committed_run.pk, known.version, known.floats, known.texts, known.writers, known.sessions)
    result = apply_points(committed_run, floats(loss=[(5.0, 9, 2.0)]), identity=numbered(3))
    assert [error.code for error in result.errors] == ["type_conflict"]
    assert lines_of(committed_run, "loss") == [(0, 1, "x")]


def test_a_purged_run_is_not_found(committed_run):
    for seq in (1, 2):
        apply_points(committed_run, floats(loss=[(1.0, seq, 1.0)]), identity=numbered(seq))
    stale = Run.objects.get(pk=committed_run.pk)
    committed_run.delete()
    with pytest.raises(NotFound):
        apply_points(stale, floats(loss=[(2.0, 3, 1.0)]), identity=numbered(3))
    assert not BatchLog.objects.exists()


def test_it_works_inside_a_transaction_of_the_caller(committed_run):
    apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=numbered(1))
    with transaction.atomic():
        assert apply_points(committed_run, floats(loss=[(2.0, 2, 2.0)]), identity=numbered(2)) == IngestResult(1, ())
        assert apply_points(committed_run, floats(loss=[(2.0, 2, 2.0)]), identity=numbered(2)).is_duplicate
        transaction.set_rollback(True)
    assert not apply_points(committed_run, floats(loss=[(2.0, 2, 3.0)]), identity=numbered(2)).is_duplicate
    assert points_of(committed_run, "loss") == [(1, 1, 1.0), (2, 2, 3.0)]


def test_what_a_rolled_back_transaction_made_is_not_remembered(committed_run):
    with transaction.atomic():
        apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=numbered(1))
        transaction.set_rollback(True)
    assert memory.recall(committed_run.pk) is None
    apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=numbered(1))
    assert points_of(committed_run, "loss") == [(1, 1, 1.0)]


def test_a_number_taken_by_another_process_takes_nothing_back(committed_run, monkeypatch, general_way):
    for number in range(2):
        apply_points(committed_run, floats(loss=[(NONE, number, 0.5)]), identity=in_session(number))
    taken = BatchLog.objects.filter(run=committed_run).order_by("-id")[0].seq
    monkeypatch.setattr(direct, "unique_seq", lambda: taken)
    ways = len(general_way)
    assert apply_points(committed_run, floats(loss=[(NONE, 9, 9.5)]), identity=in_session(9)) == IngestResult(1, ())
    assert len(general_way) == ways + 1
    assert [value for _, _, value in points_of(committed_run, "loss")] == [0.5, 0.5, 9.5]


def test_a_write_that_fails_leaves_nothing_behind_in_the_transaction_of_the_caller(committed_run, monkeypatch):
    for number in (1, 2):
        apply_points(committed_run, floats(loss=[(NONE, number, 0.5)]), identity=in_session(number))
    taken = BatchLog.objects.filter(run=committed_run).order_by("-id")[0].seq
    monkeypatch.setattr(direct, "unique_seq", lambda: taken)
    with transaction.atomic():
        result = apply_points(committed_run, floats(loss=[(NONE, 9, 9.5)]), identity=in_session(9))
    assert result == IngestResult(1, ())
    assert [value for _, _, value in points_of(committed_run, "loss")] == [0.5, 0.5, 9.5]


def test_a_large_batch_is_several_rows(committed_run):
    size = 3 * ROW_POINTS // 2
    timestamps = np.arange(2 * size, dtype=np.int64)
    block = FloatBlock(
        ["a", "b"], [0, 1], [size, size], np.full(2 * size, NONE), timestamps, timestamps.astype(np.float64)
    )
    lines = ["x" * 50_000] * 50
    text = TextBlock(["c"], [2], [50], np.full(50, NONE), np.arange(50, dtype=np.int64), lines)
    apply_points(
        committed_run,
        PointColumns(float_block({"a": [(NONE, 0, 0.5)], "b": [(NONE, 0, 0.5)]}), text_block({"c": [(NONE, 0, "y")]})),
        identity=numbered(1),
    )
    assert apply_points(committed_run, PointColumns(block, text), identity=numbered(2)) == IngestResult(3, ())
    rows = BatchLog.objects.filter(seq=2).order_by("part")
    assert [row.part for row in rows] == list(range(rows.count()))
    assert rows.count() > 4
    assert all(row.point_count <= ROW_POINTS and len(row.payload) < 1_100_000 for row in rows)
    for flush in (False, True):
        if flush:
            store.flush(committed_run.pk)
        assert [point[1:] for point in points_of(committed_run, "b")[1:]] == [
            (number, float(number)) for number in range(size, 2 * size)
        ]
        assert [line for _, _, line in lines_of(committed_run, "c")] == ["y", *lines]
    assert apply_points(committed_run, PointColumns(block, text), identity=numbered(2)).is_duplicate


def test_signs_of_life_are_noted_as_the_general_way_does(committed_run):
    def state(identity: BatchIdentity, *, directly: bool, **columns: object) -> tuple[bool, bool, bool]:
        """Whether the ping and the time of writing moved, and whether running time was counted."""
        now = timezone.now()
        before = {"running_seconds": 5.0, "finished_at": None, "touched_at": now - timedelta(minutes=5), **columns}
        Run.objects.filter(pk=committed_run.pk).update(**before)
        if not directly:
            memory.forget_all()
        apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=identity)
        run = Run.objects.get(pk=committed_run.pk)
        assert run.touched_at >= now
        counted = round(run.running_seconds - 5.0)
        return run.last_ping_at != before["last_ping_at"], counted == 10, counted == 0

    apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=numbered(1))
    now = timezone.now()
    names = count(2)
    for ping in (None, now - timedelta(seconds=10), now - timedelta(minutes=2)):
        for finished in (None, now):
            for identity in (numbered, in_session):
                columns = {"last_ping_at": ping, "finished_at": finished}
                apply_points(committed_run, floats(loss=[(1.0, 1, 1.0)]), identity=identity(next(names)))
                direct = state(identity(next(names)), directly=True, **columns)
                assert direct == state(identity(next(names)), directly=False, **columns)


def test_log_ids_are_in_the_order_of_commits(committed_run):
    """A batch that has its id is not committed after one with a larger id: it waits for the run's row first."""
    for seq in (1, 2):
        apply_points(committed_run, floats(loss=[(1.0, seq, 1.0)]), identity=numbered(seq))
    is_committed = threading.Event()
    order: list[str] = []

    def log() -> None:
        apply_points(committed_run, floats(loss=[(2.0, 5, 1.0)]), identity=numbered(3))
        order.append("second")
        connection.close()

    with transaction.atomic():
        Run.objects.select_for_update(no_key=True).get(pk=committed_run.pk)
        thread = threading.Thread(target=log)
        thread.start()
        is_committed.wait(0.3)  # it can't come before the commit; should it be late, the test proves less
        BatchLog.objects.create(run=committed_run, writer=9, seq=1, point_count=0, first_ms=0, last_ms=0, payload=b"")
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert list(BatchLog.objects.order_by("id").values_list("writer", "seq"))[-2:] == [(9, 1), (1, 3)]


@pytest.mark.parametrize("identity", [numbered, in_session])
def test_of_equal_batches_at_one_time_one_is_stored(committed_run, identity: Callable[[int], BatchIdentity]):
    for seq in (1, 2):
        apply_points(committed_run, floats(loss=[(NONE, seq, 1.0)]), identity=identity(seq))

    def log(seq: int) -> bool:
        try:
            return apply_points(committed_run, floats(loss=[(NONE, seq, 1.0)]), identity=identity(seq)).is_duplicate
        finally:
            connection.close()

    def flush() -> None:
        for _ in range(20):
            store.flush(committed_run.pk)
        connection.close()

    with ThreadPoolExecutor(5) as pool:
        flusher = pool.submit(flush)
        for seq in range(3, 23):
            answers = list(pool.map(log, [seq] * 4))
            assert sorted(answers) == [False, True, True, True]
        flusher.result()
    assert [point[1] for point in points_of(committed_run, "loss")] == list(range(1, 23))


steps_given = st.one_of(
    st.just(NONE), st.integers(-5, 30).map(float), st.sampled_from([0.1234567, -0.0, 2.5, 1e12, 1.1e12, float("inf")])
)
moments = st.one_of(st.integers(1_000, 1_020), st.sampled_from([-1, 0, 4_102_444_800_000, 4_102_444_800_001]))
numbers_given = st.one_of(st.sampled_from([0.0, -0.0, NONE, float("inf"), -float("inf")]), st.floats(width=32))
float_points = st.lists(st.tuples(steps_given, moments, numbers_given), max_size=6)
text_points = st.lists(
    st.tuples(steps_given, moments, st.text(st.sampled_from("aé\x00\ud800\n"), max_size=4)), max_size=4
)
float_series = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "t"]), float_points, min_size=1, max_size=3)
text_series = st.dictionaries(st.sampled_from(["t", "u/v", "a", "b"]), text_points, min_size=1, max_size=2)
batches = st.lists(
    st.tuples(st.one_of(st.none(), float_series), st.one_of(st.none(), text_series), st.booleans(), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_both_ways_store_and_answer_the_same(committed_run, sent):
    """The same batches, a random part of them twice, to two runs: for one of them nothing is ever remembered.

    Each is of a later moment than the one before: who remembers nothing of a session must take a batch that begins at
    the same moment and as an earlier one did for that one sent again, and who remembers need not."""
    first = create_run(project=committed_run.project, owner=None)[0]
    second = create_run(project=committed_run.project, owner=None)[0]
    for number, (of_floats, of_texts, is_numbered, is_repeated) in enumerate(sent, 1):
        of_floats = {path: later(each, 50 * number) for path, each in (of_floats or {}).items()}
        of_texts = {path: later(each, 50 * number) for path, each in (of_texts or {}).items() if path not in of_floats}
        columns = PointColumns(
            float_block(of_floats) if of_floats else None, text_block(of_texts) if of_texts else None
        )
        identity = numbered(number) if is_numbered else in_session((number, repr(of_floats), repr(of_texts)))
        for _ in range(1 + is_repeated):
            memory.forget(second.pk)
            assert apply_points(first, columns, identity=identity) == apply_points(second, columns, identity=identity)
    for flush in (False, True):
        if flush:
            store.flush(first.pk)
            store.flush(second.pk)
        assert everything(first) == everything(second)


def later(points: Sequence[tuple[float, int, Any]], milliseconds: int) -> list[tuple[float, int, Any]]:
    """The points, those at possible moments so much later."""
    return [(step, at + milliseconds if 1_000 <= at <= 1_020 else at, value) for step, at, value in points]


def everything(run: Run) -> dict[str, object]:
    found: dict[str, object] = {}
    rows = Attribute.objects.filter(run=run).exclude(definition__path__startswith="sys/")
    for path, kind in rows.values_list("definition__path", "definition__kind"):
        found[path] = repr((points_of if kind == AttributeKind.FLOAT_SERIES else lines_of)(run, path))
    refused = RejectedOperation.objects.filter(run=run)
    found["refused"] = sorted(refused.values_list("path", "operation", "code", "message", "excerpt"))
    return found
