"""The load: points of a few float series, and how each wire writes a batch of them. Bodies are made before the clock
starts, so that the measured side is the server."""

from __future__ import annotations

import json
import random
import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SERIES = 10
FIRST_MS = 1_760_000_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """`values[s][i]` is the value of series `s` at step `first_step + i`; a point every 100 ms."""

    number: int
    first_step: int
    values: list[list[float]]

    @property
    def points(self) -> int:
        return sum(len(column) for column in self.values)

    def rows(self) -> Iterator[tuple[str, int, int, float]]:
        """(path, step, timestamp in ms, value) for every point."""
        for series, column in enumerate(self.values):
            for offset, value in enumerate(column):
                step = self.first_step + offset
                yield f"metrics/series_{series}", step, FIRST_MS + step * 100, value


def make_batches(points: int, batch_points: int, seed: int) -> list[Batch]:
    """Noisy falling curves, `batch_points` points over SERIES series in each batch."""
    noise, length = random.Random(seed), batch_points // SERIES  # noqa: S311 - a reproducible load, not a secret
    return [
        Batch(number, number * length, [[noise.random() / (1 + number) for _ in range(length)] for _ in range(SERIES)])
        for number in range(points // batch_points)
    ]


def neptune_body(batch: Batch, run: str) -> bytes:
    """executeOperations as neptune 1.14 sends it: an operation per series, entries without a step."""
    operations = [
        {
            "path": f"metrics/series_{series}",
            "logFloats": {
                "entries": [
                    {"value": value, "step": None, "timestampMilliseconds": FIRST_MS + (batch.first_step + i) * 100}
                    for i, value in enumerate(column)
                ]
            },
        }
        for series, column in enumerate(batch.values)
    ]
    return json.dumps(operations).encode()


def mlflow_body(batch: Batch, run: str) -> bytes:
    """runs/log-batch; the server takes at most 1000 metrics in one."""
    metrics = [{"key": key, "value": v, "timestamp": ms, "step": step} for key, step, ms, v in batch.rows()]
    return json.dumps({"run_id": run, "metrics": metrics}).encode()


def native_body(writer: str) -> Callable[[Batch, str], bytes]:
    """The native API's JSON operations, numbered by their writer."""

    def body(batch: Batch, run: str) -> bytes:
        steps = list(range(batch.first_step, batch.first_step + len(batch.values[0])))
        timestamps = [FIRST_MS + step * 100 for step in steps]
        operations: list[dict[str, Any]] = [
            {
                "op": "append",
                "path": f"metrics/series_{series}",
                "values": column,
                "steps": steps,
                "timestamps": timestamps,
            }
            for series, column in enumerate(batch.values)
        ]
        return json.dumps({"writer": writer, "seq": batch.number + 1, "operations": operations}).encode()

    return body


def binary_body(writer: str) -> Callable[[Batch, str], bytes]:
    """The native API's binary columns: a JSON header, then values, timestamps and steps, 8 bytes each."""

    def body(batch: Batch, run: str) -> bytes:
        series = [
            {"path": f"metrics/series_{number}", "count": len(column)} for number, column in enumerate(batch.values)
        ]
        header = json.dumps({"writer": writer, "seq": batch.number + 1, "series": series}).encode()
        rows = list(batch.rows())
        prefix = struct.pack("<4sI", b"TPB1", len(header)) + header
        values, timestamps = array("d", (row[3] for row in rows)), array("q", (row[2] for row in rows))
        steps = array("d", (row[1] for row in rows))
        return prefix + bytes(-len(prefix) % 8) + values.tobytes() + timestamps.tobytes() + steps.tobytes()

    return body
