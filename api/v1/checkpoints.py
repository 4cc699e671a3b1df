"""Checkpoints: files that hold models, and what is known of their insides without loading them."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.limits import MAX_PAGE_SIZE, PAGE_SIZE
from api.pagination import page
from api.v1.files import FileEntryAnswer, describe_entry
from api.views import ApiView
from api.wire import Input, page_of
from projects.access import Action
from runs.access import access_run_by_uuid
from runs.models import JobState
from runs.selectors.files import Checkpoint, checkpoints


class CheckpointQuery(Input):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class CheckpointAnswer(FileEntryAnswer):
    facts = serializers.DictField(help_text="What was found; empty until it was examined.")
    state = serializers.ChoiceField(choices=[state.value for state in JobState])
    problem = serializers.CharField()


class RunCheckpoints(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the checkpoints of a run",
        description="Newest first.",
        parameters=[CheckpointQuery],
        responses=page_of(CheckpointAnswer),
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(CheckpointQuery)
        return Response(page([_describe(each) for each in checkpoints(run, limit=query["limit"])]))


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        **describe_entry(checkpoint.entry),
        "facts": checkpoint.facts,
        "state": checkpoint.state,
        "problem": checkpoint.problem,
    }
