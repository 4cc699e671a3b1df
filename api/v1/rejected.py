"""What could not be applied to a run: nothing that was sent disappears without a trace."""

from __future__ import annotations

import uuid as uuids

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import decode_cursor, encode_cursor, page
from api.views import ApiView
from api.wire import Output, PageQuery, page_of
from projects.access import Action
from runs.access import access_run_by_uuid
from runs.selectors.rejections import list_rejections


class RejectionAnswer(Output):
    received_at = serializers.DateTimeField()
    path = serializers.CharField()
    operation = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    excerpt = serializers.CharField(help_text="The beginning of what was sent.")


class RejectionList(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the operations that could not be applied",
        description="Newest first.",
        parameters=[PageQuery],
        responses=page_of(RejectionAnswer),
    )
    def get(self, request: Request, uuid: uuids.UUID) -> Response:
        run = access_run_by_uuid(self.actor, uuid, Action.VIEW)
        query = self.query(PageQuery)
        limit = query["limit"]
        rows = list_rejections(run, before=decode_cursor("rejected", query["cursor"]), limit=limit + 1)
        following = encode_cursor("rejected", rows[limit - 1].pk) if len(rows) > limit else None
        results = [
            {
                "received_at": row.received_at,
                "path": row.path,
                "operation": row.operation,
                "code": row.code,
                "message": row.message,
                "excerpt": row.excerpt,
            }
            for row in rows[:limit]
        ]
        return Response(page(results, following))
