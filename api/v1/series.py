"""Points of series: charts drawn from few points, what came since, exact pages, and lines of text."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.limits import (
    CHART_POINTS,
    MAX_CHART_POINTS,
    MAX_PAGE_SIZE,
    MAX_POINTS_PAGE,
    PAGE_SIZE,
    POINTS_PER_ANSWER,
    RUNS_PER_CHART,
    SERIES_PER_REQUEST,
)
from api.pagination import MAX_CURSOR_LENGTH
from api.v1.point_answer import ACCEPTED, answers, columns_answer
from api.views import ApiView
from api.wire import FiniteFloatField, FloatColumn, Input, Output, PathField
from projects.access import Action, access_project
from projects.exceptions import InvalidInput, TooLarge
from runs.access import access_run_by_uuid
from runs.models import Run
from runs.selectors.series import (
    ChartLine,
    float_page,
    float_series,
    read_added,
    read_chart,
    runs_of_project,
    string_page,
)
from runs.series.base import Axis, SeriesKey, SeriesSlice, StringPage

_OFFSET = 10**12


class SeriesQuery(Input):
    path = serializers.ListField(
        child=PathField(), min_length=1, max_length=SERIES_PER_REQUEST, help_text="Once per series."
    )
    cursor = serializers.ListField(
        child=serializers.CharField(max_length=MAX_CURSOR_LENGTH, allow_blank=True),
        max_length=SERIES_PER_REQUEST,
        required=False,
        default=list,
        help_text="Once per path and in their order: only the points added since the answer that held it. An empty one "
        "reads the series.",
    )
    max_points = serializers.IntegerField(min_value=1, max_value=MAX_CHART_POINTS, default=CHART_POINTS)
    axis = serializers.ChoiceField(choices=[axis.value for axis in Axis], default=Axis.STEP.value)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        described = "of the range: a step, milliseconds since 1970 (axis=time) or since `origin` (axis=relative)."
        fields["from"] = FiniteFloatField(required=False, help_text=f"First {described}")
        fields["to"] = FiniteFloatField(required=False, help_text=f"Last {described}")
        return fields


class ProjectSeriesQuery(SeriesQuery):
    run = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=RUNS_PER_CHART, help_text="Once per run."
    )


class SeriesAnswer(Output):
    path = serializers.CharField()
    steps = FloatColumn()
    timestamps = serializers.ListField(child=serializers.IntegerField())
    values = FloatColumn()
    total = serializers.IntegerField(help_text="Points stored in the range.")
    is_exact = serializers.BooleanField(help_text="Whether these are all of them.")
    cursor = serializers.CharField(help_text="For asking what is added later.")
    origin = serializers.IntegerField(help_text="Where relative time begins, in milliseconds since 1970.")
    reset = serializers.BooleanField(required=False, help_text="With a cursor: earlier points changed, read all again.")


class RunSeriesAnswer(SeriesAnswer):
    run = serializers.UUIDField()


class ChartAnswer(Output):
    series = SeriesAnswer(many=True)


class ProjectChartAnswer(Output):
    series = RunSeriesAnswer(many=True)
    missing = serializers.ListField(child=serializers.UUIDField(), help_text="Runs that are not in this project.")


class RunSeries(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="Read float series for a chart",
        description=(
            "Each series with at most `max_points` points; where there are more, every bucket keeps its true minimum "
            f"and maximum. Paths that are no float series of the run are left out. {ACCEPTED}"
        ),
        parameters=[SeriesQuery],
        responses=answers(ChartAnswer),
    )
    def get(self, request: Request, uuid: uuids.UUID) -> HttpResponseBase:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        series = _read([run], self.query(SeriesQuery))
        for each in series:
            del each["run"]
        return columns_answer(request, series)


class ConfiguredAnswer(Output):
    unit = serializers.CharField()
    range_minimum = serializers.FloatField(allow_null=True)
    range_maximum = serializers.FloatField(allow_null=True)


class CatalogueAnswer(Output):
    paths = serializers.ListField(child=serializers.CharField())
    configured = serializers.DictField(
        child=ConfiguredAnswer(), help_text="What clients said of some of them, by path."
    )


class SeriesCatalogue(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the float series of a run",
        description="All paths at once, so that a page of charts can sort and search them; nothing is said of points.",
        responses=CatalogueAnswer,
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        rows = float_series(access_run_by_uuid(self.actor, uuid, Action.VIEW))
        configured = {
            path: {"unit": unit, "range_minimum": minimum, "range_maximum": maximum}
            for path, unit, minimum, maximum in rows
            if unit or minimum is not None or maximum is not None
        }
        return Response({"paths": [path for path, *_ in rows], "configured": configured})


class ProjectSeries(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="Read float series of several runs for a chart",
        description=(
            "As for one run, path by path and within each run by run. Runs that are not in this project are listed in "
            "`missing`, and the others are answered all the same. Cursors are given once per path and run, in the "
            f"order path 1 of run 1, path 1 of run 2, … {ACCEPTED}"
        ),
        parameters=[ProjectSeriesQuery],
        responses=answers(ProjectChartAnswer),
    )
    def get(self, request: Request, organization: str, project: str) -> HttpResponseBase:
        accessed = access_project(self.actor, organization, project, Action.VIEW)
        query = self.query(ProjectSeriesQuery)
        wanted = list(dict.fromkeys(query["run"]))
        if len(wanted) * len(query["path"]) > SERIES_PER_REQUEST:
            raise TooLarge(
                f"A request may ask for {SERIES_PER_REQUEST} series; {len(wanted)} runs with {len(query['path'])} "
                "paths are more.",
                limit=SERIES_PER_REQUEST,
                got=len(wanted) * len(query["path"]),
            )
        runs = runs_of_project(accessed, wanted)
        series = _read([runs.get(uuid) for uuid in wanted], query)
        for each in series:
            each["run"] = str(each["run"])
        missing = [str(uuid) for uuid in wanted if uuid not in runs]
        return columns_answer(request, series, missing=missing)


def _read(runs: Sequence[Run | None], query: dict[str, Any]) -> list[dict[str, Any]]:
    """The series as the query asks for them, path by path; `None` stands for a run that is missing."""
    wanted = [(run, path) for path in query["path"] for run in runs]
    cursors = query["cursor"] or [""] * len(wanted)
    if len(cursors) != len(wanted):
        raise InvalidInput(f"There are {len(cursors)} cursors for {len(wanted)} series.", field="cursor")
    max_points = max(min(query["max_points"], POINTS_PER_ANSWER // len(wanted)), 1)
    known = [(run, path, cursor) for (run, path), cursor in zip(wanted, cursors, strict=True) if run is not None]
    followed = [(run, path, cursor) for run, path, cursor in known if cursor]
    added = iter(read_added(followed, max_points=max_points))
    whole = _read_whole([(run, path) for run, path, cursor in known if not cursor], query, max_points)
    found = []
    for run, path, cursor in known:
        if cursor:
            points = next(added)
            found.append({**_describe(run, path, points), "reset": points is None})
        elif line := whole.pop((run.pk, path), None):
            found.append(_describe(run, path, line.points))
    return found


def _read_whole(
    wanted: Sequence[tuple[Run, str]], query: dict[str, Any], max_points: int
) -> dict[tuple[int, str], ChartLine]:
    runs = {run.pk: run for run, _ in wanted}
    lines = read_chart(
        list(runs.values()),
        [path for _, path in wanted],
        max_points=max_points,
        first=query.get("from"),
        last=query.get("to"),
        axis=Axis(query["axis"]),
    )
    return {(line.run.pk, line.path): line for line in lines}


def _describe(run: Run, path: str, points: SeriesSlice | None) -> dict[str, Any]:
    if points is None:
        points = SeriesSlice(SeriesKey(run.pk, 0), np.empty(0), np.empty(0, np.int64), np.empty(0), 0, is_exact=False)
    return {
        "run": run.uuid,
        "path": path,
        "steps": points.steps,
        "timestamps": points.timestamps,
        "values": points.values,
        "total": points.total,
        "is_exact": points.is_exact,
        "cursor": points.cursor,
        "origin": points.origin,
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
