"""How runs and attributes look in answers: shared by the resources that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rest_framework import serializers

from api.rendering import jsonable, write_structs
from api.v1.kinds import KIND_NAMES
from api.wire import FloatField, Output, ValueField
from runs.models import ContainerKind, Run
from runs.models.run import RunState
from runs.selectors.attributes import AttributeView
from runs.selectors.cells import Cell, Statistics
from runs.selectors.runs import RunRow

_STATISTICS = [each.name for each in fields(Statistics)]
_STATES = [state.value for state in RunState]


class CellAnswer(Output):
    kind = serializers.ChoiceField(choices=KIND_NAMES)
    value = ValueField()
    count = serializers.IntegerField(help_text="Series only, with `statistics`; as all that follows.", required=False)
    last_step = serializers.FloatField(required=False, allow_null=True)
    minimum = FloatField(required=False, allow_null=True)
    maximum = FloatField(required=False, allow_null=True)
    mean = FloatField(required=False, allow_null=True)
    variance = FloatField(required=False, allow_null=True)


class RunAnswer(Output):
    uuid = serializers.UUIDField()
    sys_id = serializers.CharField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in ContainerKind])
    custom_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=_STATES)
    owner = serializers.CharField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    touched_at = serializers.DateTimeField(help_text="When anything was last written.")
    last_activity_at = serializers.DateTimeField(help_text="When anything was last written, or its client last seen.")
    finished_at = serializers.DateTimeField(allow_null=True)
    trashed_at = serializers.DateTimeField(allow_null=True)
    running_seconds = serializers.FloatField()
    size_bytes = serializers.IntegerField()


class RunRowAnswer(RunAnswer):
    values = serializers.DictField(child=CellAnswer(), help_text="The columns asked for, by path.")


class RunDetail(RunAnswer):
    project = serializers.CharField(help_text="organization/project")
    description = serializers.CharField()
    actions = serializers.ListField(child=serializers.CharField(), help_text="What you may do with it.")


class FileAnswer(Output):
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    extension = serializers.CharField()
    size = serializers.IntegerField()
    media_type = serializers.CharField()
    file_url = serializers.CharField()


class AttributeAnswer(Output):
    path = serializers.CharField()
    kind = serializers.ChoiceField(choices=KIND_NAMES)
    value = ValueField(help_text="For series the value at the largest step.")
    size = serializers.IntegerField(required=False, allow_null=True, help_text="Files: bytes.")
    file = FileAnswer(required=False, allow_null=True)
    count = serializers.IntegerField(required=False, help_text="Series only, as all that follows.")
    last_step = serializers.FloatField(required=False, allow_null=True)
    last_timestamp = serializers.IntegerField(required=False, allow_null=True, help_text="Milliseconds since 1970.")
    minimum = FloatField(required=False, allow_null=True)
    maximum = FloatField(required=False, allow_null=True)
    mean = FloatField(required=False, allow_null=True)
    variance = FloatField(required=False, allow_null=True)
    unit = serializers.CharField(required=False)
    range_minimum = serializers.FloatField(required=False, allow_null=True)
    range_maximum = serializers.FloatField(required=False, allow_null=True)


def describe_row(row: RunRow, *, with_statistics: bool) -> dict[str, Any]:
    """A line of the runs table with those of the columns that the run has, in values that JSON has."""
    values = None if with_statistics else write_structs(row.cells)
    return {**_describe_run(row), "values": values or _describe_cells(row)}


def _describe_cells(row: RunRow) -> dict[str, Any]:
    return {path: _describe_cell(cell) for path, cell in row.cells.items()}


def _describe_cell(cell: Cell) -> dict[str, Any]:
    described = {"kind": cell.kind, "value": jsonable(cell.value)}
    if cell.statistics is not None:
        described |= {name: jsonable(getattr(cell.statistics, name)) for name in _STATISTICS}
    return described


def describe_detail(row: RunRow, *, description: str, actions: list[str]) -> dict[str, Any]:
    return {
        **_describe_run(row),
        "project": row.run.project.qualified_name,
        "description": description,
        "actions": actions,
    }


def _describe_run(row: RunRow) -> dict[str, Any]:
    run: Run = row.run
    owner = run.owner
    return {
        "uuid": run.uuid,
        "sys_id": run.sys_id,
        "kind": run.kind,
        "custom_id": run.custom_id,
        "name": row.name,
        "state": row.state,
        "owner": owner.username if owner else None,
        "tags": row.tags,
        "created_at": run.created_at,
        "touched_at": run.touched_at,
        "last_activity_at": row.last_activity_at,
        "finished_at": run.finished_at,
        "trashed_at": run.trashed_at,
        "running_seconds": run.running_seconds,
        "size_bytes": run.size_bytes,
    }


def describe_attribute(view: AttributeView) -> dict[str, Any]:
    described: dict[str, Any] = {"path": view.path, "kind": view.kind.label, "value": view.value}
    if view.size is not None:
        described["size"] = view.size
    if view.file is not None:
        described["file"] = {
            "uuid": view.file.uuid,
            "name": view.file.name,
            "extension": view.file.extension,
            "size": view.file.size,
            "media_type": view.file.media_type,
            "file_url": content_url(view.file.uuid),
        }
    if view.kind.is_series:
        described |= _describe_summary(view)
    return described


def _describe_summary(view: AttributeView) -> Mapping[str, Any]:
    return {
        "count": view.count,
        "last_step": view.last_step,
        "last_timestamp": view.last_ms,
        "minimum": view.minimum,
        "maximum": view.maximum,
        "mean": view.mean,
        "variance": view.variance,
        "unit": view.unit,
        "range_minimum": view.range_minimum,
        "range_maximum": view.range_maximum,
    }


def content_url(file_uuid: object) -> str:
    """Where the bytes of a stored file are downloaded."""
    return f"/api/v1/files/{file_uuid}/content"


def thumbnail_url(file_uuid: object, size: int) -> str:
    return f"/api/v1/files/{file_uuid}/thumbnail/{size}"
