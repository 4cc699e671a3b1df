"""Several processes at once: here threads, each with its own connection to the database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from django.db import connection, transaction

from runs.models import Run
from runs.series import store
from runs.series.base import PointBatch, SeriesKey
from tests.runs.series.conftest import Recorder, floats

BATCHES, SIZE = 60, 20


def in_threads(*jobs: Callable[[], None]) -> None:
    def closing(job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for future in [pool.submit(closing, job) for job in jobs]:
            future.result()


def test_nothing_is_lost_doubled_or_moved_while_all_work_at_once(committed_run: Run):
    recorder = Recorder(committed_run)
    shared = recorder.define("shared")
    writers = [recorder.writer(number) for number in (1, 2, 3)]
    done = Event()

    def write(writer: int) -> None:
        for seq in range(1, BATCHES + 1):
            points = [(None, seq, float(writer * 1000 + seq))] * SIZE
            batch = PointBatch(committed_run.pk, writer, seq, {shared.definition_id: floats(points)})
            for _ in range(2):  # every batch is sent twice
                with transaction.atomic():
                    store.append(batch)

    def write_all() -> None:
        try:
            in_threads(*(lambda writer=writer: write(writer) for writer in writers))
        finally:
            done.set()

    def flush() -> None:
        while not done.is_set():
            store.flush(committed_run.pk)

    cursor = store.read([shared], max_points=0)[0].cursor
    in_threads(write_all, flush, flush, lambda: check_prefixes(shared, cursor, done))
    store.flush(committed_run.pk)
    found = recorder.values(shared)
    expected = [float(writer * 1000 + seq) for writer in writers for seq in range(1, BATCHES + 1)] * SIZE
    assert sorted(found) == sorted(expected)
    assert recorder.steps(shared) == list(range(len(expected)))
    assert recorder.unflushed() == 0
    assert store.summaries(committed_run.pk)[shared.definition_id].count == len(expected)


def check_prefixes(key: SeriesKey, cursor: str, done: Event) -> None:
    """What was read once must still be there, at the same steps, whenever it is read again."""
    before: list[float] = []
    followed: list[float] = []
    while not done.is_set():
        now = store.read([key], max_points=10**6)[0].values.tolist()
        assert now[: len(before)] == before
        before = now
        (added,) = store.read_since([(key, cursor)], max_points=10**6)
        assert added is not None
        followed += added.values.tolist()
        cursor = added.cursor
        assert followed[: len(before)] == before
        summary = store.summaries(key.run_id)[key.definition_id]
        assert summary.count >= len(followed)
