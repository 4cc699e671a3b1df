"""The base of the native API's views: credentials, permission, JSON in and out, and errors, the same everywhere."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api import errors
from api.authentication import SessionAuthentication, TokenAuthentication
from api.body import read_json
from api.limits import JSON_BODY
from api.permissions import HasActor
from api.rendering import StrictJsonRenderer
from projects.access import ANONYMOUS, Actor
from projects.exceptions import NotFound


class JsonBody(BaseParser):
    """Describes the bodies in the schema; views read them with `ApiView.body`."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return read_json(parser_context["request"]._request)


class FirstRenderer(BaseContentNegotiation):
    """Answers do not depend on what a client says it accepts: JSON is JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class ResourceSchema(AutoSchema):
    """Names operations after method and view, and groups them by the resource their address begins with."""

    def get_operation_id(self) -> str:
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self.view).__name__).lower()
        return f"{self.method.lower()}_{words}"

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular declares it
        return ""  # the views' docstrings speak to programmers; what users read is given with extend_schema

    def get_tags(self) -> list[str]:
        parts = self.path.removeprefix("/api/v1/").strip("/").split("/")
        return [parts[3] if parts[0] == "projects" and len(parts) > 3 else parts[0]]


class ApiView(APIView):
    """Denies everybody who is not signed in, unless the view opens itself (see permissions.HasActor)."""

    authentication_classes = [TokenAuthentication, SessionAuthentication]
    permission_classes = [HasActor]
    renderer_classes: Sequence[type[BaseRenderer]] = [StrictJsonRenderer]
    parser_classes: Sequence[type[BaseParser]] = [JsonBody]
    content_negotiation_class = FirstRenderer
    metadata_class = None
    schema = ResourceSchema()
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    is_open = False
    is_public_readable = False
    actor: Actor = ANONYMOUS

    @property
    def is_anonymous(self) -> bool:
        return self.actor.user_id is None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        request.request_id = getattr(request, "request_id", "") or uuid.uuid4().hex  # type: ignore[attr-defined]
        # There are no form bodies here: nothing may read one as a form, least of all before its limits are checked.
        request._post, request._files = QueryDict(), MultiValueDict()  # type: ignore[attr-defined]
        return super().initialize_request(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        self.actor = request.auth if isinstance(request.auth, Actor) else ANONYMOUS

    def get_exception_handler(self) -> Any:
        return errors.handle

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]
        response.headers["X-Request-ID"] = request._request.request_id  # type: ignore[attr-defined]
        response.headers.setdefault("Cache-Control", "private, no-store")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response

    def body(self, serializer_class: type[serializers.Serializer[Any]], *, limit: int = JSON_BODY) -> dict[str, Any]:
        """The JSON body, validated by a serializer. Raises ValidationError and what read_json raises."""
        return _validated(serializer_class, read_json(self.request._request, limit=limit))

    def query(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The query parameters, validated by a serializer; unknown ones are refused."""
        return _validated(serializer_class, self.request.GET)


class Unknown(ApiView):
    """Any address of the API that does not exist."""

    is_open = True
    http_method_names = [*ApiView.http_method_names, "options", "trace"]
    schema = None  # type: ignore[assignment]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wrapped = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        self.request, self.args, self.kwargs = wrapped, args, kwargs
        response: HttpResponseBase = errors.handle(
            NotFound("There is no such address in this API."), {"request": wrapped, "view": self}
        )
        return self.finalize_response(wrapped, response, *args, **kwargs)


def _validated(serializer_class: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    validated: dict[str, Any] = _serializer(serializer_class).run_validation(data)
    return validated


@cache
def _serializer(serializer_class: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The one instance that validates for all requests: each would copy all fields, and validation changes none."""
    return serializer_class()


def created(data: Any, *, is_new: bool = True) -> Response:
    """201 for something made, 200 for something that was there already."""
    return Response(data, status=201 if is_new else 200)
