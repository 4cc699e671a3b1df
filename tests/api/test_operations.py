import gzip
import uuid
from datetime import UTC, datetime

import pytest

from api.limits import OPERATIONS_BODY, OPERATIONS_PER_BATCH
from runs.models import RejectedOperation
from runs.selectors.attributes import get_attribute
from runs.selectors.series import float_page, string_page
from tests.api.conftest import refused

WRITER = str(uuid.uuid4())


@pytest.fixture
def send(api, run):
    """Send a batch of operations and return the answer."""
    numbers = iter(range(1, 100))

    def post(*operations, **changes):
        batch = {"writer": WRITER, "seq": next(numbers), "operations": list(operations), **changes}
        return api.post(f"runs/{run.uuid}/operations/", batch)

    return post


def value_of(run, path):
    attribute = get_attribute(run, path)
    return None if attribute is None else attribute.value


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("float", 0.5, 0.5),
        ("float", 3, 3.0),
        ("float", "-Infinity", float("-inf")),
        ("int", -(2**63), -(2**63)),
        ("bool", False, False),
        ("string", "Zażółć", "Zażółć"),
        ("datetime", "2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("datetime", 1769853600000, datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (None, True, True),
        (None, 7, 7),
        (None, "text", "text"),
        ("git_ref", {"branch": "main"}, {"branch": "main"}),
    ],
)
def test_values_of_every_kind_are_assigned(send, run, kind, value, expected):
    operation = {"op": "assign", "path": "value", "value": value} | ({"type": kind} if kind else {})
    assert send(operation).json() == {"applied": 1, "duplicate": False, "errors": []}
    found = value_of(run, "value")
    assert found == expected if kind != "git_ref" else found["branch"] == "main"


def test_points_are_appended_with_and_without_steps_and_times(send, run):
    send(
        {"op": "append", "path": "loss", "values": [1, 0.5, "NaN", "Infinity"]},
        {"op": "append", "path": "accuracy", "values": [0.1, 0.9], "steps": [10, 20.5], "timestamps": [1000, 2000]},
        {"op": "append", "path": "out", "type": "string_series", "values": ["a", "b"], "steps": None},
    )
    loss = float_page(run, "loss", offset=0, limit=10)
    assert loss.steps.tolist() == [0, 1, 2, 3]
    assert [str(value) for value in loss.values.tolist()] == ["1.0", "0.5", "nan", "inf"]
    accuracy = float_page(run, "accuracy", offset=0, limit=10)
    assert (accuracy.steps.tolist(), accuracy.timestamps.tolist()) == ([10, 20.5], [1000, 2000])
    assert list(string_page(run, "out", offset=0, limit=10).values) == ["a", "b"]


def test_tags_series_and_attributes_are_changed(send, run):
    send({"op": "add_tags", "path": "sys/tags", "tags": ["a", "b"]}, {"op": "append", "path": "loss", "values": [1]})
    send({"op": "remove_tags", "path": "sys/tags", "tags": ["a"]}, {"op": "clear", "path": "loss"})
    assert (value_of(run, "sys/tags"), float_page(run, "loss", offset=0, limit=9).total) == (["b"], 0)
    answer = send(
        {"op": "clear_tags", "path": "sys/tags"},
        {"op": "configure", "path": "loss", "minimum": 0, "maximum": 1.5, "unit": "nats"},
    )
    assert answer.json()["errors"] == []
    assert value_of(run, "sys/tags") == []
    assert get_attribute(run, "loss").unit == "nats"
    send({"op": "delete", "path": "loss"})
    assert get_attribute(run, "loss") is None


@pytest.mark.parametrize(
    "faulty",
    [
        None,
        [],
        "append",
        {},
        {"op": "append"},
        {"path": "x"},
        {"op": "explode", "path": "x"},
        {"op": ["assign"], "path": "x"},
        {"op": "assign", "path": "x"},
        {"op": "assign", "path": "x", "value": None},
        {"op": "assign", "path": "x", "value": {}},
        {"op": "assign", "path": "x", "type": "float", "value": "1.0"},
        {"op": "assign", "path": "x", "type": "float", "value": True},
        {"op": "assign", "path": "x", "type": "int", "value": 1.0},
        {"op": "assign", "path": "x", "type": "bool", "value": 1},
        {"op": "assign", "path": "x", "type": "string", "value": 1},
        {"op": "assign", "path": "x", "type": "datetime", "value": "tomorrow"},
        {"op": "assign", "path": "x", "type": "datetime", "value": 1e300},
        {"op": "assign", "path": "x", "type": "datetime", "value": "0001-01-01T00:00:00+14:00"},
        {"op": "assign", "path": "x", "type": "file", "value": 1},
        {"op": "assign", "path": "x", "type": {}, "value": 1},
        {"op": "assign", "path": "x", "type": "git_ref", "value": "main"},
        {"op": "append", "path": "x", "values": 1},
        {"op": "append", "path": "x", "values": [None]},
        {"op": "append", "path": "x", "values": [True]},
        {"op": "append", "path": "x", "values": ["text"]},
        {"op": "append", "path": "x", "type": "string_series", "values": [1]},
        {"op": "append", "path": "x", "type": ["float_series"], "values": [1]},
        {"op": "append", "path": "x", "values": [1], "steps": []},
        {"op": "append", "path": "x", "values": [1], "steps": ["0"]},
        {"op": "append", "path": "x", "values": [1], "steps": [True]},
        {"op": "append", "path": "x", "values": [1], "steps": {}},
        {"op": "append", "path": "x", "values": [1], "timestamps": [1.5]},
        {"op": "append", "path": "x", "values": [1], "timestamps": [1, 2]},
        {"op": "append", "path": "x", "values": [1], "timestamps": [2**62]},
        {"op": "append", "path": "x", "values": [1], "timestamps": [-1]},
        {"op": "append", "path": "x", "values": [1], "steps": [1e300]},
        {"op": "clear", "path": "x", "type": "float"},
        {"op": "configure", "path": "x", "minimum": "low"},
        {"op": "configure", "path": "x", "minimum": "NaN"},
        {"op": "configure", "path": "x", "unit": 5},
        {"op": "configure", "path": "x", "unit": "x" * 33},
        {"op": "add_tags", "path": "sys/tags", "tags": "a"},
        {"op": "add_tags", "path": "sys/tags", "tags": [1]},
        {"op": "add_tags", "path": "x", "tags": ["a"]},
        {"op": "delete_files", "path": "x"},
        {"op": "delete_files", "path": "x", "members": ["m"] * 10_000},
        {"op": "assign", "path": "", "value": 1},
        {"op": "assign", "path": "/x", "value": 1},
        {"op": "assign", "path": "x\ny", "value": 1},
        {"op": "assign", "path": "x" * 1025, "value": 1},
        {"op": "assign", "path": "/".join("x" * 65), "value": 1},
        {"op": "assign", "path": "sys/id", "value": "TUT-9"},
        {"op": "assign", "path": "x", "value": "x" * 1_000_000},
    ],
)
def test_a_faulty_operation_is_reported_and_kept_and_harms_no_other(send, run, faulty):
    good = {"op": "assign", "path": "good", "type": "int", "value": 1}
    response = send(good, faulty, {**good, "path": "also/good"})
    assert response.status_code == 200, response.content
    answer = response.json()
    assert [error["index"] for error in answer["errors"]] == [1]
    assert answer["errors"][0]["code"]
    assert answer["errors"][0]["message"]
    assert answer["applied"] == 2
    assert (value_of(run, "good"), value_of(run, "also/good")) == (1, 1)
    assert RejectedOperation.objects.get().code == answer["errors"][0]["code"]


def test_a_type_conflict_leaves_the_old_value(send, run):
    send({"op": "assign", "path": "x", "type": "int", "value": 1})
    answer = send({"op": "append", "path": "x", "values": [0.5]}).json()
    assert answer["errors"][0]["code"] == "type_conflict"
    assert value_of(run, "x") == 1


def test_a_batch_that_is_sent_again_changes_nothing(send, run):
    batch = [{"op": "append", "path": "loss", "values": [1, 2]}, {"op": "assign", "path": "a//b", "value": 1}]
    first = send(*batch, seq=7).json()
    again = send(*batch, seq=7).json()
    assert (first["applied"], first["duplicate"]) == (1, False)
    assert (again["applied"], again["duplicate"], again["errors"]) == (0, True, first["errors"])
    assert float_page(run, "loss", offset=0, limit=9).total == 2
    assert RejectedOperation.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"writer": None}, "writer"),
        ({"writer": "me"}, "writer"),
        ({"writer": 5}, "writer"),
        ({"seq": 0}, "seq"),
        ({"seq": "1"}, "seq"),
        ({"seq": 1.0}, "seq"),
        ({"seq": True}, "seq"),
        ({"operations": None}, "operations"),
        ({"operations": {}}, "operations"),
    ],
)
def test_a_batch_without_an_identity_or_a_list_is_refused(send, changes, field):
    assert refused(send(**changes), 400, "invalid")["field"] == field


def test_a_batch_has_a_largest_number_of_operations(send):
    answer = refused(send(operations=[None] * (OPERATIONS_PER_BATCH + 1)), 413, "too_large")
    assert (answer["limit"], answer["got"]) == (OPERATIONS_PER_BATCH, OPERATIONS_PER_BATCH + 1)


def test_a_batch_has_a_largest_size(api, run):
    response = api.post(f"runs/{run.uuid}/operations/", data=b" " * (OPERATIONS_BODY + 1))
    assert refused(response, 413, "too_large")["limit"] == OPERATIONS_BODY


def test_a_batch_may_be_compressed(api, run):
    body = b'{"writer": "%s", "seq": 1, "operations": [{"op": "append", "path": "loss", "values": [%s 1]}]}'
    body %= (WRITER.encode(), b"1, " * 999)
    response = api.post(f"runs/{run.uuid}/operations/", data=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert response.json()["applied"] == 1
    assert float_page(run, "loss", offset=0, limit=1).total == 1000


def test_a_viewer_may_not_log(as_user, run, dana):
    response = as_user(dana).post(f"runs/{run.uuid}/operations/", {"writer": WRITER, "seq": 1, "operations": []})
    refused(response, 403, "needs_role")


def test_a_batch_costs_the_same_number_of_queries_however_long(send, run, django_assert_max_num_queries):
    send(*({"op": "append", "path": f"m/{n}", "values": [n]} for n in range(200)))
    with django_assert_max_num_queries(25):
        answer = send(*({"op": "append", "path": f"m/{n}", "values": [n] * 10} for n in range(200)))
    assert answer.json()["applied"] == 200
