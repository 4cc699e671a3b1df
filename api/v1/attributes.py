"""The attributes of one run."""

from __future__ import annotations

import uuid as uuids

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.limits import MAX_PAGE_SIZE
from api.pagination import decode_cursor, encode_cursor, page
from api.v1.described import AttributeAnswer, describe_attribute
from api.v1.kinds import KIND_NAMES, kind_by_name
from api.views import ApiView
from api.wire import PageQuery, PathField, SearchField, page_of
from projects.access import Action
from runs.access import access_run_by_uuid
from runs.selectors.attributes import get_attributes, list_attributes


class AttributeQuery(PageQuery):
    prefix = PathField(required=False, allow_blank=True, default="", help_text="Only those inside this namespace.")
    search = SearchField(help_text="In the path.")
    kind = serializers.ListField(
        child=serializers.ChoiceField(choices=KIND_NAMES), max_length=len(KIND_NAMES), required=False, default=list,
        help_text="Only those of these kinds.",
    )  # fmt: skip
    path = serializers.ListField(
        child=PathField(),
        max_length=MAX_PAGE_SIZE,
        required=False,
        default=list,
        help_text="Only these, without paging.",
    )


class AttributeList(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the attributes of a run",
        description="By path, with values and, for series, the summary of all points.",
        parameters=[AttributeQuery],
        responses=page_of(AttributeAnswer),
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(AttributeQuery)
        if query["path"]:
            found = get_attributes(run, query["path"])
            return Response(page([describe_attribute(found[path]) for path in sorted(found)]))
        limit = query["limit"]
        after = decode_cursor("attributes", query["cursor"]) or ""
        prefix = query["prefix"].strip("/")
        kinds = [kind_by_name(name) for name in query["kind"]]
        views = list_attributes(run, prefix=prefix, search=query["search"], kinds=kinds, after=after, limit=limit + 1)
        following = encode_cursor("attributes", views[limit - 1].path) if len(views) > limit else None
        return Response(page([describe_attribute(view) for view in views[:limit]], following))
