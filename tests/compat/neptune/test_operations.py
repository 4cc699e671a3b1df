"""executeOperations: what is stored, what is told, and what stops a client."""

from __future__ import annotations

import base64
import io
import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.compat.neptune import body as bodies
from api.compat.neptune.wire.operations import OPERATION_NAMES
from runs.models import Attribute, FileSeriesEntry, RejectedOperation, StoredFile
from tests.compat.neptune.conftest import ATTRIBUTES

OPERATIONS = f"{ATTRIBUTES}/operations"
SECOND = 1795404068739


def floats(path, *values, **fields):
    entries = [{"value": value, "step": None, "timestampMilliseconds": SECOND + at} for at, value in enumerate(values)]
    return {"path": path, "logFloats": {"entries": [{**entry, **fields} for entry in entries]}}


def points(wire, run, path, kind="float", **query):
    return wire.get(f"{ATTRIBUTES}/series/{kind}", experimentId=run, attribute=path, **query).json()


def test_a_recorded_batch_is_stored_whole(wire, run):
    errors = wire.log(
        run,
        {"path": "monitoring/2d2931e9/hostname", "assignString": {"value": "vm"}},
        {"path": "monitoring/2d2931e9/stdout", "clearStringSeries": {}},
        {"path": "monitoring/2d2931e9/cpu", "clearFloatSeries": {}},
        {"path": "monitoring/2d2931e9/cpu", "configFloatSeries": {"min": 0.0, "max": 100.0, "unit": "%"}},
        floats("metrics/loss", 1.0, 0.5),
        {"path": "parameters/batch", "assignInt": {"value": 2**62 + 1}},
        {"path": "parameters/lr", "assignFloat": {"value": 0.1}},
        {"path": "sys/failed", "assignBool": {"value": False}},
        {"path": "sys/tags", "insertStrings": {"values": ["baseline", "cnn"]}},
        {"path": "when", "assignDatetime": {"valueMilliseconds": 1795404069472}},
    )
    assert errors == []
    found = wire.attributes(run)
    assert found["monitoring/2d2931e9/hostname"]["value"] == "vm"
    assert found["monitoring/2d2931e9/stdout"]["type"] == "stringSeries"
    assert found["monitoring/2d2931e9/cpu"]["config"] == {"min": 0.0, "max": 100.0, "unit": "%"}
    assert found["metrics/loss"]["last"] == 0.5
    assert found["metrics/loss"]["lastStep"] == 1.0
    assert (found["metrics/loss"]["min"], found["metrics/loss"]["average"]) == (0.5, 0.75)
    assert found["parameters/batch"]["value"] == 2**62 + 1
    assert found["parameters/lr"]["value"] == 0.1
    assert found["sys/failed"]["value"] is False
    assert found["sys/tags"]["values"] == ["baseline", "cnn"]
    assert found["when"]["value"] == "2026-11-23T03:21:09.472Z"


def test_points_are_read_back_by_pages(wire, run):
    wire.log(run, floats("m", *[float(number) for number in range(25)]))
    first = points(wire, run, "m", limit=10, offset=0)
    last = points(wire, run, "m", limit=10, offset=20)
    assert first["totalItemCount"] == last["totalItemCount"] == 25
    assert [point["value"] for point in last["values"]] == [20.0, 21.0, 22.0, 23.0, 24.0]
    assert first["values"][3] == {"timestampMillis": SECOND + 3, "step": 3.0, "value": 3.0}
    assert points(wire, run, "m", limit=10, offset=99)["values"] == []


def test_lines_are_read_back_in_order(wire, run):
    entries = [{"value": line, "step": None, "timestampMilliseconds": SECOND} for line in ("a", "\n", "ü😀")]
    wire.log(run, {"path": "out", "logStrings": {"entries": entries}})
    assert [point["value"] for point in points(wire, run, "out", "string")["values"]] == ["a", "\n", "ü😀"]


def test_numbers_that_are_not_finite_go_in_and_come_out(wire, run):
    operation = {"path": "x", "assignFloat": {"value": math.nan}}
    assert wire.log(run, floats("m", math.nan, math.inf, -math.inf, 1.5), operation) == []
    assert [point["value"] for point in points(wire, run, "m")["values"]] == ["NaN", "Infinity", "-Infinity", 1.5]
    assert wire.get(f"{ATTRIBUTES}/floats", experimentId=run, attribute="x").json()["value"] == "NaN"
    assert wire.attributes(run)["x"]["value"] == "NaN"


def test_an_empty_batch_is_fine(wire, run):
    assert wire.log(run) == []


def test_the_same_batch_again_changes_nothing(wire, run):
    batch = [floats("m", 1.0, 2.0), {"path": "n", "assignInt": {"value": 1}}]
    assert wire.log(run, *batch) == wire.log(run, *batch) == []
    assert points(wire, run, "m")["totalItemCount"] == 2


def test_a_value_set_back_later_counts(wire, run):
    for value in (1, 2, 1):
        wire.log(run, {"path": "n", "assignInt": {"value": value}})
    assert wire.attributes(run)["n"]["value"] == 1


def test_a_type_conflict_is_an_error_item_and_the_others_are_stored(wire, run):
    wire.log(run, {"path": "a", "assignFloat": {"value": 1.0}})
    errors = wire.log(
        run, {"path": "a", "assignString": {"value": "x"}}, {"path": "a/b", "assignInt": {"value": 1}}, floats("m", 1.0)
    )
    assert [error["errorType"] for error in errors] == ["metadata_inconsistency"] * 2
    assert "a has the type float" in errors[0]["errorDescription"]
    assert wire.attributes(run)["a"]["value"] == 1.0
    assert points(wire, run, "m")["totalItemCount"] == 1


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ({"path": "sys/id", "assignString": {"value": "X"}}, "sys/id"),
        ({"path": "tags", "insertStrings": {"values": ["x"]}}, "sys/tags"),
        ({"path": "n", "assignInt": {"value": 2**64}}, "64 bit"),
        ({"path": "n", "assignInt": {"value": 2**63}}, "64 bit"),
        ({"path": "s", "assignString": {"value": "x" * (20 * 1024 * 1024)}}, "limit is 65536"),
        ({"path": "//", "assignInt": {"value": 1}}, "path"),
        ({"path": "x" * 2000, "assignInt": {"value": 1}}, "limit"),
        ({"path": "n", "jump": {}}, "jump"),
        (5, "object"),
    ],
)
def test_bad_data_is_told_in_a_200_and_kept_with_the_run(wire, run, operation, word):
    (error,) = wire.log(run, operation)
    assert word in error["errorDescription"]
    assert len(error["errorDescription"]) < 2000
    assert RejectedOperation.objects.filter(run__uuid=run).count() == 1


def test_an_error_names_the_path_and_for_a_long_string_limit_and_size(wire, run):
    (error,) = wire.log(run, {"path": "notes", "assignString": {"value": "x" * 70_000}})
    assert error["errorDescription"].startswith("notes: ")
    assert "70000" in error["errorDescription"]
    assert "65536" in error["errorDescription"]


def test_deleting_frees_the_path_and_deleting_what_is_not_there_is_no_error(wire, run):
    wire.log(run, {"path": "a", "assignFloat": {"value": 1.0}})
    assert wire.log(run, {"path": "a", "deleteAttribute": {}}, {"path": "none", "deleteAttribute": {}}) == []
    assert wire.log(run, {"path": "a", "assignString": {"value": "x"}}) == []
    assert wire.attributes(run)["a"]["value"] == "x"


def image(content, at=0, **fields):
    value = {"data": base64.b64encode(content).decode(), "name": "n", "description": None, **fields}
    return {"value": value, "step": None, "timestampMilliseconds": SECOND + at}


def test_images_are_stored_and_given_back_one_by_one(wire, run):
    contents = [b"\x89PNG\r\n\x1a\n" + bytes([number]) for number in range(3)]
    entries = [image(content, at) for at, content in enumerate(contents)]
    assert wire.log(run, {"path": "pictures", "logImages": {"entries": entries}}) == []
    assert points(wire, run, "pictures", "image")["totalItemCount"] == 3
    for index, content in enumerate(contents):
        answer = wire.get(f"{ATTRIBUTES}/series/image/single", experimentId=run, attribute="pictures", index=index)
        assert b"".join(answer.streaming_content) == content
        assert answer["Content-Type"] == "image/png"
    missing = wire.get(f"{ATTRIBUTES}/series/image/single", experimentId=run, attribute="pictures", index=3)
    assert missing.status_code == 404


def test_an_image_that_the_client_left_out_is_an_empty_one(wire, run):
    assert wire.log(run, {"path": "p", "logImages": {"entries": [image(b"")]}}) == []
    assert FileSeriesEntry.objects.get().file.size == 0


def test_images_of_a_batch_that_is_refused_are_not_stored(wire, run):
    entries = [image(b"x"), image(b"y", data="%%%")]
    (error,) = wire.log(run, {"path": "p", "logImages": {"entries": entries}})
    assert "base64" in error["errorDescription"]
    assert not FileSeriesEntry.objects.exists()
    assert not StoredFile.objects.filter(orphaned_at__isnull=True).exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"nothing",
        b'[{"path": "a", "assignInt": {"value": 1}}',
        b'[{"path": "a", "assignInt": {"value": 1}}] more',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'[{"path": "a", "assignInt": {"value": ' + b"1" * 10_000 + b"}}]",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
    ids=["empty", "object", "text", "cut", "more", "binary", "deep", "digits", "deep objects"],
)
def test_a_body_that_is_no_list_of_operations_is_400_and_stores_nothing(wire, run, body):
    before = Attribute.objects.count()
    answer = wire.post(OPERATIONS, body, experimentId=run)
    assert answer.status_code == 400
    assert answer.json()["errorType"] == "MALFORMED_BODY"
    assert Attribute.objects.count() == before


def test_a_body_cut_short_is_400_and_stores_nothing(wire, run):
    before = Attribute.objects.count()
    body = json.dumps([{"path": "a", "assignInt": {"value": 1}}]).encode()
    answer = wire.client.post(
        f"{OPERATIONS}?experimentId={run}",
        data=body,
        content_type="application/json",
        headers=wire.headers,
        **{"CONTENT_LENGTH": str(len(body) + 10), "wsgi.input": io.BytesIO(body)},
    )
    assert answer.status_code == 400
    assert Attribute.objects.count() == before


def test_a_body_over_the_limit_is_413_before_it_is_read(wire, run):
    limit = bodies.MAX_JSON_BYTES
    answer = wire.client.post(
        f"{OPERATIONS}?experimentId={run}",
        data=b"[]",
        content_type="application/json",
        headers=wire.headers,
        CONTENT_LENGTH=str(limit + 1),
    )
    assert answer.status_code == 413
    assert str(limit) in answer.json()["title"]


def test_a_body_of_too_many_values_is_413(wire, run, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_JSON_VALUES", 20)
    assert wire.log(run, {"path": "a", "assignString": {"value": "[{,}]" * 100}}) == []
    answer = wire.post(OPERATIONS, b"[" + b"[]," * 20 + b"[]]", experimentId=run)
    assert answer.status_code == 413


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from([*OPERATION_NAMES, "other"])
payloads = json_values | st.fixed_dictionaries(
    {},
    optional={
        "value": json_values,
        "valueMilliseconds": json_values,
        "values": json_values,
        "filePaths": json_values,
        "min": json_values,
        "max": json_values,
        "unit": json_values,
        "entries": json_values
        | st.lists(
            st.fixed_dictionaries(
                {}, optional={"value": json_values, "step": json_values, "timestampMilliseconds": json_values}
            ),
            max_size=4,
        ),
    },
)
paths = st.text(max_size=8) | st.sampled_from(["a", "a/b", "sys/tags", "sys/id", "sys/name", "m"]) | json_values
batches = st.lists(
    json_values | st.builds(lambda path, name, load: {"path": path, name: load}, paths, names, payloads), max_size=5
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches)
def test_whatever_the_operations_hold_the_answer_is_a_list_of_errors(wire, run, batch):
    answer = wire.post(OPERATIONS, batch, experimentId=run)
    assert answer.status_code == 200, answer.content
    assert all(error["errorDescription"] for error in answer.json())
    assert wire.get(ATTRIBUTES, experimentId=run).status_code == 200


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | json_values.map(lambda value: json.dumps(value).encode())
)
def test_whatever_the_body_is_the_answer_is_no_server_error(wire, run, body):
    answer = wire.post(OPERATIONS, body, experimentId=run)
    assert answer.status_code in {200, 400}, answer.content
    assert answer["Content-Type"] == "application/json"
