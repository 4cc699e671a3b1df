"""Packing the points of a batch into columns, leaving out those that no series can hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from runs.operations import AppendFloats, AppendStrings, OperationError
from runs.series.base import FloatColumns, Floats, Integers, StringColumns
from runs.services.plan import text_problem

MAX_STEP = 1e12
STEP_DECIMALS = 6
MAX_TIMESTAMP_MS = 4_102_444_800_000  # the year 2100


def pack_floats(operations: Sequence[AppendFloats], errors: list[OperationError]) -> FloatColumns:
    """The points of one path as columns, in the order logged. Points with an impossible step or timestamp are left
    out and reported in `errors` by operation."""
    parts: list[tuple[Floats, Integers, Floats]] = []
    for operation in operations:
        steps, timestamps, keep = _positions(operation, errors)
        values = np.asarray(operation.values, dtype=np.float64)
        parts.append((steps[keep], timestamps[keep], values[keep]))
    return FloatColumns(
        steps=np.concatenate([part[0] for part in parts]),
        timestamps=np.concatenate([part[1] for part in parts]),
        values=np.concatenate([part[2] for part in parts]),
    )


def pack_strings(operations: Sequence[AppendStrings], errors: list[OperationError]) -> StringColumns:
    """As pack_floats; lines that are too long or not valid text are left out and reported too."""
    all_steps: list[Floats] = []
    all_timestamps: list[Integers] = []
    values: list[str] = []
    for operation in operations:
        steps, timestamps, keep = _positions(operation, errors)
        problems = [_line_problem(line) for line in operation.values]
        bad = next((problem for problem in problems if problem), "")
        if bad:
            keep = keep & np.array([not problem for problem in problems])
            errors.append(OperationError(operation.index, operation.path, "invalid_value", bad))
        all_steps.append(steps[keep])
        all_timestamps.append(timestamps[keep])
        values += [line for line, kept in zip(operation.values, keep, strict=True) if kept]
    return StringColumns(np.concatenate(all_steps), np.concatenate(all_timestamps), values)


def _line_problem(line: str) -> str:
    # Programs print zero characters now and then, and a line of output is worth keeping with them.
    return text_problem(line.replace("\x00", " "), "A line")


def _positions(
    operation: AppendFloats | AppendStrings, errors: list[OperationError]
) -> tuple[Floats, Integers, NDArray[np.bool_]]:
    """Steps (NaN for "next"), timestamps, and a mask of the points whose position is possible."""
    steps: Floats = np.asarray(operation.steps, dtype=np.float64)
    steps = np.asarray(np.round(steps, STEP_DECIMALS) + 0.0)  # -0.0 and 0.0 are one step
    timestamps = np.clip(np.asarray(operation.timestamps, dtype=np.float64), -1, MAX_TIMESTAMP_MS + 1).astype(np.int64)
    with np.errstate(invalid="ignore"):
        keep: NDArray[np.bool_] = (
            (np.isnan(steps) | (np.abs(steps) <= MAX_STEP)) & (timestamps >= 0) & (timestamps <= MAX_TIMESTAMP_MS)
        )
    refused = len(keep) - int(np.count_nonzero(keep))
    if refused:
        message = (
            f"{refused} of {len(keep)} points were left out: a step must lie within ±10^12 and a timestamp between the "
            "years 1970 and 2100 (in milliseconds)."
        )
        errors.append(OperationError(operation.index, operation.path, "invalid_position", message))
    return steps, timestamps, keep
