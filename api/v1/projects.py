"""Projects, and the catalogue of the attributes that occur in one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import decode_cursor, encode_cursor, page
from api.v1.kinds import KIND_NAMES, kind_by_name
from api.views import ApiView, created
from api.wire import Input, Output, PageQuery, SearchField, page_of
from projects.access import Action, Actor, access_project, actions_in
from projects.models import Project, Visibility
from projects.models.names import KEY_MAX_LENGTH, NAME_MAX_LENGTH
from projects.selectors.projects import list_projects
from projects.services.projects import create_project, update_project
from runs.selectors.attributes import list_definitions

_VISIBILITIES = [choice.value for choice in Visibility]


class ProjectQuery(PageQuery):
    search = SearchField()
    organization = serializers.CharField(max_length=NAME_MAX_LENGTH, required=False, allow_blank=True, default="")


class ProjectInput(Input):
    organization = serializers.CharField(max_length=NAME_MAX_LENGTH)
    name = serializers.CharField(max_length=NAME_MAX_LENGTH)
    key = serializers.CharField(max_length=KEY_MAX_LENGTH, required=False, allow_blank=True, default="")
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")
    visibility = serializers.ChoiceField(choices=_VISIBILITIES, default=Visibility.PRIVATE.value)


class ProjectChange(Input):
    description = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
    visibility = serializers.ChoiceField(choices=_VISIBILITIES, required=False)


class ProjectAnswer(Output):
    uuid = serializers.UUIDField()
    organization = serializers.CharField()
    name = serializers.CharField()
    key = serializers.CharField()
    description = serializers.CharField()
    visibility = serializers.ChoiceField(choices=_VISIBILITIES)
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class ProjectDetail(ProjectAnswer):
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=[each.value for each in Action]), help_text="What you may do in it."
    )


class ProjectList(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List projects",
        description="The projects you may see, by organization and name.",
        parameters=[ProjectQuery],
        responses=page_of(ProjectAnswer),
    )
    def get(self, request: Request) -> Response:
        query = self.query(ProjectQuery)
        limit = query["limit"]
        projects = list_projects(
            self.actor,
            organization=query["organization"],
            search=query["search"],
            after=decode_cursor("projects", query["cursor"]),
            limit=limit + 1,
        )
        following = None
        if len(projects) > limit:
            last = projects[limit - 1]
            following = encode_cursor("projects", [last.organization.name, last.name])
        return Response(page([describe_project(each) for each in projects[:limit]], following))

    @extend_schema(summary="Create a project", request=ProjectInput, responses={201: ProjectDetail})
    def post(self, request: Request) -> Response:
        fields = self.body(ProjectInput)
        project = create_project(
            actor=self.actor,
            organization=fields["organization"],
            name=fields["name"],
            key=fields["key"],
            description=fields["description"],
            visibility=Visibility(fields["visibility"]),
        )
        return created(describe_with_actions(project, self.actor))


class ProjectView(ApiView):
    is_public_readable = True

    @extend_schema(summary="Get a project", responses=ProjectDetail)
    def get(self, request: Request, organization: str, project: str) -> Response:
        found = access_project(self.actor, organization, project, Action.VIEW)
        return Response(describe_with_actions(found, self.actor))

    @extend_schema(summary="Change a project", request=ProjectChange, responses=ProjectDetail)
    def patch(self, request: Request, organization: str, project: str) -> Response:
        found = access_project(self.actor, organization, project, Action.MANAGE)
        changes = self.body(ProjectChange)
        visibility = Visibility(changes["visibility"]) if "visibility" in changes else None
        update_project(found, description=changes.get("description"), visibility=visibility)
        return Response(describe_with_actions(found, self.actor))


class DefinitionQuery(PageQuery):
    search = SearchField()
    kind = serializers.ChoiceField(choices=KIND_NAMES, required=False)


class DefinitionAnswer(Output):
    path = serializers.CharField()
    kind = serializers.ChoiceField(choices=KIND_NAMES)


class DefinitionList(ApiView):
    is_public_readable = True

    @extend_schema(
        summary="List the attributes that occur in a project",
        parameters=[DefinitionQuery],
        responses=page_of(DefinitionAnswer),
    )
    def get(self, request: Request, organization: str, project: str) -> Response:
        found = access_project(self.actor, organization, project, Action.VIEW)
        query = self.query(DefinitionQuery)
        path, kind = decode_cursor("definitions", query["cursor"]) or ("", 0)
        wanted = kind_by_name(query["kind"]) if "kind" in query else None
        limit = query["limit"]
        rows = list_definitions(found.pk, search=query["search"], kind=wanted, after=(path, kind), limit=limit + 1)
        following = None
        if len(rows) > limit:
            following = encode_cursor("definitions", [rows[limit - 1].path, rows[limit - 1].kind])
        return Response(page([{"path": row.path, "kind": row.get_kind_display()} for row in rows[:limit]], following))


def describe_project(project: Project) -> dict[str, Any]:
    return {
        "uuid": project.uuid,
        "organization": project.organization.name,
        "name": project.name,
        "key": project.key,
        "description": project.description,
        "visibility": project.visibility,
        "created_at": project.created_at,
        "archived_at": project.archived_at,
    }


def describe_with_actions(project: Project, actor: Actor) -> dict[str, Any]:
    return {**describe_project(project), "actions": sorted(actions_in(actor, project))}
