"""Points of series as an answer: JSON, or for who accepts it the columns in binary, in half the bytes.

The binary answer is laid out as the body of `points/` is (see point_wire.py):

    4 bytes   magic "TPB1"
    uint32    length of the header in bytes
    header    UTF-8 JSON: the JSON answer in which each series has a `count` instead of its columns
    padding   zero bytes up to a multiple of 8 from the start of the answer
    float64[] values, the series' points one series after the other
    int64[]   timestamps, milliseconds since 1970
    float64[] steps

All numbers are little endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.rendering import dump_json
from api.v1.point_wire import MAGIC, MEDIA_TYPE

ACCEPTED = f"With `Accept: {MEDIA_TYPE}` the columns come in binary."
_COLUMNS = (("values", "<f8"), ("timestamps", "<i8"), ("steps", "<f8"))


def answers(serializer: type[serializers.Serializer[Any]]) -> dict[Any, Any]:
    """The two answers as the schema describes them."""
    return {(200, "application/json"): serializer, (200, MEDIA_TYPE): OpenApiTypes.BINARY}


def columns_answer(request: Request, series: Sequence[Mapping[str, Any]], **more: Any) -> HttpResponseBase:
    """The series, each with its columns and whatever else is said of it, in the form that the request accepts."""
    if MEDIA_TYPE not in request.META.get("HTTP_ACCEPT", ""):
        response: HttpResponseBase = Response({"series": series, **more})
    else:
        response = HttpResponse(_binary(series, more), content_type=MEDIA_TYPE)
    response.headers["Vary"] = "Accept"
    return response


def _binary(series: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> bytes:
    names = [name for name, _ in _COLUMNS]
    described = [
        {**{key: value for key, value in each.items() if key not in names}, "count": len(each["steps"])}
        for each in series
    ]
    header = dump_json({"series": described, **more})
    parts = [MAGIC, struct.pack("<I", len(header)), header, bytes(-(len(header) + 8) % 8)]
    for name, kind in _COLUMNS:
        parts += [np.ascontiguousarray(each[name], kind).tobytes() for each in series]
    return b"".join(parts)
