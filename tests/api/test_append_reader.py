"""The reader for batches that only append: it gives what the general reader gives, or declines."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.body import parse_json
from api.v1.append_wire import read_appends
from api.v1.operation_wire import read_operations
from runs.operations import AppendFloats, AppendStrings, FloatBlock, TextBlock

WRITER = "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
integers = st.integers(-(2**62), 2**62)
numbers = integers | st.floats(min_value=-(2.0**62), max_value=2.0**62)
steps = st.none() | numbers
moments = st.integers(-(2**63), 2**63 - 1)


@st.composite
def appends(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 6))
    is_text = draw(st.booleans())
    kind = {"type": "string_series"} if is_text else draw(st.sampled_from([{}, {"type": "float_series"}]))

    def column(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(values, min_size=count, max_size=count))

    optional = {}
    for name, values in (("steps", steps), ("timestamps", moments)):
        if draw(st.booleans()):
            optional[name] = draw(st.sampled_from([None, column(values)]))
    return {"op": "append", **kind, "values": column(texts if is_text else numbers), **optional}


batches = st.dictionaries(texts, appends(), min_size=1, max_size=6).map(
    lambda found: [{"path": path, **operation} for path, operation in found.items()]
)


def packed(operations: Any, **changes: Any) -> bytes:
    return json.dumps({"writer": WRITER, "seq": 7, "operations": operations, **changes}).encode()


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


@given(batches)
def test_legal_appends_give_what_the_general_reader_gives(batch: Any):
    body = packed(batch)
    read = read_appends(body)
    if read is None:  # only escaped colons and the like are declined for nothing
        assert b"\\u003" in body
        return
    header, columns = read
    assert header == {"writer": WRITER, "seq": 7}
    floats, lines = rows(columns.floats), rows(columns.texts)
    now = time.time() * 1000
    for operation in read_operations(parse_json(body)["operations"], now_ms=0):
        assert isinstance(operation, AppendFloats | AppendStrings)
        is_float = isinstance(operation, AppendFloats)
        path, values, steps, timestamps = (floats if is_float else lines).pop(operation.index)
        assert path == operation.path
        assert same(values, operation.values) if is_float else values == operation.values
        assert same(steps, operation.steps)
        if batch[operation.index].get("timestamps") is None:
            assert all(abs(moment - now) < 60_000 for moment in timestamps)
        else:
            assert timestamps == operation.timestamps
    assert not floats
    assert not lines


@pytest.mark.parametrize(
    "changes",
    [
        {"op": "assign"},
        {"op": None},
        {"colour": "red"},
        {"path": None},
        {"path": "a\0"},
        {"type": "file_series"},
        {"type": None},
        {"type": "string_series"},
        {"values": None},
        {"values": []},
        {"values": [1.0, "x"]},
        {"values": ["NaN", 1.0]},
        {"values": [math.nan, 1.0]},
        {"values": [True, 1.0]},
        {"values": [None, 1.0]},
        {"values": [2**63, 1.0]},
        {"values": [-(2**64), 1.0]},
        {"steps": []},
        {"steps": [1]},
        {"steps": [1, "2"]},
        {"steps": [1, 2**70]},
        {"timestamps": [1]},
        {"timestamps": [1, 2.0]},
        {"timestamps": [1, 2**63]},
        {"timestamps": [1, None]},
    ],
    ids=repr,
)
def test_whatever_else_is_left_to_the_general_reader(changes: dict[str, Any]):
    fine = {"op": "append", "path": "fine", "values": [0.1, 0.2]}
    assert read_appends(packed([fine])) is not None
    assert read_appends(packed([fine, {**fine, "path": "other", **changes}])) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        packed([]),
        packed(None),
        packed([{"op": "append", "path": "x", "values": [1.0]}] * 2),
        packed([{"op": "append", "path": "x", "values": [1.0]}], seq="1"),
        packed([{"op": "append", "path": "x", "values": [1.0]}], seq=2**63),
        packed([{"op": "append", "path": "x", "values": [1.0]}], writer=None),
        packed([{"op": "append", "path": "x", "values": [1.0]}], extra=1),
        packed([{"op": "append", "path": "x", "values": [1.0]}]).replace(b'"seq": 7', b'"seq": 7, "seq": 7'),
        packed([{"op": "append", "path": "x", "values": [1.0]}]).replace(b'"path"', b'"path": "a:b", "path"'),
        packed([{"op": "append", "path": "x\\u0000", "values": [1.0]}]).replace(b"\\\\", b"\\"),
    ],
)
def test_no_other_body_is_taken(body: bytes):
    assert read_appends(body) is None
