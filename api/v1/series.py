"""Points of series: charts drawn from few points, what came since, exact pages, and lines of text."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.limits import CHART_POINTS, MAX_CHART_POINTS, MAX_PAGE_SIZE, MAX_POINTS_PAGE, PAGE_SIZE, SERIES_PER_REQUEST
from api.pagination import MAX_CURSOR_LENGTH
from api.views import ApiView
from api.wire import FiniteFloatField, FloatColumn, Input, Output, PathField
from projects.access import Action
from projects.exceptions import InvalidInput
from runs.access import access_run_by_uuid
from runs.models import Run
from runs.selectors.series import float_page, read_added, read_chart, string_page
from runs.series.base import Axis, SeriesSlice, StringPage

_OFFSET = 10**12


class SeriesQuery(Input):
    path = serializers.ListField(
        child=PathField(), min_length=1, max_length=SERIES_PER_REQUEST, help_text="Once per series."
    )
    cursor = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CURSOR_LENGTH),
        max_length=SERIES_PER_REQUEST,
        required=False,
        default=list,
        help_text="Once per path and in their order: only the points added since the answer that held it.",
    )
    max_points = serializers.IntegerField(min_value=1, max_value=MAX_CHART_POINTS, default=CHART_POINTS)
    axis = serializers.ChoiceField(choices=[axis.value for axis in Axis], default=Axis.STEP.value)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        described = "of the range, a step or (axis=time) milliseconds since 1970."
        fields["from"] = FiniteFloatField(required=False, help_text=f"First {described}")
        fields["to"] = FiniteFloatField(required=False, help_text=f"Last {described}")
        return fields


class SeriesAnswer(Output):
    path = serializers.CharField()
    steps = FloatColumn()
    timestamps = serializers.ListField(child=serializers.IntegerField())
    values = FloatColumn()
    total = serializers.IntegerField(help_text="Points stored in the range.")
    is_exact = serializers.BooleanField(help_text="Whether these are all of them.")
    cursor = serializers.CharField(help_text="For asking what is added later.")
    reset = serializers.BooleanField(required=False, help_text="With a cursor: earlier points changed, read all again.")


class ChartAnswer(Output):
    series = SeriesAnswer(many=True)


class RunSeries(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="Read float series for a chart",
        description=(
            "Each series with at most `max_points` points; where there are more, every bucket keeps its true minimum "
            "and maximum. Paths that are no float series of the run are left out."
        ),
        parameters=[SeriesQuery],
        responses=ChartAnswer,
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(SeriesQuery)
        if query["cursor"]:
            return Response({"series": _added(run, query)})
        lines = read_chart(
            [run],
            query["path"],
            max_points=query["max_points"],
            first=query.get("from"),
            last=query.get("to"),
            axis=Axis(query["axis"]),
        )
        return Response({"series": [_describe(line.path, line.points) for line in lines]})


def _added(run: Run, query: dict[str, Any]) -> list[dict[str, Any]]:
    paths, cursors = query["path"], query["cursor"]
    if len(paths) != len(cursors):
        raise InvalidInput(f"There are {len(cursors)} cursors for {len(paths)} paths.", field="cursor")
    added = read_added(
        [(run, path, cursor) for path, cursor in zip(paths, cursors, strict=True)], max_points=query["max_points"]
    )
    return [{**_describe(path, points), "reset": points is None} for path, points in zip(paths, added, strict=True)]


def _describe(path: str, points: SeriesSlice | None) -> dict[str, Any]:
    if points is None:
        return {"path": path, "steps": [], "timestamps": [], "values": [], "total": 0, "is_exact": False, "cursor": ""}
    return {
        "path": path,
        "steps": points.steps,
        "timestamps": points.timestamps,
        "values": points.values,
        "total": points.total,
        "is_exact": points.is_exact,
        "cursor": points.cursor,
    }


class PointsQuery(Input):
    path = PathField()
    offset = serializers.IntegerField(min_value=0, max_value=_OFFSET, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_POINTS_PAGE, default=CHART_POINTS)


class PointsAnswer(Output):
    path = serializers.CharField()
    steps = FloatColumn()
    timestamps = serializers.ListField(child=serializers.IntegerField())
    values = FloatColumn()
    total = serializers.IntegerField()


def read_points_page(run: Run, query: dict[str, Any]) -> dict[str, Any]:
    """Exact points of one float series by place."""
    points = float_page(run, query["path"], offset=query["offset"], limit=query["limit"])
    return {
        "path": query["path"],
        "steps": points.steps,
        "timestamps": points.timestamps,
        "values": points.values,
        "total": points.total,
    }


class StringsQuery(Input):
    path = PathField()
    offset = serializers.IntegerField(
        min_value=-_OFFSET, max_value=_OFFSET, default=0, help_text="Negative: counted from the end."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class LineAnswer(Output):
    step = serializers.FloatField()
    timestamp = serializers.IntegerField()
    value = serializers.CharField()


class LinesAnswer(Output):
    total = serializers.IntegerField()
    lines = LineAnswer(many=True)


class RunStrings(ApiView):
    is_public_readable = True

    @extend_schema(summary="Read the lines of a string series", parameters=[StringsQuery], responses=LinesAnswer)
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(StringsQuery)
        lines = string_page(run, query["path"], offset=query["offset"], limit=query["limit"])
        return Response({"total": lines.total, "lines": _describe_lines(lines)})


def _describe_lines(lines: StringPage) -> list[dict[str, Any]]:
    columns = zip(lines.steps.tolist(), lines.timestamps.tolist(), lines.values, strict=True)
    return [{"step": step, "timestamp": timestamp, "value": value} for step, timestamp, value in columns]
