"""The short way in for points must store and answer what the general way does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
import pytest
from django.db import connection

from runs.models import Attribute, AttributeKind, Run
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
from runs.services import ingest, memory
from runs.services.ingest import apply_operations, apply_points

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


@pytest.fixture
def numbers() -> Iterator[int]:
    return count(1)


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
