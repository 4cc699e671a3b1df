"""Organizations that the caller belongs to."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import page
from api.views import ApiView
from api.wire import Input, Output, page_of
from projects.access import visible_organizations
from projects.models import Organization


class OrganizationAnswer(Output):
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    display_name = serializers.CharField()
    created_at = serializers.DateTimeField()


class NoQuery(Input):
    """Takes no parameters."""


class OrganizationList(ApiView):
    @extend_schema(summary="List your organizations", responses=page_of(OrganizationAnswer))
    def get(self, request: Request) -> Response:
        self.query(NoQuery)
        return Response(page([describe_organization(each) for each in visible_organizations(self.actor)]))


def describe_organization(organization: Organization) -> dict[str, Any]:
    return {
        "uuid": organization.uuid,
        "name": organization.name,
        "display_name": organization.display_name,
        "created_at": organization.created_at,
    }
