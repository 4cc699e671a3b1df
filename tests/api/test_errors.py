import errno

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import DataError, OperationalError
from django.test import Client

from api.v1 import organizations
from tests.api.conftest import Caller, refused


@pytest.fixture
def failing(monkeypatch, api, project):
    """The answer when reading organizations raises a given error."""

    def get(error: BaseException):
        def fail(_):
            raise error

        monkeypatch.setattr(organizations, "visible_organizations", fail)
        caller = Caller(Client(raise_request_exception=False), **api.headers)
        return caller.get("organizations/")

    return get


def test_an_unexpected_error_gives_no_detail_away(failing):
    response = failing(RuntimeError("secret path /srv/data and token trk_x"))
    refused(response, 500, "internal_error")
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


@pytest.mark.parametrize("error", [OperationalError("database is locked"), OSError(errno.ENOSPC, "No space left")])
def test_a_service_that_is_down_asks_to_send_again(failing, error):
    response = failing(error)
    refused(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert b"locked" not in response.content


@pytest.mark.parametrize("error", [SuspiciousOperation("x"), DataError("value out of range")])
def test_what_only_the_database_notices_is_still_the_senders_fault(failing, error):
    refused(failing(error), 400, "invalid")


@pytest.mark.parametrize(
    "path", ["", "nothing/", "runs/", "runs/x/", "runs/00000000-0000-0000-0000-00000000000g/", "projects"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_address_is_json_for_everybody(api, anonymous, db, path, method):
    for caller in (api, anonymous):
        refused(caller.request(method, path), 404, "not_found")


def test_a_method_that_an_address_lacks_names_those_it_has(api, project):
    response = api.delete("projects/")
    refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", ""])
def test_errors_are_json_whatever_the_caller_accepts(api, project, accept):
    refused(api.get("projects/lab/none/", headers={"Accept": accept}), 404, "not_found")
    assert api.get("projects/?format=html").status_code == 400


def test_every_answer_is_private_and_of_one_type(api, project):
    response = api.get("projects/")
    assert response.headers["Cache-Control"] == "private, no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Type"] == "application/json"


def test_a_host_that_is_not_ours_is_refused_in_json(api, project):
    response = api.get("projects/", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert response.json()["code"]


@pytest.mark.parametrize(
    ("body", "extra"),
    [
        (b"{", {}),
        (b'{"a":1,"a":2}', {}),
        (b'{"name": "\\u0000"}', {}),
        (b"[" * 70 + b"]" * 70, {}),
        (b"\x1f\x8b", {"headers": {"Content-Encoding": "gzip"}}),
        (b"\xff", {}),
    ],
)
def test_a_malformed_body_is_refused_with_a_position(api, project, body, extra):
    answer = refused(api.post("projects/", data=body, **extra), 400, "malformed_body")
    assert isinstance(answer["position"], int)


def test_a_large_body_is_refused_with_the_limit(api, project):
    answer = refused(api.post("projects/", data=b'"' + b"x" * 2_000_000 + b'"'), 413, "too_large")
    assert answer["limit"] == 1024 * 1024
    assert answer["got"] == 2_000_002


def test_a_form_is_refused(api, project):
    refused(
        api.post("projects/", data="name=x", content_type="application/x-www-form-urlencoded"),
        415,
        "unsupported_media_type",
    )
