"""Bodies of many megabytes are read in slices, and mean what they would mean if they were read at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.body import MalformedBody
from api.compat.neptune.wire import large
from api.compat.neptune.wire.large import read_large
from api.compat.neptune.wire.operations import read_batch
from projects.exceptions import TooLarge
from runs.models import Attribute, BatchLog
from runs.operations import AppendFloats, AppendStrings, Operation, PointColumns, UnreadableOperation
from tests.compat.neptune.conftest import ATTRIBUTES

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = f"{ATTRIBUTES}/operations"
NOW = 1795404068739

numbers = st.floats(allow_nan=True) | st.integers(-5, 5)
float_entries = st.lists(
    st.builds(
        lambda value, step, at: {"value": value, "step": step, "timestampMilliseconds": NOW + at},
        numbers,
        st.none() | st.integers(0, 9).map(float),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=8,
)
text_entries = st.lists(
    st.builds(
        lambda value: {"value": value, "timestampMilliseconds": NOW}, st.text(st.sampled_from('a]}{[,"\\é'), max_size=9)
    ),
    min_size=1,
    max_size=8,
)
wrong_entries = st.lists(st.sampled_from([{}, {"value": "x"}, 5, {"value": 1.0}]), min_size=1, max_size=2)
paths = st.sampled_from(["a", "b/c", "d", 'e"', "f\\"])
operations = st.one_of(
    st.builds(lambda path, entries: {"path": path, "logFloats": {"entries": entries}}, paths, float_entries),
    st.builds(lambda path, entries: {"logStrings": {"entries": entries}, "path": path}, paths, text_entries),
    st.builds(lambda path, entries: {"path": path, "logFloats": {"entries": entries}}, paths, wrong_entries),
    st.builds(lambda path: {"path": path, "assignString": {"value": "long " * 20}}, paths),
    st.builds(lambda path: {"path": path, "logFloats": {"entries": [], "more": ["]}}"]}}, paths),
    st.just(5),
)


def no_images(_: bytes) -> int:
    raise AssertionError("There are no images here.")


def comparable(operation: Operation) -> tuple[object, ...]:
    """The operation's type and fields, with columns of points as texts. Of an operation that can't be read, another
    fault may be told when it has several."""
    if isinstance(operation, UnreadableOperation):
        return operation.path, operation.index, operation.code
    found: list[object] = [type(operation).__name__]
    for each in fields(operation):
        value = getattr(operation, each.name)
        if isinstance(operation, AppendFloats | AppendStrings) and each.name in {"values", "steps", "timestamps"}:
            is_text = isinstance(operation, AppendStrings) and each.name == "values"
            value = repr(list(value) if is_text else np.asarray(value, np.float64).tolist())
        found.append(value)
    return tuple(found)


def as_operations(read: PointColumns | list[Operation]) -> list[Operation]:
    if isinstance(read, PointColumns):
        read = sorted(large._appends(read.floats) + large._appends(read.texts), key=lambda each: each.index)
    return list(read)


@settings(deadline=None)
@given(document=st.lists(operations, max_size=10), size=st.sampled_from([1, 40, 150, 1000]), spaces=st.booleans())
def test_slices_mean_what_the_whole_would_mean(document, size, spaces):
    body = json.dumps(document, separators=None if spaces else (",", ":")).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large, "SLICE_BYTES", size)
        read = as_operations(read_large(body, no_images))

    expected = read_batch(json.loads(body), no_images)
    assert [comparable(each) for each in read] == [comparable(each) for each in expected]


def points(path: str, count: int, *, kind: str = "logFloats", value: object = 0.5) -> dict[str, object]:
    entries = [{"value": value, "step": float(step), "timestampMilliseconds": NOW + step} for step in range(count)]
    return {"path": path, kind: {"entries": entries}}


def test_points_alone_become_columns_even_when_one_series_spans_slices(monkeypatch):
    monkeypatch.setattr(large, "SLICE_BYTES", 500)
    body = json.dumps([points("a", 3), points("b", 100), points("c", 2, kind="logStrings", value="x")]).encode()

    read = read_large(body, no_images)

    assert isinstance(read, PointColumns)
    assert read.floats is not None
    assert (list(read.floats.paths), list(read.floats.indexes), list(read.floats.counts)) == (
        ["a", "b"],
        [0, 1],
        [3, 100],
    )
    assert read.floats.steps.tolist() == [*map(float, range(3)), *map(float, range(100))]
    assert read.texts is not None
    assert (list(read.texts.paths), list(read.texts.values)) == (["c"], ["x", "x"])


@pytest.mark.parametrize(
    "bad", [b"[{]", b"[1", b'{"path": "a"}', b'[{"path": "a", "assignInt": {"value": }}]', b"[] []"]
)
def test_a_malformed_body_is_refused_with_a_position(bad):
    with pytest.raises(MalformedBody) as caught:
        read_large(bad, no_images)

    assert 0 <= caught.value.details["position"] <= len(bad)


def test_the_position_of_a_fault_counts_from_the_start_of_the_body(monkeypatch):
    monkeypatch.setattr(large, "SLICE_BYTES", 20)
    body = json.dumps([points("a", 5)] * 3).encode()[:-1] + b', {"path": nothing}]'

    with pytest.raises(MalformedBody) as caught:
        read_large(body, no_images)

    assert caught.value.details["position"] == body.index(b"nothing")


def test_a_fault_within_a_long_operation_is_the_bodys_fault(monkeypatch):
    monkeypatch.setattr(large, "SLICE_BYTES", 200)
    body = json.dumps([points("a", 100)]).encode().replace(b'"step": 90.0', b'"step": 90,0')

    with pytest.raises(MalformedBody):
        read_large(body, no_images)


def test_too_many_operations_or_lines_are_refused(monkeypatch):
    monkeypatch.setattr(large, "MAX_OPERATIONS", 10)
    monkeypatch.setattr(large, "MAX_LINES", 10)
    with pytest.raises(TooLarge):
        read_large(json.dumps([{"path": "a", "assignInt": {"value": 1}}] * 11).encode(), no_images)
    with pytest.raises(TooLarge):
        read_large(json.dumps([points("a", 11, kind="logStrings", value="x")]).encode(), no_images)


def test_an_operation_that_can_not_be_sliced_has_a_limit_of_its_own(monkeypatch):
    monkeypatch.setattr(large, "SLICE_BYTES", 50)
    monkeypatch.setattr(large, "MAX_OPERATION_BYTES", 200)
    body = json.dumps([{"path": "text", "assignString": {"value": "x" * 300}}, points("a", 1)]).encode()

    refused, kept = as_operations(read_large(body, no_images))

    assert isinstance(refused, UnreadableOperation)
    assert (refused.path, refused.index, kept.index) == ("text", 0, 1)
    assert "200" in refused.message


# --- over HTTP ---
def test_a_large_body_is_stored_whole_and_a_second_time_changes_nothing(wire, run):
    body = json.dumps(
        [
            {"path": "note", "assignString": {"value": "kept"}},
            points("loss", 70_000, value=0.25),
            {"path": "bad", "assignInt": {"value": "no"}},
        ]
    ).encode()
    assert len(body) > 5_000_000

    for _ in range(2):
        answer = wire.post(OPERATIONS, body, experimentId=run)
        assert answer.status_code == 200
        assert [error["errorDescription"].partition(":")[0] for error in answer.json()] == ["bad"]

    found = wire.attributes(run)
    assert found["note"]["value"] == "kept"
    assert (found["loss"]["lastStep"], found["loss"]["last"]) == (69_999.0, 0.25)
    assert sum(BatchLog.objects.values_list("point_count", flat=True)) == 70_000


def test_a_malformed_end_of_a_large_body_leaves_nothing_behind(wire, run):
    before = Attribute.objects.count()
    body = json.dumps([points(f"loss/{number}", 30_000) for number in range(3)]).encode()[:-1] + b", {]"

    answer = wire.post(OPERATIONS, body, experimentId=run)

    assert answer.status_code == 400
    assert (Attribute.objects.count(), BatchLog.objects.count()) == (before, 0)


# --- memory ---
READS = """
    import mmap, os, resource, sys
    os.environ["DJANGO_SETTINGS_MODULE"] = "tracking_platform.settings"
    import django
    django.setup()
    from api.compat.neptune.wire.large import read_large

    def private():
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024

    with open(sys.argv[1], "rb") as file:
        body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    read_large(memoryview(b"[" + body[1 : 2 * 1024 * 1024].rpartition(b"}, {")[0] + b"}]}}]").tobytes(), None)
    before = private()
    # What may be allocated beside the body, which is mapped already: objects for every point would take twice this.
    limit = 160 * 1024 * 1024
    with open("/proc/self/statm") as sizes:
        mapped = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + limit, mapped + limit))
    columns = read_large(body, None)
    print(len(columns.floats.values), private() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells private memory apart")
@pytest.mark.parametrize("operations", [1, 12])
def test_reading_points_takes_little_more_memory_than_their_columns(tmp_path, operations):
    file = tmp_path / "body.json"
    each = 1_200_000 // operations
    with file.open("w") as stream:
        for number in range(operations):
            stream.write("[" if number == 0 else ", ")
            stream.write(f'{{"path": "m/{number}", "logFloats": {{"entries": [')
            entry = '{"value": 0.123456789, "step": %d.0, "timestampMilliseconds": 1795404068739}'
            stream.write(", ".join(entry % step for step in range(each)))
            stream.write("]}}")
        stream.write("]")

    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READS), str(file)],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(tmp_path / "data"), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    count, growth = map(int, result.stdout.split())
    assert count == each * operations
    assert growth < 100, "24 bytes for each of 1.2 million points are 27 MiB"
