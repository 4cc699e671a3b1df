import math

import pytest

from projects.exceptions import InvalidInput
from runs.models import AttributeKind
from runs.operations import AddTags, AppendFloats, AssignValue, BatchIdentity
from runs.selectors.cells import Statistics
from runs.selectors.runs import list_runs, suggest_columns
from runs.selectors.search import Search
from runs.series import store
from runs.services.ingest import apply_operations
from runs.services.runs import create_run, trash_runs


def log(run, *operations):
    apply_operations(run, operations, identity=BatchIdentity(digest=repr(operations)[:64]))


@pytest.fixture
def runs(project, alice):
    made = [create_run(project=project, owner=alice, name=f"run {number}")[0] for number in range(5)]
    for number, run in enumerate(made):
        log(
            run,
            AssignValue(path="parameters/lr", kind=AttributeKind.FLOAT, value=0.1 * number),
            AppendFloats(path="metrics/loss", values=[float(number), math.nan], steps=[0, 1], timestamps=[1, 2]),
            AddTags(path="sys/tags", tags=["even" if number % 2 == 0 else "odd"]),
        )
        store.flush(run.pk)
    return made


def ids(page):
    return [row.run.sys_id for row in page.rows]


def test_rows_come_newest_first_and_page_by_cursor(project, runs):
    first = list_runs(project, Search(), limit=2)
    second = list_runs(project, Search(), limit=2, cursor=first.next_cursor)
    third = list_runs(project, Search(), limit=2, cursor=second.next_cursor)
    assert ids(first) + ids(second) + ids(third) == ["TUT-5", "TUT-4", "TUT-3", "TUT-2", "TUT-1"]
    assert (first.total, third.next_cursor) == (5, "")


def test_a_row_holds_the_columns_asked_for(project, runs):
    row = list_runs(project, Search(), columns=["parameters/lr", "metrics/loss", "none"], limit=1).rows[0]
    assert row.name == "run 4"
    assert row.tags == ("even",)
    assert row.cells["parameters/lr"].value == pytest.approx(0.4)
    loss = row.cells["metrics/loss"]
    assert isinstance(loss.value, float)
    assert math.isnan(loss.value)
    assert loss.statistics == Statistics(2, 1.0, 4.0, 4.0, 4.0, 0.0)
    assert row.cells["parameters/lr"].statistics is None
    lean = list_runs(project, Search(), columns=["metrics/loss"], limit=1, with_statistics=False).rows[0]
    assert lean.cells["metrics/loss"].statistics is None
    assert "none" not in row.cells


@pytest.mark.parametrize(
    ("search", "expected"), [("tut-2", ["TUT-2"]), ("RUN 3", ["TUT-4"]), ("odd", ["TUT-4", "TUT-2"]), ("zzz", [])]
)
def test_the_search_looks_at_ids_names_and_tags(project, runs, search, expected):
    assert ids(list_runs(project, Search(text=search), limit=10)) == expected


def test_the_trash_is_apart(project, runs):
    trash_runs(runs[:2])
    assert len(list_runs(project, Search(), limit=10).rows) == 3
    assert ids(list_runs(project, Search(trashed=True), limit=10)) == ["TUT-2", "TUT-1"]


@pytest.mark.parametrize("cursor", ["x", "===", "é", "MjAyNnwx", "MjAyNi0wMS0wMXwx", "\x00"])
def test_a_made_up_cursor_is_refused(project, cursor):
    with pytest.raises(InvalidInput):
        list_runs(project, Search(), limit=10, cursor=cursor)


def test_too_many_columns_are_refused(project):
    with pytest.raises(InvalidInput):
        list_runs(project, Search(), limit=10, columns=[f"c{i}" for i in range(51)])


def test_columns_are_suggested_from_what_was_logged(project, runs):
    assert suggest_columns(project) == ["metrics/loss", "parameters/lr"]


def test_a_page_costs_the_same_queries_for_one_run_as_for_many(project, runs, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        list_runs(project, Search(), columns=["parameters/lr", "metrics/loss"], limit=1)
    with django_assert_max_num_queries(8):
        list_runs(project, Search(), columns=["parameters/lr", "metrics/loss"], limit=100)
