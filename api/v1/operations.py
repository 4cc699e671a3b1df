"""Logging to a run: batches of JSON operations, or points as binary columns.

Both carry a writer's uuid and a number that the writer counts up. Sending a batch again with the same number changes
nothing, so a client that got no answer simply repeats it.
"""

from __future__ import annotations

import uuid as uuids
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from api.authentication import SessionAuthentication, TokenAuthentication, client_address
from api.body import UnsupportedMediaType, parse_json, read_body, read_json_bytes
from api.limits import INT64_MAX, OPERATIONS_BODY, OPERATIONS_PER_BATCH, POINTS_BODY
from api.received import ReceiveFirst, is_arriving
from api.rendering import dump_json
from api.v1.append_wire import read_appends
from api.v1.operation_wire import OPERATION_NAMES, read_operations
from api.v1.point_wire import MEDIA_TYPE, read_points
from api.v1.series import PointsAnswer, PointsQuery, read_points_page
from api.views import ApiView
from api.wire import Output
from projects.access import Action, Actor
from projects.exceptions import InvalidInput, NotAuthenticated, TooLarge
from projects.services.tokens import actor_to_log, recent_actor
from runs.access import access_run_by_uuid
from runs.commits import FindLeader
from runs.log_access import LOOKED_UP, access_run_to_log, look_up_runs_to_log, recent_run_to_log
from runs.models import Run
from runs.operations import BatchIdentity, IngestResult, Operation, PointColumns
from runs.services.ingest import Submitted, apply_operations, apply_points, log_points, submit_points

POINTS_BEGIN, POINTS_END = "/api/v1/runs/", "/points/"
_BINARY = {MEDIA_TYPE, "application/octet-stream", ""}
_OPERATION = {
    "type": "object",
    "required": ["op", "path"],
    "properties": {
        "op": {
            "type": "string",
            "enum": list(OPERATION_NAMES),
        },
        "path": {"type": "string", "maxLength": 1024},
        "type": {"type": "string", "description": "Kind of the value, or of the series."},
        "value": {"description": "assign: the value."},
        "values": {"type": "array", "items": {}, "description": "append: the points' values."},
        "steps": {"type": "array", "nullable": True, "items": {"type": "number", "nullable": True}},
        "timestamps": {"type": "array", "nullable": True, "items": {"type": "integer"}, "description": "Milliseconds."},
        "tags": {"type": "array", "items": {"type": "string"}},
        "members": {"type": "array", "items": {"type": "string"}},
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "unit": {"type": "string", "maxLength": 32},
    },
}
_BATCH = {
    "type": "object",
    "required": ["writer", "seq", "operations"],
    "properties": {
        "writer": {"type": "string", "format": "uuid", "description": "Made by the sending process, once."},
        "seq": {"type": "integer", "minimum": 1, "description": "Counted up by the writer, one batch at a time."},
        "operations": {"type": "array", "maxItems": OPERATIONS_PER_BATCH, "items": _OPERATION},
    },
}
_EXAMPLE = OpenApiExample(
    "A parameter and two points",
    value={
        "writer": "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77",
        "seq": 1,
        "operations": [
            {"op": "assign", "path": "parameters/learning_rate", "type": "float", "value": 0.001},
            {"op": "append", "path": "metrics/loss", "values": [0.9, 0.7], "steps": [0, 1], "timestamps": None},
        ],
    },
    request_only=True,
)


class OperationErrorAnswer(Output):
    index = serializers.IntegerField(help_text="Place in the request, from 0.")
    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class BatchAnswer(Output):
    applied = serializers.IntegerField()
    duplicate = serializers.BooleanField(help_text="The batch was received before; nothing was changed.")
    errors = OperationErrorAnswer(  # type: ignore[assignment]
        many=True, help_text="Operations that were not applied; all others were."
    )


class LoggingView(ApiView):
    """Takes what is logged by POST, several times a second."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        if self.request is None or self.request.method != "POST":
            return super().get_authenticators()
        return [TokenAuthentication(is_logging=True), SessionAuthentication()]


class RunOperations(LoggingView):
    @extend_schema(
        summary="Log a batch of operations",
        description="A bad operation never harms the others: it is listed in `errors` and in the run's `rejected/`.",
        request={"application/json": _BATCH},
        responses=BatchAnswer,
        examples=[_EXAMPLE],
    )
    def post(self, request: Request, uuid: uuids.UUID) -> HttpResponse:
        run = access_run_to_log(self.actor, uuid)
        if is_arriving(request._request, limit=OPERATIONS_BODY):
            return ReceiveFirst()
        body = read_json_bytes(request._request, limit=OPERATIONS_BODY)
        if appends := read_appends(body):
            return _apply(run, *appends)
        batch = parse_json(body) if body else {}
        if not isinstance(batch, dict) or not isinstance(batch.get("operations"), list):
            raise InvalidInput("Send an object with `writer`, `seq` and a list of `operations`.", field="operations")
        documents = batch["operations"]
        if len(documents) > OPERATIONS_PER_BATCH:
            raise TooLarge(
                f"A batch may have {OPERATIONS_PER_BATCH} operations; got {len(documents)}.",
                limit=OPERATIONS_PER_BATCH,
                got=len(documents),
            )
        return _apply(run, batch, read_operations(documents))


class RunPoints(LoggingView):
    is_public_readable = True

    @extend_schema(summary="Read exact points of a float series", parameters=[PointsQuery], responses=PointsAnswer)
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        return Response(read_points_page(run, self.query(PointsQuery)))

    @extend_schema(
        summary="Log points as binary columns",
        description="The layout is described in docs/reference/native-api.md.",
        request={MEDIA_TYPE: OpenApiRequest(OpenApiTypes.BINARY)},
        responses=BatchAnswer,
    )
    def post(self, request: Request, uuid: uuids.UUID) -> HttpResponse:
        run = access_run_to_log(self.actor, uuid)
        if request._request.content_type not in _BINARY:
            raise UnsupportedMediaType(f"Send the points as {MEDIA_TYPE}.")
        if is_arriving(request._request, limit=POINTS_BODY):
            return ReceiveFirst()
        return _apply(run, *read_points(read_body(request._request, limit=POINTS_BODY)))


@dataclass(frozen=True, slots=True)
class _Head:
    META: Mapping[str, Any]


def answer_shortly(environ: Mapping[str, Any], body: bytes) -> bytes | None:
    """The answer to points in binary columns; None, with nothing written, when the view has to look."""
    sender = _sender(environ)
    if sender is None:
        return None
    uuid, credential = sender
    run = access_run_to_log(_actor(environ, credential), uuid)
    batch, content = read_points(body)
    if not isinstance(content, PointColumns):
        return None
    result = log_points(run, content, identity=_identity(batch))
    return None if result is None else dump_json(_describe(result))


def begin_shortly(
    environ: Mapping[str, Any], body: bytes, when_done: Callable[[bytes | None], object], find_leader: FindLeader
) -> Submitted:
    """As answer_shortly, but this thread does not wait (see submit_points): whether `when_done` will be called."""
    sender = _sender(environ)
    if sender is None:
        return Submitted.NO
    run_id = environ.get(LOOKED_UP) or _recent_run(*sender)
    if run_id is None:
        return Submitted.LOOK_FIRST
    batch, content = read_points(body)
    if not isinstance(content, PointColumns):
        return Submitted.NO
    return submit_points(
        run_id,
        content,
        identity=_identity(batch),
        when_done=lambda result: when_done(None if result is None else dump_json(_describe(result))),
        find_leader=find_leader,
    )


def _recent_run(uuid: uuids.UUID, credential: str) -> int | None:
    """The run's id, if it is known that this credential may log to it."""
    actor = recent_actor(credential)
    return None if actor is None else recent_run_to_log(actor, uuid)


def look_first(environs: Iterable[MutableMapping[str, Any]]) -> None:
    """Ask what begin_shortly has to know for these. What is found is put into them: it was asked after they came, so
    it holds for them however late they are begun."""
    asked = []
    for environ in environs:
        sender = _sender(environ)
        if sender is not None:
            with suppress(NotAuthenticated):
                asked.append((environ, _actor(environ, sender[1]), sender[0]))
    look_up_runs_to_log((actor, uuid) for _, actor, uuid in asked)
    for environ, actor, uuid in asked:
        environ[LOOKED_UP] = recent_run_to_log(actor, uuid)


def _actor(environ: Mapping[str, Any], credential: str) -> Actor:
    return actor_to_log(
        credential, address=lambda: client_address(_Head(environ)), client=environ.get("HTTP_USER_AGENT", "")
    )


def _sender(environ: Mapping[str, Any]) -> tuple[uuids.UUID, str] | None:
    """The run in the address and the credential; None when the request is not of the usual form."""
    text = environ["PATH_INFO"][len(POINTS_BEGIN) : -len(POINTS_END)]
    scheme, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or environ.get("CONTENT_TYPE") != MEDIA_TYPE or environ["QUERY_STRING"]:
        return None
    with suppress(ValueError):
        if str(uuid := uuids.UUID(text)) == text:
            return uuid, credential
    return None


def _apply(run: Run, batch: Mapping[str, Any], content: PointColumns | Sequence[Operation]) -> Response:
    identity = _identity(batch)
    if isinstance(content, PointColumns):
        return Response(_describe(apply_points(run, content, identity=identity)))
    return Response(_describe(apply_operations(run, content, identity=identity)))


def _identity(batch: Mapping[str, Any]) -> BatchIdentity:
    try:
        writer = str(uuids.UUID(batch["writer"]))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInput("`writer` must be a UUID that the sending process made.", field="writer") from error
    seq = batch.get("seq")
    if type(seq) is not int or not 1 <= seq <= INT64_MAX:
        raise InvalidInput("`seq` must be a whole number from 1 on.", field="seq")
    return BatchIdentity(writer=writer, seq=seq)


def _describe(result: IngestResult) -> dict[str, Any]:
    return {
        "applied": result.applied,
        "duplicate": result.is_duplicate,
        "errors": [
            {"index": error.index, "path": error.path, "code": error.code, "message": error.message}
            for error in result.errors
        ],
    }
