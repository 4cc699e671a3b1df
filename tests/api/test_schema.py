import json
import re

from django.urls import get_resolver
from openapi_spec_validator import validate

from api.v1.schema import build_schema


def test_the_description_is_valid_openapi(anonymous, db):
    response = anonymous.get("schema/")
    assert response.status_code == 200
    validate(response.json())


def test_every_address_and_method_is_described():
    described = build_schema()["paths"]
    for pattern in get_resolver("api.v1.urls").url_patterns:
        if str(pattern.name) in {"schema", "docs", "unknown"}:
            continue
        path = "/api/v1/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        methods = {m for m in ("get", "post", "put", "patch", "delete") if hasattr(pattern.callback.cls, m)}
        assert methods == set(described[path]), path


def test_every_operation_has_a_name_a_summary_and_an_error():
    operations = [each for methods in build_schema()["paths"].values() for each in methods.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names))
    for each in operations:
        assert each["summary"]
        assert each["responses"]["default"]


def test_the_reference_page_loads_only_files_of_this_server(anonymous, db):
    response = anonymous.get("docs/")
    page = response.content.decode()
    assert response.headers["Content-Type"].startswith("text/html")
    assert all(address.startswith(("/static/", "data:")) for address in re.findall(r'(?:src|href)="([^"]+)"', page))
    assert "<script>" not in page
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy


def test_the_description_gives_no_secret_away(settings):
    assert settings.SECRET_KEY not in json.dumps(build_schema())
