"""The description of this API (OpenAPI 3) and a page to browse it, made of files of this server only."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.shortcuts import render
from django.urls import include, path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.views import ApiView

# The reference is drawn by Swagger UI, which sets styles from its script and brings its icons as data: addresses.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_ERROR = {
    "type": "object",
    "required": ["code", "message", "request_id"],
    "properties": {
        "code": {"type": "string", "description": "Stable, for programs."},
        "message": {"type": "string", "description": "For people."},
        "request_id": {"type": "string"},
    },
    "additionalProperties": True,
}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: the bare key or the clients' form."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A signed-in browser. Every method but GET needs the CSRF token in X-CSRFToken.",
        }


class SchemaView(ApiView):
    is_open = True

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(build_schema(), headers={"Cache-Control": "public, max-age=300"})


class ReferencePage(ApiView):
    is_open = True

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Any:
        response = render(request._request, "api/reference.html")
        response.headers["Content-Security-Policy"] = _PAGE_POLICY
        return response


@cache
def build_schema() -> dict[str, Any]:
    """The OpenAPI document; it depends on the code only."""
    generator = SchemaGenerator(patterns=[path("api/v1/", include("api.v1.urls"))])  # type: ignore[no-untyped-call]
    with patched_settings({"POSTPROCESSING_HOOKS": []}):
        document: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    document["components"].setdefault("schemas", {})["Error"] = _ERROR
    answer = {
        "description": "Refused; the status says how.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].setdefault("default", answer)
    return document
