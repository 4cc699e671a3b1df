"""Downloading all points of series as a file."""

from __future__ import annotations

import re
import uuid as uuids
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from api.limits import SERIES_PER_REQUEST
from api.tables import Format, write_table
from api.views import ApiView
from api.wire import Input, PathField
from projects.access import Action
from runs.access import access_run_by_uuid
from runs.selectors.series import export_series

_NOT_FOR_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class ExportQuery(Input):
    path = serializers.ListField(
        child=PathField(),
        max_length=SERIES_PER_REQUEST,
        required=False,
        default=list,
        help_text="Once per series, all of floats or all of strings; without any, all float series of the run.",
    )
    format = serializers.ChoiceField(choices=[each.value for each in Format], default=Format.CSV.value)
    raw = serializers.BooleanField(
        default=False,
        help_text="For programs: in CSV, leave texts that spreadsheets would take for formulas as they are. Otherwise "
        "they get an apostrophe in front.",
    )


class RunExport(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="Download all points of series",
        description=(
            "A row per point: path, step, timestamp, value, by path and step. The file is made while it is sent, so it "
            "has no length, and points logged meanwhile may be in it."
        ),
        parameters=[ExportQuery],
        responses={(200, each.media_type.partition(";")[0]): OpenApiTypes.BINARY for each in Format},
    )
    def get(self, request: Request, uuid: uuids.UUID) -> HttpResponseBase:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query: dict[str, Any] = self.query(ExportQuery)
        form = Format(query["format"])
        export = export_series(run, query["path"])
        blocks: Iterator[bytes] = iter(())
        if request.method != "HEAD":
            blocks = write_table(export.pieces, form, is_text=export.is_text, is_raw=query["raw"])
        response = StreamingHttpResponse(blocks, content_type=form.media_type)
        name = "-".join([run.sys_id, *(query["path"] if len(query["path"]) == 1 else ())])
        disposition = content_disposition_header(True, f"{_NOT_FOR_NAMES.sub('_', name)[:120]}.{form.value}")
        response.headers["Content-Disposition"] = disposition or "attachment"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
