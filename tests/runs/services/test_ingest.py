from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from runs.models import Attribute, AttributeKind, FileEntry, ReceivedBatch, RejectedOperation, Run
from runs.operations import (
    AddFiles,
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignValue,
    BatchIdentity,
    ClearSeries,
    ClearTags,
    ConfigureSeries,
    DeleteAttribute,
    DeleteFiles,
    IngestResult,
    Operation,
    RemoveTags,
)
from runs.selectors.attributes import get_attribute, list_attributes
from runs.series import store
from runs.series.base import SeriesKey
from runs.services import ingest
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations

WRITER = "6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11"


def unnumbered(operations: Sequence[Operation]) -> BatchIdentity:
    """As the Neptune wire identifies a batch: by its content."""
    return BatchIdentity(digest=hashlib.sha256(repr(operations).encode()).hexdigest())


def send(run: Run, *operations: Operation) -> IngestResult:
    return apply_operations(run, operations, identity=unnumbered(operations))


def assign(path: str, value, kind: AttributeKind, index: int = 0) -> AssignValue:
    return AssignValue(path=path, kind=kind, value=value, index=index)


def points(path: str, *values: float, start_ms: int = 1000, index: int = 0, steps=None) -> AppendFloats:
    return AppendFloats(
        path=path,
        values=values,
        steps=steps or [None] * len(values),
        timestamps=[start_ms + i for i in range(len(values))],
        index=index,
    )


def values_of(run: Run, path: str) -> list[float]:
    definition = Attribute.objects.get(run=run, definition__path=path).definition_id
    return store.read_page(SeriesKey(run.pk, definition), offset=0, limit=1000).values.tolist()


def value(run: Run, path: str):
    view = get_attribute(run, path)
    return view.value if view else None


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (AttributeKind.FLOAT, 0.1),
        (AttributeKind.FLOAT, math.inf),
        (AttributeKind.FLOAT, -math.inf),
        (AttributeKind.FLOAT, -0.0),
        (AttributeKind.INT, 2**63 - 1),
        (AttributeKind.INT, 2**53 + 1),
        (AttributeKind.INT, -5),
        (AttributeKind.BOOL, True),
        (AttributeKind.BOOL, False),
        (AttributeKind.STRING, ""),
        (AttributeKind.STRING, "ż" * 5000),
        (AttributeKind.DATETIME, datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)),
    ],
    ids=lambda item: repr(item)[:24],
)
def test_every_scalar_is_read_back_as_it_was_assigned(run, kind, given):
    send(run, assign("x/y", given, kind))
    assert value(run, "x/y") == given
    assert type(value(run, "x/y")) is type(given)


def test_nan_survives_as_a_value(run):
    send(run, assign("x", math.nan, AttributeKind.FLOAT))
    assert math.isnan(value(run, "x"))


def test_a_value_can_be_changed_and_set_back_by_the_same_batch(run):
    first = assign("x", 1.0, AttributeKind.FLOAT)
    send(run, first)
    send(run, assign("x", 2.0, AttributeKind.FLOAT))
    send(run, first)
    assert value(run, "x") == 1.0


def test_a_bad_operation_is_reported_and_kept_and_harms_nobody(run):
    send(run, assign("a", 1.0, AttributeKind.FLOAT))
    result = send(
        run,
        assign("b", 2.0, AttributeKind.FLOAT, index=0),
        assign("a", "text", AttributeKind.STRING, index=1),
        points("c", 3.0, index=2),
    )
    assert [(error.index, error.code) for error in result.errors] == [(1, "type_conflict")]
    assert result.applied == 2
    assert (value(run, "a"), value(run, "b"), values_of(run, "c")) == (1.0, 2.0, [3.0])
    rejected = RejectedOperation.objects.get(run=run)
    assert (rejected.path, rejected.code, rejected.operation) == ("a", "type_conflict", "AssignValue")
    assert "text" in rejected.excerpt


def test_a_batch_sent_again_changes_nothing_and_gets_the_same_answer(run):
    batch = (
        ClearSeries(path="loss", kind=AttributeKind.FLOAT_SERIES, index=0),
        points("loss", 1.0, 2.0, index=1),
        assign("loss", "no", AttributeKind.STRING, index=2),
        AddTags(path="sys/tags", tags=["a"], index=3),
    )
    first = send(run, *batch)
    again = send(run, *batch)
    assert not first.is_duplicate
    assert again.is_duplicate
    assert again.errors == first.errors
    assert values_of(run, "loss") == [1.0, 2.0]
    assert value(run, "sys/tags") == ["a"]
    assert RejectedOperation.objects.count() == 1
    assert ReceivedBatch.objects.count() == 1


def test_a_batch_sent_again_does_not_undo_what_came_in_between(run):
    batch = (ClearSeries(path="loss", kind=AttributeKind.FLOAT_SERIES), points("loss", 1.0, 2.0))
    send(run, *batch)
    send(run, points("loss", 3.0, start_ms=5000))
    send(run, *batch)
    assert values_of(run, "loss") == [1.0, 2.0, 3.0]


def test_a_numbered_batch_counts_once(run):
    identity = BatchIdentity(writer=WRITER, seq=1)
    batch = [points("loss", 1.0), assign("a", 1.0, AttributeKind.FLOAT)]
    assert not apply_operations(run, batch, identity=identity).is_duplicate
    send(run, assign("a", 2.0, AttributeKind.FLOAT))
    assert apply_operations(run, batch, identity=identity).is_duplicate
    store.flush(run.pk)
    ReceivedBatch.objects.all().delete()
    assert apply_operations(run, batch, identity=identity).is_duplicate
    assert values_of(run, "loss") == [1.0]
    assert value(run, "a") == 2.0


def test_numbered_batches_without_points_keep_the_numbering_whole(run):
    for seq in (1, 2, 3):
        batch = (
            [assign("a", float(seq), AttributeKind.FLOAT)] if seq == 2 else [points("loss", float(seq), start_ms=seq)]
        )
        apply_operations(run, batch, identity=BatchIdentity(writer=WRITER, seq=seq))
    store.flush(run.pk)
    ReceivedBatch.objects.all().delete()
    for seq in (1, 2, 3):
        assert apply_operations(run, [], identity=BatchIdentity(writer=WRITER, seq=seq)).is_duplicate


def test_a_queue_cut_elsewhere_and_sent_again_doubles_nothing(run):
    send(run, points("loss", 1.0, 2.0, start_ms=1000), points("accuracy", 0.5, start_ms=1000))
    send(
        run,
        points("loss", 1.0, 2.0, 3.0, start_ms=1000),
        AppendFloats(path="accuracy", values=[0.5, 0.6], steps=[None, None], timestamps=[1000, 1002]),
    )
    assert values_of(run, "loss") == [1.0, 2.0, 3.0]
    assert values_of(run, "accuracy") == [0.5, 0.6]


def test_special_floats_are_points_like_any_other(run):
    send(run, points("loss", math.nan, math.inf, -math.inf, -0.0))
    values = values_of(run, "loss")
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, 0.0]
    assert math.copysign(1, values[3]) == -1


def test_points_with_an_impossible_position_are_left_out_and_reported(run):
    result = send(
        run,
        AppendFloats(path="loss", values=[1, 2, 3, 4], steps=[0, 1e13, math.inf, 1], timestamps=[1, 2, 3, -4]),
    )
    assert [error.code for error in result.errors] == ["invalid_position"]
    assert "3 of 4" in result.errors[0].message
    assert values_of(run, "loss") == [1.0]


def test_a_line_that_is_too_long_is_left_out_and_reported(run):
    result = send(
        run, AppendStrings(path="log", values=["a", "x" * 70_000, "b"], steps=[None] * 3, timestamps=[1, 2, 3])
    )
    assert [error.code for error in result.errors] == ["invalid_value"]
    definition = Attribute.objects.get(run=run, definition__path="log").definition_id
    assert list(store.read_strings(SeriesKey(run.pk, definition), offset=0, limit=10).values) == ["a", "b"]


def test_an_empty_series_can_be_declared_and_configured(run):
    send(
        run,
        ClearSeries(path="monitoring/cpu", kind=AttributeKind.FLOAT_SERIES),
        ConfigureSeries(path="monitoring/cpu", minimum=0.0, maximum=100.0, unit="%"),
    )
    view = get_attribute(run, "monitoring/cpu")
    assert view is not None
    assert (view.kind, view.count, view.value, view.unit, view.range_maximum) == (
        AttributeKind.FLOAT_SERIES,
        0,
        None,
        "%",
        100.0,
    )


def test_a_deleted_attribute_is_gone_with_its_points_and_its_path_is_free(run):
    send(run, points("x", 1.0, 2.0))
    send(run, DeleteAttribute(path="x"))
    assert get_attribute(run, "x") is None
    send(run, assign("x", "text", AttributeKind.STRING))
    assert value(run, "x") == "text"
    send(run, DeleteAttribute(path="x"))
    send(run, points("x", 5.0, start_ms=9000))
    assert values_of(run, "x") == [5.0]
    assert get_attribute(run, "x").last_step == 0.0


def test_deleting_what_is_not_there_is_no_error(run):
    assert not send(run, DeleteAttribute(path="never/was")).errors


def test_tags_are_a_set(run):
    send(run, AddTags(path="sys/tags", tags=["b", "a", "a"]))
    send(run, RemoveTags(path="sys/tags", tags=["b", "absent"]), AddTags(path="sys/tags", tags=["c"]))
    assert value(run, "sys/tags") == ["a", "c"]
    send(run, ClearTags(path="sys/tags"))
    assert value(run, "sys/tags") == []


def member(run: Run, text: str):
    return store_bytes(run, [text.encode()])


def members_of(run: Run, path: str) -> list[str]:
    return sorted(FileEntry.objects.filter(run=run, definition__path=path).values_list("path", flat=True))


def test_members_of_a_file_set_are_merged_replaced_and_deleted_with_their_directories(run):
    send(run, AddFiles(path="set", members={name: member(run, name) for name in ("a", "dir/b", "dir/sub/c", "dirt/d")}))
    send(run, AddFiles(path="set", members={"a": member(run, "new")}))
    assert members_of(run, "set") == ["a", "dir/b", "dir/sub/c", "dirt/d"]
    assert FileEntry.objects.get(run=run, path="a").file.size == len("new")
    send(run, DeleteFiles(path="set", member_paths=["dir", "absent"]))
    assert members_of(run, "set") == ["a", "dirt/d"]
    send(run, AddFiles(path="set", members={"z": member(run, "z")}, reset=True))
    assert members_of(run, "set") == ["z"]


def test_thousands_of_members_are_deleted_at_once(run):
    send(
        run,
        AddFiles(path="set", members={"kept": member(run, "k"), "f/1": member(run, "1"), "f/3000": member(run, "2")}),
    )
    assert not send(run, DeleteFiles(path="set", member_paths=[f"f/{number}" for number in range(5000)])).errors
    assert members_of(run, "set") == ["kept"]


def test_a_failure_reported_by_the_client_is_the_state_of_the_run(run):
    send(run, assign("sys/failed", True, AttributeKind.BOOL))
    run.refresh_from_db()
    assert run.failed
    assert run.state == "failed"


def test_the_number_of_attributes_has_a_limit_that_is_told(run, monkeypatch):
    monkeypatch.setattr(ingest, "MAX_ATTRIBUTES_PER_RUN", Attribute.objects.filter(run=run).count() + 2)
    result = send(run, *(assign(f"p/{i}", 1.0, AttributeKind.FLOAT, index=i) for i in range(4)))
    assert [(error.index, error.code) for error in result.errors] == [(2, "attribute_limit"), (3, "attribute_limit")]
    assert value(run, "p/1") == 1.0
    assert value(run, "p/2") is None


def test_the_summary_of_a_series_counts_points_that_are_not_flushed_yet(run):
    send(run, points("loss", 3.0, 1.0))
    before = get_attribute(run, "loss")
    store.flush(run.pk)
    after = get_attribute(run, "loss")
    assert before == after
    assert after is not None
    assert (after.count, after.minimum, after.maximum, after.value, after.mean) == (2, 1.0, 3.0, 1.0, 2.0)


def test_a_thousand_paths_cost_no_more_queries_than_ten(run, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        send(run, *(points(f"few/{i}", 1.0) for i in range(10)))
    with django_assert_max_num_queries(60):
        send(run, *(points(f"many/{i}", 1.0, start_ms=3000) for i in range(1000)))
    assert len(list_attributes(run, prefix="many")) == 1000


def test_the_first_batch_of_a_run_is_written_in_bulk(run, django_assert_max_num_queries):
    configuration = [assign(f"config/{i}", float(i), AttributeKind.FLOAT, index=i) for i in range(1000)]
    series = [points(f"metrics/{i}", 1.0, index=1000 + i) for i in range(1000)]
    with django_assert_max_num_queries(25):
        assert send(run, *configuration, *series).applied == 2000
    assert len(list_attributes(run, prefix="metrics")) == 1000
    assert value(run, "config/999") == 999.0
    with django_assert_max_num_queries(13):
        assert send(run, *configuration[:10], *series[:10]).applied == 20


def test_rows_written_in_bulk_have_what_the_model_gives(run):
    send(run, assign("written", "text", AttributeKind.STRING), points("empty", index=1))
    for path in ("written", "empty"):
        row = Attribute.objects.get(run=run, definition__path=path)
        fresh = Attribute()
        for field in Attribute._meta.concrete_fields:
            if field.column not in {"id", "run_id", "definition_id", "text"}:
                assert getattr(row, field.attname) == getattr(fresh, field.attname), field.name
