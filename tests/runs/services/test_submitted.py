"""Points that are logged without waiting: written together by whoever leads, answered once they are committed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction

from runs import commits
from runs.models import Run
from runs.operations import BatchIdentity, IngestResult, PointColumns
from runs.series import statements
from runs.series.rows import ROW_POINTS
from runs.services import ingest, memory
from runs.services.ingest import Submitted, apply_points, submit_points
from runs.services.runs import create_run
from tests.runs.services.test_direct import NONE, SESSION, float_block, floats, in_session, numbered, points_of


class Waiting:
    """Batches that are submitted and wait for a leader, and what became of them by name."""

    def __init__(self) -> None:
        self.leads: list[Callable[[], None]] = []
        self.results: dict[str, IngestResult | None] = {}

    def submit(self, name: str, run: Run, columns: PointColumns, identity: BatchIdentity) -> Submitted:
        return submit_points(
            run.pk,
            columns,
            identity=identity,
            when_done=lambda result: self.results.update({name: result}),
            find_leader=self.leads.append,
        )

    def lead(self) -> None:
        assert len(self.leads) == 1
        self.leads.pop()()


@pytest.fixture
def runs(committed_run) -> list[Run]:
    """Three runs whose series `loss` this process knows, by both kinds of identity."""
    found = [committed_run, *(create_run(project=committed_run.project, owner=None)[0] for _ in range(2))]
    for run in found:
        for identity in (numbered(1), in_session(1)):
            apply_points(run, floats(loss=[(NONE, 1, 1.0)]), identity=identity)
    return found


def test_what_is_submitted_is_written_together_and_only_once(runs):
    waiting = Waiting()
    for number, run in enumerate(runs):
        for name, seq in (("2", 2), ("3", 3), ("2 again", 2)):
            for identity in (numbered, in_session):
                batch = floats(loss=[(NONE, 100 * seq, float(seq))])
                submitted = waiting.submit(f"{number} {identity.__name__} {name}", run, batch, identity(seq))
                assert submitted is Submitted.YES
    assert not waiting.results
    waiting.lead()
    assert len(waiting.results) == 18
    for name, result in waiting.results.items():
        assert result == (None if name.endswith("again") else IngestResult(1, ())), name
    for run in runs:
        assert sorted(value for _, _, value in points_of(run, "loss")) == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        assert apply_points(run, floats(loss=[(NONE, 200, 2.0)]), identity=numbered(2)).is_duplicate


def test_what_needs_more_than_one_write_is_not_submitted(runs):
    waiting, run = Waiting(), runs[0]
    assert waiting.submit("new path", run, floats(new=[(NONE, 2, 1.0)]), numbered(2)) is Submitted.NO
    assert waiting.submit("bad point", run, floats(loss=[(2e12, 2, 1.0)]), numbered(2)) is Submitted.NO
    block = float_block({"loss": [(NONE, place, 1.0) for place in range(ROW_POINTS + 1)]})
    assert waiting.submit("two rows", run, PointColumns(block), numbered(2)) is Submitted.NO
    memory.forget(run.pk)
    assert waiting.submit("unknown run", run, floats(loss=[(NONE, 2, 1.0)]), numbered(2)) is Submitted.NO
    assert waiting.leads == []
    assert len(points_of(run, "loss")) == 2


def test_now_and_then_the_room_in_the_log_is_looked_at_first(runs):
    waiting, run = Waiting(), runs[0]
    answers = []
    for seq in range(2, 40):
        answers.append(waiting.submit(str(seq), run, floats(loss=[(NONE, seq, 1.0)]), in_session(seq)))
        if answers[-1] is Submitted.LOOK_FIRST:
            ingest.look_for_room([run.pk, runs[1].pk, -1])
            assert waiting.submit(str(seq), run, floats(loss=[(NONE, seq, 1.0)]), in_session(seq)) is Submitted.YES
        waiting.lead()
    assert answers.count(Submitted.LOOK_FIRST) == 2
    assert len(points_of(run, "loss")) == 40


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one lock for all runs")
def test_a_run_that_someone_else_has_locked_holds_up_no_other_run(runs):
    waiting = Waiting()
    for number, run in enumerate(runs):
        waiting.submit(str(number), run, floats(loss=[(NONE, 2, 2.0)]), in_session(2))
    is_locked, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Run.objects.select_for_update(no_key=True).get(pk=runs[1].pk)
            is_locked.set()
            may_go_on.wait(10)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert is_locked.wait(10)
        waiting.lead()
        may_go_on.set()
        held.result()
    assert waiting.results == {"0": IngestResult(1, ()), "1": None, "2": IngestResult(1, ())}
    assert memory.recall(runs[1].pk) is not None
    assert apply_points(runs[1], floats(loss=[(NONE, 2, 2.0)]), identity=in_session(2)) == IngestResult(1, ())


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite takes texts of any length")
def test_a_statement_that_fails_is_that_of_one_batch(runs):
    waiting = Waiting()
    for number, run in enumerate(runs):
        identity = in_session(2) if number != 1 else BatchIdentity(digest="x" * 1000, session=SESSION)
        waiting.submit(str(number), run, floats(loss=[(NONE, 2, 2.0)]), identity)
    waiting.lead()
    assert waiting.results == {"0": IngestResult(1, ()), "1": None, "2": IngestResult(1, ())}
    assert [len(points_of(run, "loss")) for run in runs] == [3, 2, 3]


@pytest.mark.parametrize("count", [1, 3])
def test_what_could_not_be_committed_is_not_acknowledged(runs, monkeypatch, count: int):
    """The statements succeed, the commit does not; nor when each is done alone."""

    def full() -> None:
        raise OperationalError("No space left on device.")

    waiting, group = Waiting(), commits.Group()  # the one that commits by itself, on either database
    with monkeypatch.context() as patch:
        patch.setattr(statements, "_group", lambda: group)
        patch.setattr(connections["default"], "_commit", full)
        for number, run in enumerate(runs[:count]):
            waiting.submit(str(number), run, floats(loss=[(NONE, 2, 2.0)]), in_session(2))
        waiting.lead()
    assert waiting.results == dict.fromkeys(map(str, range(count)))
    for run in runs[:count]:
        assert len(points_of(run, "loss")) == 2
        assert apply_points(run, floats(loss=[(NONE, 2, 2.0)]), identity=in_session(2)) == IngestResult(1, ())
