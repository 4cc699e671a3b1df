from __future__ import annotations

import uuid

import pytest

from runs.models import Attribute, Writer
from runs.operations import AppendFloats, BatchIdentity
from runs.series import store
from runs.series.base import SeriesKey
from runs.series.pending import MAX_MARKS
from runs.series.writers import MAX_GAPS, advance, close_gap, has_received
from runs.services.ingest import apply_operations

WRITER = str(uuid.UUID(int=7))


def send(run, seq: int) -> bool:
    batch = [AppendFloats(path="loss", values=[float(seq)], steps=[float(seq)], timestamps=[seq])]
    return apply_operations(run, batch, identity=BatchIdentity(writer=WRITER, seq=seq)).is_duplicate


def stored(run) -> list[float]:
    definition = Attribute.objects.get(run=run, definition__path="loss").definition_id
    return store.read_page(SeriesKey(run.pk, definition), offset=0, limit=1000).values.tolist()


def test_a_batch_that_was_passed_over_is_taken_when_it_comes_after_all(run):
    later = [seq for seq in range(1, MAX_MARKS + 12) if seq not in {3, 4}]
    for seq in later:
        assert not send(run, seq)
    store.flush(run.pk)
    assert Writer.objects.get().gaps == [[3, 4]]
    assert not send(run, 4)
    assert send(run, 4)
    store.flush(run.pk)
    assert send(run, 4)
    assert not send(run, 3)
    assert stored(run) == [float(seq) for seq in range(1, MAX_MARKS + 12)]
    assert Writer.objects.get().gaps == []


def test_a_batch_that_came_stays_known_after_the_flush(run):
    assert not send(run, 1)
    store.flush(run.pk)
    number = Writer.objects.get().number
    assert has_received(run.pk, number, 1)
    assert not has_received(run.pk, number, 2)


@pytest.mark.parametrize(
    ("done", "last_seq", "gaps"),
    [
        ([1, 2, 3], 3, []),
        ([2, 3], 0, []),
        ([1, 3], 1, []),
        ([2, 3, 4, 5], 5, [[1, 1]]),
        ([1, 4, 5, 6, 8, 9, 10], 10, [[2, 3], [7, 7]]),
    ],
)
def test_the_watermark_waits_for_a_gap_until_patience_ends(done, last_seq, gaps):
    writer = Writer()
    advance(writer, done, 2)
    assert (writer.last_seq, writer.gaps) == (last_seq, gaps)


def test_closing_splits_a_gap(run):
    writer = Writer.objects.create(run=run, number=1, uuid=uuid.UUID(int=1), last_seq=20, gaps=[[2, 5], [9, 9]])
    for seq in (3, 9, 7):
        close_gap(run.pk, 1, seq)
    writer.refresh_from_db()
    assert writer.gaps == [[2, 2], [4, 5]]


def test_the_number_of_remembered_gaps_is_bounded():
    writer = Writer()
    advance(writer, range(2, 2 * MAX_GAPS + 100, 2), 0)
    assert len(writer.gaps) == MAX_GAPS
