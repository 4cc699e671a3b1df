"""Single values between JSON and Python: what JSON has no form for, and what the clients send that JSON forbids."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_MS = 253_402_300_799_999  # the end of the year 9999


class BadValue(ValueError):
    """A value of a request that is not what its place asks for; the text says what, for people."""


def to_number(value: float | None) -> float | str | None:
    """A float for an answer: NaN and the infinities as text, which the clients turn back with float()."""
    if value is None or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def to_numbers(values: NDArray[np.float64]) -> list[float | str | None]:
    """As to_number, for a column."""
    numbers: list[float | str | None] = values.tolist()
    for position in np.flatnonzero(~np.isfinite(values)).tolist():
        numbers[position] = to_number(float(values[position]))
    return numbers


def to_time(value: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z, the one form that all clients parse."""
    moment = value.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def from_text(value: object, what: str) -> str:
    """A text; lone surrogates, which no database stores, become the replacement character."""
    if not isinstance(value, str):
        raise BadValue(f"{what} is not a text.")
    if value.isascii():
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def from_float(value: object, what: str) -> float:
    """A number, or one of the texts for NaN and the infinities."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadValue(f"{what} is not a number.")
    if isinstance(value, str) and value not in {"NaN", "Infinity", "-Infinity"}:
        raise BadValue(f"{what} is not a number.")
    try:
        return float(value)
    except OverflowError:
        raise BadValue(f"{what} is too large for a float.") from None


def from_optional_float(value: object, what: str) -> float | None:
    return None if value is None else from_float(value, what)


def from_milliseconds(value: object, what: str) -> datetime:
    """A moment given as milliseconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_MS <= value <= _MAX_MS:
        raise BadValue(f"{what} is not a time in milliseconds since 1970.")
    try:
        return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=int(value % 1000) * 1000)
    except (OverflowError, OSError, ValueError):
        raise BadValue(f"{what} lies outside the years 1 to 9999.") from None


def texts(value: object, what: str) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list):
        raise BadValue(f"{what} is not a list.")
    return [from_text(each, f"A member of {what[0].lower()}{what[1:]}") for each in value]


def without_nulls(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields if value is not None}
