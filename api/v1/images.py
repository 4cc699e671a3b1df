"""Pictures of a run: a series of images step by step, or the single ones."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import decode_cursor, encode_cursor, page
from api.v1.described import content_url, thumbnail_url
from api.views import ApiView
from api.wire import FiniteFloatField, Output, PageQuery, PathField, page_of
from projects.access import Action
from runs.access import access_run_by_uuid
from runs.models import FileEntry, StoredFile
from runs.selectors.files import SeriesImage, gallery, images


class ImageQuery(PageQuery):
    path = PathField(required=False, help_text="A series of files. Without it: the run's single pictures.")
    from_step = FiniteFloatField(required=False)


class ImageAnswer(Output):
    path = serializers.CharField()
    step = serializers.FloatField(allow_null=True)
    timestamp = serializers.IntegerField(allow_null=True, help_text="Milliseconds since 1970.")
    name = serializers.CharField()
    description = serializers.CharField()
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    size = serializers.IntegerField()
    media_type = serializers.CharField()
    problem = serializers.CharField(help_text="Why there is no small version; empty when there is one or will be.")
    thumbnail_url = serializers.CharField(allow_null=True)
    thumbnails = serializers.DictField(child=serializers.CharField(), help_text="Addresses by size.")
    file_url = serializers.CharField()


class RunImages(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the images of a run",
        parameters=[ImageQuery],
        responses=page_of(
            ImageAnswer,
            total=serializers.IntegerField(),
            next_step=serializers.FloatField(allow_null=True, help_text="Where the next page begins."),
        ),
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(ImageQuery)
        if "path" not in query:
            single = images(run, limit=query["limit"])
            return Response(page([_describe_entry(entry) for entry in single], total=len(single), next_step=None))
        from_step = decode_cursor("images", query["cursor"])
        shown = gallery(
            run,
            query["path"],
            from_step=query.get("from_step") if from_step is None else from_step,
            limit=query["limit"],
        )
        following = None if shown.next_step is None else encode_cursor("images", shown.next_step)
        results = [_describe_step(query["path"], image) for image in shown.images]
        return Response(page(results, following, total=shown.total, next_step=shown.next_step))


def _describe_step(path: str, image: SeriesImage) -> dict[str, Any]:
    return {
        "path": path,
        "step": image.step,
        "timestamp": image.timestamp_ms,
        "name": image.name,
        "description": image.description,
        **_describe_file(image.file, image.thumbnails),
    }


def _describe_entry(entry: FileEntry) -> dict[str, Any]:
    return {
        "path": "/".join(filter(None, [entry.definition.path, entry.path])),
        "step": None,
        "timestamp": int(entry.created_at.timestamp() * 1000),
        "name": entry.name,
        "description": "",
        **_describe_file(entry.file, [thumbnail.size for thumbnail in entry.file.thumbnails.all()]),
    }


def _describe_file(file: StoredFile, sizes: Iterable[int]) -> dict[str, Any]:
    addresses = {str(size): thumbnail_url(file.uuid, size) for size in sorted(sizes)}
    return {
        "width": file.facts.get("width"),
        "height": file.facts.get("height"),
        "size": file.size,
        "media_type": file.media_type,
        "problem": str(file.facts.get("problem", "")),
        "thumbnail_url": next(reversed(addresses.values()), None),
        "thumbnails": addresses,
        "file_url": content_url(file.uuid),
    }
