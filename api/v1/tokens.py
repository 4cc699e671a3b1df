"""The caller's API tokens. A token's readable form is in the answer to its creation and nowhere else."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import page
from api.v1.organizations import NoQuery
from api.views import ApiView, created
from api.wire import Input, Output, page_of
from projects.access import Action, access_project
from projects.exceptions import InvalidInput
from projects.models import ApiToken, Project, Scope, User
from projects.selectors.tokens import list_tokens
from projects.services.tokens import issue_token, revoke_token

_SCOPES = [choice.value for choice in Scope]


class TokenInput(Input):
    name = serializers.CharField(max_length=100)
    scope = serializers.ChoiceField(choices=_SCOPES, default=Scope.LOG.value)
    projects = serializers.ListField(
        child=serializers.CharField(max_length=201),
        max_length=100,
        required=False,
        default=list,
        help_text="Only these projects, as `organization/project`; none means all of yours.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class TokenAnswer(Output):
    id = serializers.IntegerField()
    name = serializers.CharField()
    public_id = serializers.CharField(help_text="The readable part of the key.")
    scope = serializers.ChoiceField(choices=_SCOPES)
    projects = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="null: all of yours.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_address = serializers.CharField(allow_null=True)
    last_used_client = serializers.CharField()


class IssuedToken(TokenAnswer):
    token = serializers.CharField(help_text="What NEPTUNE_API_TOKEN takes. Shown this once.")


class TokenList(ApiView):
    @extend_schema(summary="List your API tokens", responses=page_of(TokenAnswer))
    def get(self, request: Request) -> Response:
        self.query(NoQuery)
        return Response(page([describe_token(token) for token in list_tokens(self.actor)]))

    @extend_schema(summary="Create an API token", request=TokenInput, responses={201: IssuedToken})
    def post(self, request: Request) -> Response:
        fields = self.body(TokenInput)
        owner = self.actor.user
        assert isinstance(owner, User)  # noqa: S101 - HasActor let nobody else in
        token, text = issue_token(
            actor=self.actor,
            owner=owner,
            name=fields["name"],
            scope=Scope(fields["scope"]),
            projects=[self._project(name) for name in fields["projects"]],
            expires_at=fields["expires_at"],
        )
        return created({**describe_token(token), "token": text})

    def _project(self, qualified_name: str) -> Project:
        organization, separator, name = qualified_name.partition("/")
        if not separator:
            raise InvalidInput("Name projects as organization/project.", field="projects")
        return access_project(self.actor, organization, name, Action.VIEW)


class TokenView(ApiView):
    @extend_schema(
        summary="Revoke an API token", description="Revoking it again changes nothing.", responses={204: None}
    )
    def delete(self, request: Request, token_id: int) -> Response:
        revoke_token(actor=self.actor, token_id=token_id)
        return Response(status=204)


def describe_token(token: ApiToken) -> dict[str, Any]:
    projects = [project.qualified_name for project in token.projects.all()] if token.is_limited_to_projects else None
    return {
        "id": token.pk,
        "name": token.name,
        "public_id": token.public_id,
        "scope": token.scope,
        "projects": projects,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
        "last_used_address": token.last_used_address,
        "last_used_client": token.last_used_client,
    }
