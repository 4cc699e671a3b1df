"""Answers of the Neptune wire."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpResponse


def json_answer(payload: Any, *, status: int = 200) -> HttpResponse:
    """`payload` as JSON. The clients read a body only when its type is exactly this one. Floats that are not finite
    must have been turned to strings before (see wire.values)."""
    answer = HttpResponse(orjson.dumps(payload), status=status, content_type="application/json")
    answer["Cache-Control"] = "no-store"
    return answer


def empty_answer() -> HttpResponse:
    """200 without a body, for pings and deletions."""
    return HttpResponse(status=200, content_type="application/json")
