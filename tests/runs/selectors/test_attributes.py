from __future__ import annotations

import pytest

from runs.models import AttributeKind
from runs.operations import AddTags, AppendFloats, AssignValue, BatchIdentity
from runs.selectors.attributes import attributes_of_runs, get_attribute, list_attributes, list_definitions
from runs.series import store
from runs.services.ingest import apply_operations
from runs.services.runs import create_run


def log(run, *operations):
    apply_operations(run, operations, identity=BatchIdentity(digest=repr(operations)[-64:]))


@pytest.fixture
def runs(project, alice):
    made = [create_run(project=project, owner=alice, name=f"run {number}")[0] for number in range(6)]
    for number, run in enumerate(made):
        log(
            run,
            AssignValue(path="parameters/lr", kind=AttributeKind.FLOAT, value=float(number)),
            AppendFloats(path="metrics/loss", values=[float(number), 9.0], steps=[0, 1], timestamps=[1, 2]),
            AddTags(path="sys/tags", tags=[f"tag {number}"]),
        )
    return made


@pytest.mark.parametrize("is_flushed", [True, False])
def test_the_attributes_of_several_runs_are_those_of_each(runs, is_flushed):
    for run in runs[: 6 if is_flushed else 3]:
        store.flush(run.pk)
    together = attributes_of_runs(runs)
    for run in runs:
        assert sorted(together[run.pk], key=lambda view: view.path) == list_attributes(run)


def test_many_runs_cost_no_more_queries_than_one(runs, django_assert_max_num_queries):
    for run in runs:
        store.flush(run.pk)
    with django_assert_max_num_queries(4):
        attributes_of_runs(runs[:1])
    with django_assert_max_num_queries(4):
        found = attributes_of_runs(runs, ["metrics/loss", "sys/tags", "sys/state"])
    assert {view.path for view in found[runs[0].pk]} == {"metrics/loss", "sys/tags", "sys/state"}


def test_paths_are_listed_by_namespace_text_and_page(runs):
    run = runs[0]
    assert [view.path for view in list_attributes(run, prefix="parameters")] == ["parameters/lr"]
    assert [view.path for view in list_attributes(run, search="LOSS")] == ["metrics/loss"]
    everything = [view.path for view in list_attributes(run)]
    first = [view.path for view in list_attributes(run, limit=5)]
    rest = [view.path for view in list_attributes(run, after=first[-1])]
    assert first + rest == everything


def test_a_namespace_does_not_reach_its_neighbours(runs):
    run = runs[0]
    for path in ("a/x", "ab/x", "a-b/x", "a/x2/y"):
        log(run, AssignValue(path=path, kind=AttributeKind.INT, value=1))
    assert [view.path for view in list_attributes(run, prefix="a")] == ["a/x", "a/x2/y"]


def test_what_a_run_does_not_have_is_none(runs):
    assert get_attribute(runs[0], "no/such") is None


def test_the_catalogue_pages_by_path_and_kind(project, runs):
    log(runs[1], AssignValue(path="mixed", kind=AttributeKind.INT, value=1))
    log(runs[2], AssignValue(path="mixed", kind=AttributeKind.FLOAT, value=1.0))
    first = list_definitions(project.pk, limit=3)
    rest = list_definitions(project.pk, after=(first[-1].path, first[-1].kind), limit=100)
    pairs = [(each.path, each.kind) for each in [*first, *rest]]
    assert pairs == sorted(set(pairs))
    assert {("mixed", 1), ("mixed", 2)} <= set(pairs)
    assert [each.path for each in list_definitions(project.pk, search="LOSS", limit=9)] == ["metrics/loss"]
