"""Runs: the table of a project, one run, and what people do with it."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.limits import RUN_COLUMNS
from api.pagination import page
from api.rendering import Written
from api.v1.described import RunDetail, RunRowAnswer, describe_detail, describe_row
from api.views import ApiView, created
from api.wire import Input, Output, PageQuery, PathField, SearchField, page_of
from projects.access import Action, Actor, access_project, actions_in
from projects.exceptions import InvalidInput
from projects.models import User
from runs.access import access_run_by_uuid
from runs.models import AttributeKind, Run, SignalKind
from runs.models.attribute import MAX_TAG_LENGTH
from runs.operations import AddTags, AssignValue, BatchIdentity, ClearTags, Operation
from runs.query import QuerySyntaxError, parse, parse_column
from runs.selectors.attributes import get_attribute
from runs.selectors.ordering import Sort
from runs.selectors.runs import list_runs, rows_for
from runs.selectors.search import Search
from runs.services.ingest import apply_operations
from runs.services.plan import MAX_TAGS_PER_OPERATION
from runs.services.runs import create_run, finish_run, request_signal, restore_runs, trash_runs


class TagsField(serializers.ListField):
    child = serializers.CharField(max_length=MAX_TAG_LENGTH)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_TAGS_PER_OPERATION, "required": False, **kwargs})


class RunQuery(PageQuery):
    columns = serializers.CharField(
        max_length=RUN_COLUMNS * 1025,
        required=False,
        allow_blank=True,
        default="",
        trim_whitespace=False,
        help_text="Paths of attributes to show, separated by commas. A path that holds a comma goes into `column`.",
    )
    column = serializers.ListField(child=PathField(), max_length=RUN_COLUMNS, required=False, default=list)
    search = SearchField(help_text="In id, name and tags.")
    query = serializers.CharField(
        max_length=10_000,
        required=False,
        allow_blank=True,
        default="",
        help_text='Conditions such as `metrics/loss < 0.1 AND sys/tags CONTAINS "cnn"`.',
    )
    sort = serializers.CharField(
        max_length=1100,
        required=False,
        default="sys/creation_time",
        trim_whitespace=False,
        help_text="Path of an attribute; for series also `min(path)`, `max`, `mean`, `variance`, `count`.",
    )
    order = serializers.ChoiceField(choices=["asc", "desc"], default="desc")
    trashed = serializers.BooleanField(default=False)
    count = serializers.BooleanField(default=True, help_text="Whether to count all runs that match.")
    statistics = serializers.BooleanField(
        default=False, help_text="Whether series come with their count, last step, minimum, maximum, mean and variance."
    )


class RunInput(Input):
    custom_id = serializers.CharField(max_length=730, required=False, allow_null=True, default=None)
    name = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    tags = TagsField()


class RunChange(Input):
    name = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    tags = TagsField()


class SignalInput(Input):
    kind = serializers.ChoiceField(choices=[kind.value for kind in SignalKind])
    seconds = serializers.IntegerField(
        min_value=1, max_value=3600, default=60, help_text="How long its client may take to send what it holds."
    )


class SignalAnswer(Output):
    kind = serializers.ChoiceField(choices=[kind.value for kind in SignalKind])
    created_at = serializers.DateTimeField()


class RunList(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the runs of a project",
        description="Newest first or in the order asked for, with the attributes named as columns. Runs that lack the"
        " attribute come last. 400 `bad_query` names the `position` in `query` that can't be understood.",
        parameters=[RunQuery],
        responses=page_of(
            RunRowAnswer, total=serializers.IntegerField(help_text="All runs that match.", allow_null=True)
        ),
    )
    def get(self, request: Request, organization: str, project: str) -> Response:
        found = access_project(self.actor, organization, project, Action.VIEW)
        query = self.query(RunQuery)
        columns = [*filter(None, query["columns"].split(",")), *query["column"]]
        try:
            search = Search(
                query=parse(query["query"]),
                sort=Sort(*parse_column(query["sort"]), is_descending=query["order"] == "desc"),
                text=query["search"],
                trashed=query["trashed"],
            )
            runs = list_runs(
                found,
                search,
                columns=columns,
                limit=query["limit"],
                cursor=query["cursor"],
                with_total=query["count"],
                with_statistics=query["statistics"],
            )
        except QuerySyntaxError as error:
            raise InvalidInput(str(error), code="bad_query", field="query", position=error.position) from error
        total = runs.total if query["count"] else None
        rows = [describe_row(row, with_statistics=query["statistics"]) for row in runs.rows]
        return Response(Written(page(rows, runs.next_cursor, total=total)))

    @extend_schema(
        summary="Create a run",
        description="With a `custom_id` that the project has already, that run is answered (200), unchanged.",
        request=RunInput,
        responses={201: RunDetail, 200: RunDetail},
    )
    def post(self, request: Request, organization: str, project: str) -> Response:
        found = access_project(self.actor, organization, project, Action.LOG)
        fields = self.body(RunInput)
        owner = self.actor.user
        with transaction.atomic():
            run, is_new = create_run(
                project=found,
                owner=owner if isinstance(owner, User) else None,
                custom_id=fields["custom_id"],
                name=fields["name"],
            )
            if is_new:
                _change(run, {key: fields[key] for key in ("description", "tags") if fields.get(key)})
        return created(_detail(access_run_by_uuid(self.actor, run.uuid, Action.VIEW), self.actor), is_new=is_new)


class RunView(ApiView):
    is_public_readable = True

    @extend_schema(summary="Get a run", responses=RunDetail)
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        return Response(_detail(access_run_by_uuid(self.actor, uuid, Action.VIEW), self.actor))

    @extend_schema(summary="Change a run's name, description or tags", request=RunChange, responses=RunDetail)
    def patch(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.EDIT)
        _change(run, self.body(RunChange))
        return Response(_detail(access_run_by_uuid(self.actor, uuid, Action.VIEW), self.actor))


class RunAct(ApiView):
    """Something done to a run that takes no more than its address."""

    action = Action.EDIT

    def post(self, request: Request, uuid: uuids.UUID) -> Response:
        self.act(access_run_by_uuid(self.actor, uuid, self.action))
        return Response(_detail(access_run_by_uuid(self.actor, uuid, Action.VIEW), self.actor))

    def act(self, run: Run) -> None:
        raise NotImplementedError


@extend_schema(summary="Move a run to the trash", request=None, responses=RunDetail)
class RunTrash(RunAct):
    def act(self, run: Run) -> None:
        trash_runs([run])


@extend_schema(summary="Take a run out of the trash", request=None, responses=RunDetail)
class RunRestore(RunAct):
    def act(self, run: Run) -> None:
        restore_runs([run])


@extend_schema(summary="Say that a run has ended", request=None, responses=RunDetail)
class RunFinish(RunAct):
    action = Action.LOG

    def act(self, run: Run) -> None:
        finish_run(run)


class RunSignals(ApiView):
    @extend_schema(
        summary="Ask a live run to stop or to abort",
        description="400 `not_running` when nobody would hear it.",
        request=SignalInput,
        responses={201: SignalAnswer},
    )
    def post(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.EDIT)
        fields = self.body(SignalInput)
        user = self.actor.user
        signal = request_signal(
            run=run,
            kind=SignalKind(fields["kind"]),
            requested_by=user if isinstance(user, User) else None,
            seconds=fields["seconds"],
        )
        return created({"kind": signal.kind, "created_at": signal.created_at})


class ChangesQuery(Input):
    since = serializers.DateTimeField(required=False, help_text="`touched_at` of the answer before.")


class ChangesAnswer(Output):
    touched_at = serializers.DateTimeField()
    last_activity_at = serializers.DateTimeField()
    state = serializers.CharField()
    changed = serializers.BooleanField(help_text="Whether anything was written after `since`; true without it.")
    running_seconds = serializers.FloatField()


class RunChanges(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="Ask whether a run changed",
        description="Cheap enough to be asked every few seconds by a page that is looked at.",
        parameters=[ChangesQuery],
        responses=ChangesAnswer,
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        since = self.query(ChangesQuery).get("since")
        return Response(
            {
                "touched_at": run.changed_at,
                "last_activity_at": max(run.touched_at, run.last_ping_at or run.touched_at),
                "state": run.state,
                "changed": since is None or run.changed_at > since,
                "running_seconds": run.running_seconds,
            }
        )


def _detail(run: Run, actor: Actor) -> dict[str, Any]:
    row = rows_for(run.project, [run])[0]
    description = get_attribute(run, "sys/description")
    return describe_detail(
        row,
        description=str(description.value) if description and description.value else "",
        actions=sorted(actions_in(actor, run.project)),
    )


def _change(run: Run, fields: dict[str, Any]) -> None:
    """Assign sys/name, sys/description and sys/tags as far as they are given. Raises InvalidInput for what can't be."""
    operations: list[Operation] = [
        AssignValue(path=f"sys/{name}", kind=AttributeKind.STRING, value=fields[name])
        for name in ("name", "description")
        if name in fields
    ]
    if "tags" in fields:
        operations += [ClearTags(path="sys/tags"), AddTags(path="sys/tags", tags=fields["tags"])]
    if not operations:
        return
    result = apply_operations(run, operations, identity=BatchIdentity(), is_edit=True)
    for error in result.errors:
        raise InvalidInput(error.message, field=error.path.removeprefix("sys/"))
