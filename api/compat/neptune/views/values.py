"""Reading values back: single attributes, and the points of series."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.http import HttpResponse
from rest_framework.request import Request

from api.compat.neptune.answers import json_answer
from api.compat.neptune.views.base import WireView, container_of, parameter, whole_number
from api.compat.neptune.wire.attributes import properties
from api.compat.neptune.wire.values import to_numbers
from projects.access import Action
from projects.exceptions import NotFound
from runs.models import AttributeKind, Run
from runs.selectors.attributes import AttributeView, get_attribute
from runs.series import store
from runs.series.base import Floats, SeriesKey

DEFAULT_PAGE = 1000
MAX_PAGE = 10_000


class ValueView(WireView):
    """The value of one attribute; 404 when there is none, or one of another kind."""

    kind = AttributeKind.FLOAT

    def get(self, request: Request) -> HttpResponse:
        _, view = attribute_of(request, self.kind)
        return json_answer(properties(view))


class FloatPointsView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """A page of points by step."""
        key, offset, limit = _page_of(request, AttributeKind.FLOAT_SERIES)
        page = store.read_page(key, offset=offset, limit=limit)
        values = to_numbers(page.values)
        return _points(page.total, page.steps, page.timestamps.tolist(), values)


class StringPointsView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """A page of lines by step."""
        key, offset, limit = _page_of(request, AttributeKind.STRING_SERIES)
        page = store.read_strings(key, offset=offset, limit=limit)
        return _points(page.total, page.steps, page.timestamps.tolist(), list(page.values))


class ImagePointsView(WireView):
    def get(self, request: Request) -> HttpResponse:
        """Only the number of images: the clients then ask for each by its index."""
        _, view = attribute_of(request, AttributeKind.FILE_SERIES)
        return json_answer({"totalItemCount": view.count, "values": []})


def attribute_of(request: Request, kind: AttributeKind) -> tuple[Run, AttributeView]:
    """The run and attribute that a request names, of the given kind."""
    run = container_of(request, Action.VIEW)
    path = parameter(request, "attribute")
    view = get_attribute(run, path) if "\x00" not in path else None
    if view is None or view.kind is not kind:
        raise NotFound(f"The run has no attribute of the type {kind.label} there.")
    return run, view


def _page_of(request: Request, kind: AttributeKind) -> tuple[SeriesKey, int, int]:
    run, view = attribute_of(request, kind)
    assert view.definition_id is not None  # noqa: S101 - series are never computed
    offset = whole_number(request, "offset", default=0, highest=2**62)
    limit = whole_number(request, "limit", default=DEFAULT_PAGE, highest=MAX_PAGE)
    return SeriesKey(run.pk, view.definition_id), offset, limit


def _points(total: int, steps: Floats, timestamps: list[int], values: list[Any]) -> HttpResponse:
    points = [
        {"timestampMillis": timestamp, "step": step, "value": value}
        for timestamp, step, value in zip(timestamps, np.asarray(steps).tolist(), values, strict=True)
    ]
    return json_answer({"totalItemCount": total, "values": points})
