"""The reader for bodies of points: it gives what the general reader gives, or declines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.compat.neptune.body import parse_json
from api.compat.neptune.wire.operations import read_batch
from api.compat.neptune.wire.points import read_points
from runs.operations import AppendFloats, AppendStrings, FloatBlock, TextBlock

MS = 1795404068739
POINT = {"value": 1.5, "step": None, "timestampMilliseconds": MS}

texts = st.text(st.characters(exclude_categories=["Cs"]))
paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**80), 2**80)
steps = st.none() | numbers
moments = st.integers(0, 2**63 - 1)


def entries(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = {"value": values, "timestampMilliseconds": moments}
    return st.lists(st.fixed_dictionaries(fields, optional={"step": steps}), min_size=1, max_size=8)


series = st.one_of(
    entries(numbers).map(lambda found: {"logFloats": {"entries": found}}),
    entries(texts).map(lambda found: {"logStrings": {"entries": found}}),
    entries(numbers).map(lambda found: {"logFloats": {"entries": found}, "logStrings": None}),
)
batches = st.dictionaries(paths, series, min_size=1, max_size=8).map(
    lambda found: [{"path": path, **operation} for path, operation in found.items()]
)


def generally(body: bytes) -> list[Any]:
    return read_batch(parse_json(body), lambda content: 0)


def rows(block: FloatBlock | TextBlock | None) -> dict[int, Any]:
    """(path, values, steps, timestamps) by place in the request."""
    found: dict[int, Any] = {}
    if block is None:
        return found
    first = 0
    for path, index, count in zip(block.paths, block.indexes, block.counts, strict=True):
        part = slice(first, first + count)
        found[index] = (path, list(block.values[part]), list(block.steps[part]), list(block.timestamps[part]))
        first += count
    assert first == len(block.values) == len(block.steps) == len(block.timestamps)
    return found


def same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return np.array_equal(np.array(one, dtype=float), np.array(other, dtype=float), equal_nan=True)


@given(batches, st.booleans())
def test_legal_points_give_what_the_general_reader_gives(batch: Any, is_ascii: bool):
    body = json.dumps(batch, ensure_ascii=is_ascii).encode()
    columns = read_points(body)
    assert columns is not None
    floats, lines = rows(columns.floats), rows(columns.texts)
    for operation in generally(body):
        assert isinstance(operation, AppendFloats | AppendStrings)
        is_float = isinstance(operation, AppendFloats)
        path, values, steps, timestamps = (floats if is_float else lines).pop(operation.index)
        assert path == operation.path
        assert same(values, operation.values) if is_float else values == operation.values
        assert same(steps, operation.steps)
        assert timestamps == operation.timestamps
    assert not floats
    assert not lines


@pytest.mark.parametrize(
    "operation",
    [
        {"assignFloat": {"value": 1.0}},
        {"clearFloatSeries": {}},
        {"jump": {}},
        {},
        {"logFloats": None},
        {"logFloats": {}},
        {"logFloats": {"entries": None}},
        {"logFloats": {"entries": []}},
        {"logFloats": {"entries": [POINT], "unit": "s"}},
        {"logFloats": {"entries": [POINT]}, "logStrings": {"entries": [{**POINT, "value": "x"}]}},
        {"logFloats": {"entries": [POINT]}, "assignInt": None},
        {"logFloats": {"entries": [{**POINT, "colour": "red"}]}},
        {"logFloats": {"entries": [POINT, 5]}},
        {"logFloats": {"entries": [{**POINT, "value": None}]}},
        {"logFloats": {"entries": [{**POINT, "value": True}]}},
        {"logFloats": {"entries": [{**POINT, "value": "NaN"}]}},
        {"logFloats": {"entries": [{**POINT, "value": math.nan}]}},
        {"logFloats": {"entries": [{**POINT, "value": -math.inf}]}},
        {"logFloats": {"entries": [{**POINT, "value": 10**400}]}},
        {"logFloats": {"entries": [{**POINT, "step": "1"}]}},
        {"logFloats": {"entries": [{**POINT, "step": True}]}},
        {"logFloats": {"entries": [{**POINT, "timestampMilliseconds": 1.0}]}},
        {"logFloats": {"entries": [{**POINT, "timestampMilliseconds": -1}]}},
        {"logFloats": {"entries": [{**POINT, "timestampMilliseconds": 2**63}]}},
        {"logFloats": {"entries": [{**POINT, "timestampMilliseconds": None}]}},
        {"logFloats": {"entries": [{"value": 1.0}]}},
        {"logStrings": {"entries": [{**POINT, "value": 1.0}]}},
        {"logStrings": {"entries": [{**POINT, "value": "\ud800"}]}},
        {"logImages": {"entries": [{**POINT, "value": {"data": ""}}]}},
    ],
    ids=json.dumps,
)
def test_whatever_else_is_left_to_the_general_reader(operation: dict[str, Any]):
    fine = {"path": "fine", "logFloats": {"entries": [POINT]}}
    assert read_points(json.dumps([fine]).encode()) is not None
    assert read_points(json.dumps([fine, {"path": "a", **operation}]).encode()) is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b"null", b"[", b"[[]]", b"\xff", b"\xef\xbb\xbf[]"),
        json.dumps([{"logFloats": {"entries": [POINT]}}]).encode(),
        json.dumps([{"path": None, "logFloats": {"entries": [POINT]}}]).encode(),
        json.dumps([{"path": "a", "logFloats": {"entries": [POINT]}}] * 2).encode(),
        json.dumps([{"path": "a", "logFloats": {"entries": [POINT]}}]).encode() + b"x",
        json.dumps([{"path": "a", "logFloats": {"entries": [POINT]}}]).encode().replace(b'"a"', b'"\xed\xa0\x80"'),
        json.dumps([{"path": "a", "logFloats": {"entries": [POINT]}}]).encode().replace(b'"a"', b'"a\n"'),
    ],
)
def test_no_other_body_is_taken(body: bytes):
    assert read_points(body) is None


@given(st.binary(max_size=50) | st.text(max_size=50).map(str.encode))
def test_no_bytes_are_too_strange(body: bytes):
    assert read_points(body) is None
