"""executeOperations: everything that is logged, except files."""

from __future__ import annotations

import hashlib
import uuid as uuids
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from api.body import MalformedBody
from api.compat.neptune.answers import json_answer
from api.compat.neptune.authentication import (
    LoggingAuthentication,
    LoggingClient,
    logging_client,
    recent_logging_client,
)
from api.compat.neptune.body import MAX_JSON_BYTES, parse_json, room_for
from api.compat.neptune.images import ImageShelf
from api.compat.neptune.views.base import WireView, container_by_identifier, parameter, raw, uuid_from
from api.compat.neptune.wire.large import read_large
from api.compat.neptune.wire.operations import KeepImage, read_batch
from api.compat.neptune.wire.points import read_points
from api.compat.neptune.wire.values import BadValue
from api.received import Body, ReceiveFirst, is_arriving, received_body
from projects.access import Action, Actor
from projects.exceptions import NotAuthenticated, NotFound
from runs.commits import FindLeader
from runs.log_access import LOOKED_UP, access_run_to_log, look_up_runs_to_log, recent_run_to_log
from runs.models import Run
from runs.operations import BatchIdentity, Operation, OperationError, PointColumns
from runs.services.ingest import (
    Submitted,
    apply_operations,
    apply_points,
    log_points,
    look_for_room,
    submit_points,
)

MAX_ERRORS_ANSWERED = 1000
DIGEST_LENGTH = 32
ADDRESS = "/api/leaderboard/v1/attributes/operations"


class OperationsView(WireView):
    authentication_classes = [LoggingAuthentication]

    def post(self, request: Request) -> HttpResponse:
        """Apply a batch. Whatever is wrong with single operations is told in a 200: the clients end their thread at any
        other answer, and hold the whole batch for done at this one."""
        client = request.auth
        assert isinstance(client, LoggingClient)  # noqa: S101 - what LoggingAuthentication returns
        run = _run(client.actor, parameter(request, "experimentId"))
        if is_arriving(raw(request), limit=MAX_JSON_BYTES):
            return ReceiveFirst()
        with received_body(raw(request), limit=MAX_JSON_BYTES) as body, room_for(body):
            errors = _apply(run, body, client.session)
        return json_answer(operation_errors(errors))


def _run(actor: Actor, identifier: str) -> Run:
    """The run or other container, nearly always named by its uuid and one that the client logged to just before."""
    uuid = uuid_from(identifier)
    if uuid is not None:
        with suppress(NotFound):
            return access_run_to_log(actor, uuid)
    return container_by_identifier(actor, identifier, Action.LOG)


def _apply(run: Run, body: Body, session: str) -> list[OperationError]:
    identity = _identity(body, session)
    read = _read(run, body)
    result = (
        apply_points(run, read, identity=identity)
        if isinstance(read, PointColumns)
        else apply_operations(run, read, identity=identity)
    )
    return sorted(result.errors, key=lambda error: error.index)


def _identity(body: Body, session: str) -> BatchIdentity:
    # The same bytes are the same batch: its points carry the time at which they were logged. Half of SHA-256 is enough
    # to tell batches apart, and processors that compute it themselves do so twice as fast as BLAKE2.
    return BatchIdentity(digest=hashlib.sha256(body).hexdigest()[:DIGEST_LENGTH], session=session)


def answer_shortly(environ: Mapping[str, Any], body: bytes) -> bytes | None:
    """The answer to points of a run named by its uuid; None, with nothing written, when the view has to look."""
    name, _, identifier = environ["QUERY_STRING"].partition("=")
    client = logging_client(environ)
    uuid = uuid_from(identifier)
    if name != "experimentId" or uuid is None:
        return None
    run = access_run_to_log(client.actor, uuid)
    columns = read_points(body)
    if columns is None or log_points(run, columns, identity=_identity(body, client.session)) is None:
        return None
    return b"[]"


def begin_shortly(
    environ: Mapping[str, Any], body: bytes, when_done: Callable[[bytes | None], object], find_leader: FindLeader
) -> Submitted:
    """As answer_shortly, but this thread does not wait (see submit_points): whether `when_done` will be called."""
    name, _, identifier = environ["QUERY_STRING"].partition("=")
    uuid = uuid_from(identifier)
    if name != "experimentId" or uuid is None:
        return Submitted.NO
    found = environ.get(LOOKED_UP) or _recent_door(environ, uuid)
    if found is None:
        return Submitted.LOOK_FIRST
    columns = read_points(body)
    if columns is None:
        return Submitted.NO
    run_id, session = found
    return submit_points(
        run_id,
        columns,
        identity=_identity(body, session),
        when_done=lambda result: when_done(None if result is None else b"[]"),
        find_leader=find_leader,
    )


def _recent_door(environ: Mapping[str, Any], uuid: uuids.UUID) -> tuple[int, str] | None:
    """The id of the run and the session, if it is known that this client may log to it."""
    client = recent_logging_client(environ)
    run_id = None if client is None else recent_run_to_log(client.actor, uuid)
    return None if client is None or run_id is None else (run_id, client.session)


def look_first(environs: Iterable[MutableMapping[str, Any]]) -> None:
    """Ask what begin_shortly has to know for these. What is found is put into them: it was asked after they came, so
    it holds for them however late they are begun."""
    asked = []
    for environ in environs:
        uuid = uuid_from(environ["QUERY_STRING"].partition("=")[2])
        if uuid is not None:
            with suppress(NotAuthenticated):
                asked.append((environ, logging_client(environ).actor, uuid))
    look_up_runs_to_log((actor, uuid) for _, actor, uuid in asked)
    for environ, _, uuid in asked:
        environ[LOOKED_UP] = _recent_door(environ, uuid)
    look_for_room({environ[LOOKED_UP][0] for environ, _, _ in asked if environ[LOOKED_UP]})


def _read(run: Run, body: Body) -> PointColumns | Sequence[Operation]:
    if isinstance(body, bytes) and (columns := read_points(body)) is not None:
        return columns
    with ImageShelf(run) as shelf:
        read = _read_short(body, shelf.keep) if isinstance(body, bytes) else read_large(body, shelf.keep)
        return read if isinstance(read, PointColumns) else shelf.stored(read)


def _read_short(body: bytes, keep_image: KeepImage) -> list[Operation]:
    try:
        return read_batch(parse_json(body), keep_image)
    except BadValue as problem:
        raise MalformedBody(str(problem), position=0) from None


def operation_errors(errors: Sequence[OperationError]) -> list[dict[str, Any]]:
    """Errors as the clients read them. They show only the description, so the path is part of it."""
    return [{"errorType": _error_type(error), "errorDescription": _description(error)} for error in errors][
        :MAX_ERRORS_ANSWERED
    ]


def _error_type(error: OperationError) -> str:
    return "metadata_inconsistency" if error.code == "type_conflict" else error.code


def _description(error: OperationError) -> str:
    return error.message if not error.path or error.path in error.message else f"{error.path[:200]}: {error.message}"
