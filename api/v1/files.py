"""The files of a run: its file attributes, what file sets hold, and uploads by one request."""

from __future__ import annotations

import time
import uuid as uuids
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiRequest, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.body import iterate_body
from api.limits import INT64_MAX
from api.pagination import decode_cursor, encode_cursor, page
from api.received import ReceiveFirst, is_arriving_upload
from api.v1.described import content_url
from api.views import ApiView, created
from api.wire import FiniteFloatField, Input, Output, PageQuery, PathField, SearchField, page_of
from projects.access import Action
from projects.exceptions import Conflict, InvalidInput, NotFound
from runs.access import access_run_by_uuid
from runs.models import AttributeKind, FileEntry, Run, StoredFile
from runs.operations import AddFiles, AppendFiles, AssignFile, BatchIdentity, FilePoint, Operation
from runs.paths import path_problem
from runs.selectors.attributes import get_attribute
from runs.selectors.files import DirectoryEntry, file_attributes, file_entry, list_directory, media_type_of
from runs.services.files import discard_files, max_file_bytes, store_bytes
from runs.services.ingest import apply_operations


class FileQuery(PageQuery):
    path = PathField(
        required=False, help_text="A file, or a file set, whose members are listed. Without it: all files."
    )
    inside = serializers.CharField(
        max_length=1024,
        required=False,
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="Directory of the file set.",
    )
    search = SearchField(help_text="In the paths, when all files are listed.")


class FileEntryAnswer(Output):
    path = serializers.CharField(help_text="The attribute's path.")
    member = serializers.CharField(help_text="Path inside the file set; empty for a file.")
    name = serializers.CharField()
    is_directory = serializers.BooleanField()
    size = serializers.IntegerField()
    modified_at = serializers.DateTimeField()
    uuid = serializers.UUIDField(required=False)
    extension = serializers.CharField(required=False)
    media_type = serializers.CharField(required=False)
    sha256 = serializers.CharField(required=False)
    file_url = serializers.CharField(required=False)


class UploadQuery(Input):
    path = PathField()
    extension = serializers.CharField(max_length=64, required=False, allow_blank=True, default="", help_text="No dot.")
    name = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")
    member = serializers.CharField(
        max_length=1024,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Path inside a file set, to add it there.",
    )
    step = FiniteFloatField(required=False, help_text="To add it to a series of files, at this step.")
    timestamp = serializers.IntegerField(min_value=0, max_value=INT64_MAX, required=False, help_text="Milliseconds.")
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")

    def validate_path(self, path: str) -> str:
        if problem := path_problem(path):
            raise serializers.ValidationError(problem)
        return path

    def validate_extension(self, extension: str) -> str:
        if "/" in extension or "\\" in extension or not extension.isprintable():
            raise serializers.ValidationError("An extension has no slash and no control character.")
        return extension

    def validate_member(self, member: str) -> str:
        if problem := path_problem(member):
            raise serializers.ValidationError(problem)
        if {".", ".."} & set(member.split("/")):
            raise serializers.ValidationError("A path inside a file set has no '.' and '..'.")
        return member

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "step" in attrs and "member" in attrs:
            raise serializers.ValidationError({"step": "A member of a file set has no step."})
        return attrs


class StoredFileAnswer(Output):
    path = serializers.CharField()
    uuid = serializers.UUIDField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    media_type = serializers.CharField()
    file_url = serializers.CharField()


class RunFiles(ApiView):
    is_public_readable = True

    @extend_schema(summary="List the files of a run", parameters=[FileQuery], responses=page_of(FileEntryAnswer))
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(FileQuery)
        if "path" not in query:
            return Response(_all_files(run, query))
        attribute = get_attribute(run, query["path"])
        if attribute is not None and attribute.kind is AttributeKind.FILE:
            return Response(page([describe_entry(file_entry(run, query["path"]))]))
        if attribute is None or attribute.kind is not AttributeKind.FILE_SET:
            raise NotFound("The run has no file and no file set at this path.")
        return Response(_directory(run, query))

    @extend_schema(
        summary="Upload a file",
        description=(
            "The body is the file, of any size up to the limit. It becomes the file attribute at `path`, or with "
            "`member` a part of the file set there, or with `step` a point of the series of files there. 409 when "
            "`path` is of another kind."
        ),
        parameters=[UploadQuery],
        request={"application/octet-stream": OpenApiRequest(OpenApiTypes.BINARY)},
        responses={201: StoredFileAnswer},
    )
    def put(self, request: Request, uuid: uuids.UUID) -> HttpResponse:
        run = access_run_by_uuid(self.actor, uuid, Action.LOG)
        query = self.query(UploadQuery)
        _check_kind(run, query)
        if is_arriving_upload(request._request):
            return ReceiveFirst()
        limit = max_file_bytes()
        file = store_bytes(run, iterate_body(request._request, limit=limit), limit=limit)
        _link(run, file, query)
        return created(
            {
                "path": query["path"],
                "uuid": file.uuid,
                "size": file.size,
                "sha256": file.sha256,
                "media_type": file.media_type,
                "file_url": content_url(file.uuid),
            }
        )


def _all_files(run: Run, query: dict[str, Any]) -> dict[str, Any]:
    limit = query["limit"]
    after = decode_cursor("files", query["cursor"]) or ""
    entries = file_attributes(run, search=query["search"], after=after, limit=limit)
    following = encode_cursor("files", entries[-1].definition.path) if len(entries) == limit else None
    return page([describe_entry(entry) for entry in entries], following)


def _directory(run: Run, query: dict[str, Any]) -> dict[str, Any]:
    """One level of a file set, page by page; the place in it is the cursor."""
    start = decode_cursor("directory", query["cursor"]) or 0
    end = start + query["limit"]
    inside = query["inside"].strip("/")
    found = list_directory(run, query["path"], inside)
    following = encode_cursor("directory", end) if len(found) > end else None
    return page([_describe_member(query["path"], inside, each) for each in found[start:end]], following)


def _describe_member(path: str, inside: str, member: DirectoryEntry) -> dict[str, Any]:
    if member.entry is not None:
        return describe_entry(member.entry)
    return {
        "path": path,
        "member": f"{inside}/{member.name}" if inside else member.name,
        "name": member.name,
        "is_directory": True,
        "size": member.size,
        "modified_at": member.modified_at,
    }


def describe_entry(entry: FileEntry) -> dict[str, Any]:
    """A file attribute or a member of a file set; needs `file` and `definition` loaded."""
    return {
        "path": entry.definition.path,
        "member": entry.path,
        "name": entry.name,
        "is_directory": False,
        "size": entry.file.size,
        "modified_at": entry.created_at,
        "uuid": entry.file.uuid,
        "extension": entry.extension,
        "media_type": media_type_of(entry),
        "sha256": entry.file.sha256,
        "file_url": f"{content_url(entry.file.uuid)}?entry={entry.pk}",
    }


def _kind_wanted(query: dict[str, Any]) -> AttributeKind:
    if "member" in query:
        return AttributeKind.FILE_SET
    return AttributeKind.FILE_SERIES if "step" in query else AttributeKind.FILE


def _check_kind(run: Run, query: dict[str, Any]) -> None:
    """Refuse a type conflict before any byte is taken; linking checks it again."""
    attribute = get_attribute(run, query["path"])
    wanted = _kind_wanted(query)
    if attribute is not None and attribute.kind is not wanted:
        raise Conflict(
            f"{attribute.path} has the type {attribute.kind.label}; {wanted.label} can't be logged to it.",
            code="type_conflict",
            have=attribute.kind.label,
            sent=wanted.label,
        )


def _link(run: Run, file: StoredFile, query: dict[str, Any]) -> None:
    """Let the run refer to the stored bytes; where it can't, they are removed again."""
    result = apply_operations(run, [_operation(file, query)], identity=BatchIdentity())
    for error in result.errors:
        discard_files([file])
        if error.code == "type_conflict":
            raise Conflict(error.message, code=error.code)
        raise InvalidInput(error.message, code=error.code, field="path")


def _operation(file: StoredFile, query: dict[str, Any]) -> Operation:
    path, name = query["path"], query["name"]
    if "member" in query:
        return AddFiles(path=path, members={query["member"]: file})
    if "step" in query:
        point = FilePoint(
            file=file,
            step=query["step"],
            timestamp=query.get("timestamp", int(time.time() * 1000)),
            name=name,
            description=query["description"],
        )
        return AppendFiles(path=path, points=[point])
    return AssignFile(path=path, file=file, extension=query["extension"], name=name)
