"""The load: noisy falling curves of a few float series, and how each wire writes a batch of them.

Values have the precision of float32, as frameworks compute them; times are those of a loop that takes about 100 ms and
never quite the same. Bodies are made before the clock starts, so that the measured side is the server.
"""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

SERIES = 10
FIRST_MS = 1_760_000_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """`values[s][i]` is the value of series `s` at step `first_step + i`, logged at `times[i]`."""

    number: int
    first_step: int
    times: list[int]
    values: list[list[float]]

    @property
    def points(self) -> int:
        return sum(len(column) for column in self.values)

    @property
    def steps(self) -> range:
        return range(self.first_step, self.first_step + len(self.times))

    def rows(self) -> Iterator[tuple[str, int, int, float]]:
        """(path, step, timestamp in ms, value) for every point, as a training loop logs them."""
        for place, (step, ms) in enumerate(zip(self.steps, self.times, strict=True)):
            for series, column in enumerate(self.values):
                yield path_of(series), step, ms, column[place]


Body: TypeAlias = Callable[[Batch, str], bytes]


def path_of(series: int) -> str:
    return f"metrics/series_{series}"


def curve(points: int, seed: int, *, first_step: int = 0) -> NDArray[np.float64]:
    """A falling curve with noise, rounded to float32."""
    steps = np.arange(first_step, first_step + points)
    noise = np.random.default_rng(seed).normal(0, 0.02, points)
    return (1.0 / (1.0 + steps / 20_000.0) + noise).astype(np.float32).astype(np.float64)


def times(points: int, seed: int, *, first_step: int = 0) -> NDArray[np.int64]:
    jitter = np.random.default_rng(seed).integers(0, 8, points)
    return FIRST_MS + (np.arange(first_step, first_step + points) * 100) + jitter


def steps_from(first: int, count: int) -> NDArray[np.float64]:
    return np.arange(first, first + count, dtype="<f8")


def make_batches(points: int, batch_points: int, seed: int, *, series: int = SERIES) -> list[Batch]:
    """`points` points in batches of `batch_points`, each with as many of every series."""
    length = max(1, batch_points // series)
    count = max(1, points // (length * series))
    columns = [curve(length * count, seed * 1000 + number) for number in range(series)]
    stamps = times(length * count, seed)
    return [
        Batch(
            number,
            number * length,
            stamps[number * length : (number + 1) * length].tolist(),
            [column[number * length : (number + 1) * length].tolist() for column in columns],
        )
        for number in range(count)
    ]


def neptune_body(batch: Batch, run: str) -> bytes:
    """executeOperations as neptune 1.14 sends it: an operation per series, entries without a step."""
    operations = [
        {
            "path": path_of(series),
            "logFloats": {
                "entries": [
                    {"value": value, "step": None, "timestampMilliseconds": ms}
                    for value, ms in zip(column, batch.times, strict=True)
                ]
            },
        }
        for series, column in enumerate(batch.values)
    ]
    return json.dumps(operations).encode()


def mlflow_body(batch: Batch, run: str) -> bytes:
    """runs/log-batch, which MLflow and FastTrackML understand."""
    metrics = [{"key": key, "value": v, "timestamp": ms, "step": step} for key, step, ms, v in batch.rows()]
    return json.dumps({"run_id": run, "metrics": metrics}).encode()


def trackio_body(batch: Batch, run: str) -> bytes:
    """api/bulk_log as Trackio's client sends it: a row per step with all metrics of the step, and an id by which a row
    that is sent again is known. The server gives the times."""
    logs = [
        {
            "project": "bench",
            "run": run,
            "run_id": run,
            "metrics": {path_of(series): column[place] for series, column in enumerate(batch.values)},
            "step": step,
            "config": None,
            "log_id": uuid.uuid4().hex,
        }
        for place, step in enumerate(batch.steps)
    ]
    return json.dumps({"logs": logs, "hf_token": None}).encode()


def native_body(writer: str) -> Body:
    """The native API's JSON operations, numbered by their writer."""

    def body(batch: Batch, run: str) -> bytes:
        operations: list[dict[str, Any]] = [
            {
                "op": "append",
                "path": path_of(series),
                "values": column,
                "steps": list(batch.steps),
                "timestamps": batch.times,
            }
            for series, column in enumerate(batch.values)
        ]
        return json.dumps({"writer": writer, "seq": batch.number + 1, "operations": operations}).encode()

    return body


def binary_body(writer: str) -> Body:
    """The native API's binary columns: a JSON header, then values, timestamps and steps, 8 bytes each."""

    def body(batch: Batch, run: str) -> bytes:
        columns = [(path_of(number), np.array(column)) for number, column in enumerate(batch.values)]
        count = len(columns)
        return binary_columns(
            writer,
            batch.number + 1,
            columns,
            np.tile(np.array(batch.times, dtype="<i8"), count),
            np.tile(np.array(batch.steps, dtype="<f8"), count),
        )

    return body


def binary_columns(
    writer: str,
    seq: int,
    series: list[tuple[str, NDArray[np.float64]]],
    timestamps: NDArray[np.int64],
    steps: NDArray[np.float64],
) -> bytes:
    header = json.dumps(
        {"writer": writer, "seq": seq, "series": [{"path": path, "count": len(values)} for path, values in series]}
    ).encode()
    prefix = struct.pack("<4sI", b"TPB1", len(header)) + header
    values = np.concatenate([column for _, column in series]).astype("<f8")
    return prefix + bytes(-len(prefix) % 8) + values.tobytes() + timestamps.tobytes() + steps.tobytes()
