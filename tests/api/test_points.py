import json
import struct
import uuid

import numpy as np
import pytest

from api.limits import POINTS_BODY, SERIES_PER_POINTS_BODY
from api.v1.point_wire import MAGIC, MEDIA_TYPE, read_points
from projects.exceptions import InvalidInput
from runs.operations import AppendFloats, PointColumns
from runs.selectors.series import float_page
from tests.api.conftest import refused

WRITER = str(uuid.uuid4())
NAN = float("nan")


def packed(by_path: dict[str, list[tuple[float, int, float]]], **header) -> bytes:
    """A body with points (value, timestamp, step) by path."""
    listed = [{"path": path, "count": len(points)} for path, points in by_path.items()]
    text = json.dumps({"writer": WRITER, "seq": 1, "series": listed, **header}).encode()
    prefix = MAGIC + struct.pack("<I", len(text)) + text
    points = [point for each in by_path.values() for point in each]
    columns = [
        np.array([point[place] for point in points], dtype=dtype).tobytes()
        for place, dtype in enumerate(("<f8", "<i8", "<f8"))
    ]
    return prefix + b"\0" * (-len(prefix) % 8) + b"".join(columns)


@pytest.fixture
def send(api, run):
    def post(body: bytes, content_type: str = MEDIA_TYPE):
        return api.post(f"runs/{run.uuid}/points/", data=body, content_type=content_type)

    return post


def test_points_of_several_series_arrive(send, run):
    body = packed(
        {
            "loss": [(1.0, 1000, 0), (NAN, 2000, 1), (float("inf"), 3000, 2)],
            "lr": [(0.1, 1000, NAN), (0.2, 1001, NAN)],
            "empty": [],
        }
    )
    assert send(body).json() == {"applied": 3, "duplicate": False, "errors": []}
    loss = float_page(run, "loss", offset=0, limit=10)
    assert (loss.steps.tolist(), loss.timestamps.tolist()) == ([0, 1, 2], [1000, 2000, 3000])
    assert [str(value) for value in loss.values] == ["1.0", "nan", "inf"]
    assert float_page(run, "lr", offset=0, limit=10).steps.tolist() == [0, 1]


def test_sending_it_again_changes_nothing(send, run):
    body = packed({"loss": [(1.0, 1000, NAN)]})
    assert send(body).json()["duplicate"] is False
    assert send(body).json()["duplicate"] is True
    assert float_page(run, "loss", offset=0, limit=10).total == 1


def test_a_bad_series_harms_no_other(send, run):
    answer = send(packed({"a//b": [(1.0, 1000, 0)], "good": [(1.0, 1000, 0)], "late": [(1.0, -5, 0)]})).json()
    assert [error["index"] for error in answer["errors"]] == [0, 2]
    assert float_page(run, "good", offset=0, limit=10).total == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: body[:7],
        lambda body: b"XXXX" + body[4:],
        lambda body: MAGIC + b"\xff\xff\xff\xff" + body[8:],
        lambda body: body[:20],
        lambda body: body[:-1],
        lambda body: body + b"\0" * 24,
        lambda body: body.replace(b'"writer"', b"'writer'"),
    ],
)
def test_a_damaged_body_is_refused_with_a_position(send, run, damage):
    answer = refused(send(damage(packed({"loss": [(1.0, 1000, 0)] * 3}))), 400, "malformed_body")
    assert isinstance(answer["position"], int)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"writer": "me"}, "writer"),
        ({"seq": -1}, "seq"),
        ({"series": {}}, "series"),
        ({"series": [{"path": "x"}]}, "series.0"),
        ({"series": [{"path": "x", "count": -1}]}, "series.0"),
        ({"series": [{"path": "x", "count": True}]}, "series.0"),
        ({"series": [{"path": 1, "count": 1}]}, "series.0"),
        ({"series": [None]}, "series.0"),
    ],
)
def test_a_faulty_header_is_refused_by_field(send, header, field):
    assert refused(send(packed({}, **header)), 400, "invalid")["field"] == field


def test_counts_that_do_not_fit_the_body_are_refused(send):
    refused(send(packed({}, series=[{"path": "x", "count": 2**62}])), 400, "malformed_body")


def test_limits_are_named(send, monkeypatch):
    too_many = [{"path": "x", "count": 0}] * (SERIES_PER_POINTS_BODY + 1)
    assert refused(send(packed({}, series=too_many)), 413, "too_large")["limit"] == SERIES_PER_POINTS_BODY
    assert refused(send(b"\0" * (POINTS_BODY + 1)), 413, "too_large")["limit"] == POINTS_BODY


def test_another_type_is_refused(send):
    refused(send(packed({}), content_type="text/csv"), 415, "unsupported_media_type")
    assert send(packed({}), content_type="application/octet-stream").status_code == 200


def test_the_reader_shares_the_memory_of_the_body():
    _, columns = read_points(packed({"loss": [(1.0, 1000, 0)] * 600, "lr": [(0.1, 1000, NAN)] * 400}))
    assert isinstance(columns, PointColumns)
    block = columns.floats
    assert block is not None
    assert (block.paths, list(block.indexes), block.counts) == (["loss", "lr"], [0, 1], [600, 400])
    for column in (block.values, block.timestamps, block.steps):
        assert column.base is not None
        assert len(column) == 1000


@pytest.mark.parametrize(
    "series",
    [
        [{"path": "x", "count": 1}, {"path": "x", "count": 2}],
        [{"path": "x", "count": 3}, {"path": "empty", "count": 0}],
        [{"path": "x", "count": 3, "unit": "s"}],
    ],
)
def test_what_columns_can_not_hold_becomes_operations(series):
    body = packed({"x": [(1.0, 1000, 0), (2.0, 1001, 1), (3.0, 1002, 2)]}, series=series)
    _, operations = read_points(body)
    assert isinstance(operations, list)
    assert [len(each.values) for each in operations if isinstance(each, AppendFloats)] == [
        each["count"] for each in series
    ]


def test_a_header_is_read_as_strictly_as_all_json(send):
    body = packed({"loss": [(1.0, 1000, 0)]})
    repeated = body.replace(b'"seq": 1', b'"seq": 1, "seq": 1')
    length = struct.unpack_from("<I", body, 4)[0] + len(b', "seq": 1')
    text = repeated[8 : 8 + length]
    padded = MAGIC + struct.pack("<I", length) + text
    refused(send(padded + b"\0" * (-len(padded) % 8) + body[-24:]), 400, "malformed_body")


def test_a_faulty_series_is_an_input_error():
    with pytest.raises(InvalidInput):
        read_points(packed({}, series=5))


def test_exact_points_are_read_in_pages(api, send, run):
    send(packed({"loss": [(float(n), 1000 + n, float(n)) for n in range(10)] + [(NAN, 2000, 10)]}))
    answer = api.get(f"runs/{run.uuid}/points/?path=loss&offset=8&limit=5").json()
    assert answer == {
        "path": "loss",
        "steps": [8, 9, 10],
        "timestamps": [1008, 1009, 2000],
        "values": [8, 9, "NaN"],
        "total": 11,
    }
    refused(api.get(f"runs/{run.uuid}/points/?path=absent"), 404, "not_found")
    refused(api.get(f"runs/{run.uuid}/points/"), 400, "invalid")
    refused(api.get(f"runs/{run.uuid}/points/?path=loss&offset=-1"), 400, "invalid")
