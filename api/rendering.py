"""JSON answers. JSON has no NaN and no infinities, so those floats are written as "NaN", "Infinity" and "-Infinity"."""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec
import numpy as np
import orjson
from rest_framework.renderers import BaseRenderer

_PLAIN = frozenset({str, int, bool, type(None)})
_encode = msgspec.json.Encoder().encode
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class Written(dict[str, Any]):
    """A large document whose floats are all finite, or named: nobody needs to look through it again."""


class StrictJsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else dump_json(data)


def dump_json(data: Any) -> bytes:
    """Strict JSON of plain values, dataclasses, dates, UUIDs and NumPy columns."""
    return orjson.dumps(data if type(data) is Written else jsonable(data), default=str, option=_OPTIONS)


def write_structs(value: Any) -> orjson.Fragment | None:
    """The part of a document that plain values and msgspec's structs make, written as they are; None if it has a null,
    which may have been a float that JSON lacks."""
    written = _encode(value)
    return None if b"null" in written else orjson.Fragment(written)


def jsonable(value: Any) -> Any:
    """`value` with every float that JSON lacks replaced by its name."""
    kind = type(value)
    if kind is float:  # these and the plain ones are most of a table; the tests below are slow for them
        return value if isfinite(value) else float_name(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else float_name(value)
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _column(value)
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def float_name(value: float) -> str:
    """How a float that JSON lacks is spelled."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _column(values: np.ndarray[Any, Any]) -> Any:
    if values.dtype.kind != "f" or bool(np.isfinite(values).all()):
        return np.ascontiguousarray(values)
    return [each if math.isfinite(each) else float_name(each) for each in values.tolist()]
