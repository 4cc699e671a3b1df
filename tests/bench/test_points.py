"""Every wire must be sent the same points."""

from __future__ import annotations

import json
import struct

import numpy as np

from bench.points import binary_body, make_batches, mlflow_body, native_body, neptune_body, trackio_body

BATCH = make_batches(3_000, 1_000, seed=2)[1]


def test_batches_follow_one_another():
    batches = make_batches(3_000, 1_000, seed=2)
    assert [batch.first_step for batch in batches] == [0, 100, 200]
    assert all(batch.points == 1_000 for batch in batches)
    stamps = [ms for batch in batches for ms in batch.times]
    assert stamps == sorted(stamps)


def test_values_have_the_precision_of_float32():
    values = np.array(BATCH.values)
    assert np.array_equal(values, values.astype(np.float32).astype(np.float64))


def test_every_body_has_the_same_points():
    expected = [value for column in BATCH.values for value in column]
    neptune = [entry["value"] for op in json.loads(neptune_body(BATCH, "r")) for entry in op["logFloats"]["entries"]]
    native = [value for op in json.loads(native_body("w")(BATCH, "r"))["operations"] for value in op["values"]]
    rows = json.loads(trackio_body(BATCH, "r"))["logs"]
    trackio = [row["metrics"][f"metrics/series_{number}"] for number in range(10) for row in rows]
    metrics = json.loads(mlflow_body(BATCH, "r"))["metrics"]
    mlflow = [m["value"] for number in range(10) for m in metrics if m["key"] == f"metrics/series_{number}"]
    assert neptune == native == trackio == mlflow == expected


def test_the_binary_body_has_its_columns_in_order():
    body = binary_body("4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77")(BATCH, "r")
    magic, length = struct.unpack_from("<4sI", body)
    start = 8 + length + -(8 + length) % 8
    values = np.frombuffer(body, "<f8", 1_000, start)
    steps = np.frombuffer(body, "<f8", 1_000, start + 16_000)
    assert magic == b"TPB1"
    assert json.loads(body[8 : 8 + length])["seq"] == BATCH.number + 1
    assert np.array_equal(values, np.array(BATCH.values).ravel())
    assert steps[:100].tolist() == list(range(100, 200))
    assert len(body) == start + 24_000
