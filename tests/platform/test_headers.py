"""What every answer says to browsers, and what machines get where there is nothing."""

import pytest
import requests


@pytest.mark.parametrize("path", ["/healthz", "/login", "/api/v1/projects/", "/api/nothing", "/nothing-here/at-all"])
def test_every_answer_keeps_browsers_from_doing_more_than_they_should(live_platform, path):
    headers = requests.get(live_platform.url + path, timeout=10).headers

    policy = headers["Content-Security-Policy"].split("; ")
    assert {"script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'"} <= set(policy)
    assert {"frame-ancestors 'self'", "form-action 'self'", "img-src 'self' data: blob:"} <= set(policy)
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]
    assert len(headers["X-Request-ID"]) >= 16


def test_a_machine_gets_json_where_there_is_nothing(live_platform):
    answer = requests.get(f"{live_platform.url}/api/nothing", timeout=10)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_person_gets_a_page_where_there_is_nothing(live_platform):
    answer = requests.get(f"{live_platform.url}/nothing-here/at-all", timeout=10, allow_redirects=False)

    assert answer.status_code in {302, 404}
    assert "json" not in answer.headers.get("Content-Type", "")


def test_another_host_name_is_refused(live_platform):
    answer = requests.get(f"{live_platform.url}/api/v1/projects/", headers={"Host": "rebound.example"}, timeout=10)

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"


def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_hyphen(live_platform):
    """In WSGI both would be HTTP_AUTHORIZATION-like names; a proxy that filters one must not be fooled by the other."""
    headers = {"X_Neptune_Api_Token": live_platform.token}

    answer = requests.get(f"{live_platform.url}/api/backend/v1/authorization/oauth-token", headers=headers, timeout=10)

    assert answer.status_code == 401


def test_collected_files_may_be_kept_by_browsers(live_platform):
    page = requests.get(f"{live_platform.url}/login", timeout=10).text
    address = next(part for part in page.split('"') if part.startswith("/static/") and ".css" in part)

    headers = requests.get(live_platform.url + address, timeout=10).headers

    assert "immutable" in headers["Cache-Control"]
