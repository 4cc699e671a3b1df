import pytest

from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AssignValue,
    ClearSeries,
    ConfigureSeries,
    DeleteAttribute,
    Operation,
    RemoveTags,
)
from runs.services.plan import MAX_TEXT_BYTES, BatchPlan, Existing

FLOAT = AttributeKind.FLOAT
STRING = AttributeKind.STRING


def assign(path: str, value=1.0, kind: AttributeKind = FLOAT, index: int = 0) -> AssignValue:
    return AssignValue(path=path, kind=kind, value=value, index=index)


def append(path: str) -> AppendFloats:
    return AppendFloats(path=path, values=[1.0], steps=[None], timestamps=[0])


def planned(*operations: Operation, existing: dict[str, Existing] | None = None, namespaces=()) -> BatchPlan:
    plan = BatchPlan(existing or {}, namespaces)
    for operation in operations:
        plan.add(operation)
    return plan


def codes(plan: BatchPlan) -> list[str]:
    return [error.code for error in plan.errors]


def test_the_last_assignment_to_a_path_counts():
    plan = planned(assign("a", 1.0), assign("a", 2.0))
    assert plan.paths["a"].value == assign("a", 2.0)


def test_the_first_type_of_a_path_stays():
    plan = planned(assign("a"), assign("a", "text", STRING, index=1))
    assert codes(plan) == ["type_conflict"]
    assert plan.errors[0].index == 1
    assert "float" in plan.errors[0].message
    assert plan.paths["a"].value == assign("a")


def test_an_existing_attribute_keeps_its_type():
    plan = planned(append("a"), existing={"a": Existing(7, STRING)})
    assert codes(plan) == ["type_conflict"]


def test_deleting_frees_the_path_for_another_type():
    plan = planned(DeleteAttribute(path="a"), append("a"), existing={"a": Existing(7, STRING)})
    assert not plan.errors
    assert plan.paths["a"].drops_existing
    assert plan.paths["a"].is_new
    assert plan.paths["a"].kind is AttributeKind.FLOAT_SERIES


def test_what_was_planned_before_a_deletion_is_gone():
    plan = planned(append("a"), DeleteAttribute(path="a"))
    assert plan.paths["a"].kind is None
    assert not plan.paths["a"].floats
    assert not plan.paths["a"].is_new


def test_clearing_drops_points_that_came_before_it_only():
    plan = planned(append("a"), ClearSeries(path="a", kind=AttributeKind.FLOAT_SERIES), append("a"))
    assert len(plan.paths["a"].floats) == 1
    assert plan.paths["a"].clears


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")], ids=lambda path: str(path)
)
def test_a_path_is_not_an_attribute_and_a_namespace_at_once(first, second):
    plan = planned(assign(first), assign(second))
    assert codes(plan) == ["type_conflict"]
    assert first in plan.paths
    assert plan.paths[first].value


def test_a_namespace_of_the_run_is_not_made_an_attribute():
    assert codes(planned(assign("a"), namespaces=["a"])) == ["type_conflict"]
    assert codes(planned(assign("a/b"), existing={"a": Existing(1, FLOAT)})) == ["type_conflict"]


def test_an_attribute_deleted_in_the_batch_may_become_a_namespace():
    assert not planned(assign("a"), DeleteAttribute(path="a"), assign("a/b")).errors
    assert not planned(DeleteAttribute(path="a"), assign("a/b"), existing={"a": Existing(1, FLOAT)}).errors


@pytest.mark.parametrize(
    "path", ["", "/", "a/", "/a", "a//b", "a\x00b", "a\nb", "\ud800", "é" * 513, "/".join("a" * 65)], ids=repr
)
def test_impossible_paths_are_refused(path):
    assert codes(planned(assign(path))) == ["invalid_path"]


@pytest.mark.parametrize("path", ["metrics/val loss", "Größe/日本", "a.b-c_d", "x" * 1024])
def test_ordinary_paths_are_accepted(path):
    assert not planned(assign(path)).errors


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (AttributeKind.INT, 2**63),
        (AttributeKind.INT, -(2**63) - 1),
        (AttributeKind.INT, 1.5),
        (AttributeKind.INT, True),
        (AttributeKind.FLOAT, 10**400),
        (AttributeKind.FLOAT, "1"),
        (AttributeKind.BOOL, 1),
        (AttributeKind.STRING, 1),
        (AttributeKind.STRING, "x" * (MAX_TEXT_BYTES + 1)),
        (AttributeKind.STRING, "zero \x00"),
        (AttributeKind.STRING, "\ud800"),
        (AttributeKind.DATETIME, 12),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_that_can_not_be_stored_are_refused(kind, value):
    assert codes(planned(assign("a", value, kind))) == ["invalid_value"]


def test_a_refused_string_is_told_the_limit_and_its_size():
    message = planned(assign("a", "x" * 20_000_000, STRING)).errors[0].message
    assert "20000000" in message
    assert str(MAX_TEXT_BYTES) in message


def test_a_string_at_the_limit_is_accepted():
    assert not planned(assign("a", "x" * MAX_TEXT_BYTES, STRING)).errors


def test_what_the_platform_keeps_can_not_be_assigned():
    assert codes(planned(assign("sys/id", "X-1", STRING))) == ["read_only"]
    assert codes(planned(assign("sys/name", 1.0))) == ["type_conflict"]
    assert not planned(assign("sys/name", "a name", STRING)).errors


def test_string_sets_are_kept_in_the_tag_paths_alone():
    assert codes(planned(AddTags(path="labels", tags=["x"]))) == ["type_conflict"]
    assert codes(planned(assign("sys/tags", "x", STRING))) == ["type_conflict"]
    assert not planned(AddTags(path="sys/tags", tags=["x"])).errors


def test_the_last_word_on_a_tag_counts():
    plan = planned(AddTags(path="sys/tags", tags=["x", "y"]), RemoveTags(path="sys/tags", tags=["x"]))
    assert plan.paths["sys/tags"].tags == {"x": False, "y": True}


@pytest.mark.parametrize("tag", ["", "x" * 257, "\x00"])
def test_impossible_tags_are_refused(tag):
    assert codes(planned(AddTags(path="sys/tags", tags=[tag]))) == ["invalid_value"]


def test_the_range_of_a_series_must_be_finite():
    bad = ConfigureSeries(path="a", minimum=float("nan"), maximum=None, unit="%")
    assert codes(planned(bad)) == ["invalid_value"]


def test_one_bad_operation_leaves_its_neighbours_alone():
    plan = planned(assign("good", index=0), assign("", index=1), assign("fine", index=2))
    assert [error.index for error in plan.errors] == [1]
    assert plan.paths["good"].value
    assert plan.paths["fine"].value
