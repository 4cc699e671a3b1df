from __future__ import annotations

import pytest

from projects.exceptions import NotFound
from projects.models import Project
from runs.models import AttributeKind, Run
from runs.selectors.series import export_series, float_page, read_added, read_chart, string_page
from runs.series import flush_pending, runs_to_flush
from runs.services.runs import create_run
from tests.runs.series.conftest import Recorder


@pytest.fixture
def other_run(project: Project) -> Run:
    return create_run(project=project, owner=None)[0]


def test_a_chart_has_the_series_of_all_runs_by_path(run: Run, other_run: Run):
    for number, each in enumerate([run, other_run]):
        recorder = Recorder(each)
        recorder.log(recorder.define("loss"), [(0, 1, float(number))])
    only = Recorder(run, next_seq=2)
    only.log(only.define("accuracy"), [(0, 1, 0.5)])
    lines = read_chart([run, other_run], ["accuracy", "loss", "absent"], max_points=100)
    assert [(line.run.pk, line.path, line.points.values.tolist()) for line in lines] == [
        (run.pk, "accuracy", [0.5]),
        (run.pk, "loss", [0.0]),
        (other_run.pk, "loss", [1.0]),
    ]


def test_a_chart_of_many_series_takes_as_many_queries_as_one_of_few(run: Run, django_assert_num_queries):
    recorder = Recorder(run)
    paths = [f"metrics/{number}" for number in range(60)]
    for path in paths:
        recorder.log(recorder.define(path), [(0, 1, 1.0)])
    recorder.flush()
    for size in (2, 60):
        with django_assert_num_queries(5):
            assert len(read_chart([run], paths[:size], max_points=10)) == size


def test_pages_and_additions_are_read_by_path(run: Run):
    recorder = Recorder(run)
    loss = recorder.define("loss")
    recorder.log(loss, [(None, 1, 1.0), (None, 2, 2.0)])
    recorder.log_text(recorder.define("stdout", AttributeKind.STRING_SERIES), [(None, 1, "hello")])
    cursor = read_chart([run], ["loss"], max_points=10)[0].points.cursor
    recorder.log(loss, [(None, 3, 3.0)])
    (added,) = read_added([(run, "loss", cursor)], max_points=10)
    assert added is not None
    assert added.values.tolist() == [3.0]
    assert float_page(run, "loss", offset=1, limit=1).values.tolist() == [2.0]
    assert string_page(run, "stdout", offset=0, limit=5).values == ["hello"]
    pieces = list(export_series(run, []).pieces)
    assert [(path, list(each.values)) for piece in pieces for path, each in piece] == [("loss", [1.0, 2.0, 3.0])]


def test_a_series_of_another_kind_is_not_found(run: Run):
    recorder = Recorder(run)
    recorder.define("loss")
    for read in (string_page, float_page):
        with pytest.raises(NotFound):
            read(run, "absent", offset=0, limit=1)
    with pytest.raises(NotFound):
        string_page(run, "loss", offset=0, limit=1)


def test_pending_runs_are_flushed_together(run: Run, other_run: Run):
    for each in (run, other_run):
        recorder = Recorder(each)
        recorder.log(recorder.define("loss"), [(None, 1, 1.0)])
    assert flush_pending() == 2
    assert runs_to_flush(10) == []
