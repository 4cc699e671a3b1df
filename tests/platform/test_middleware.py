"""Which requests go past what serves browsers."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from tracking_platform.middleware import (
    BrowserAuthenticationMiddleware,
    BrowserMessageMiddleware,
    BrowserSessionMiddleware,
)


@pytest.mark.parametrize(
    ("path", "cookie", "is_for_browsers"),
    [
        ("/api/v1/projects/", "", False),
        ("/api/leaderboard/v1/attributes/operations", "", False),
        ("/api/v1/projects/", "sessionid=x", True),
        ("/", "", True),
        ("/apiary/", "", True),
        ("/login", "theme=dark", True),
    ],
)
def test_only_requests_to_the_api_without_a_cookie_go_past(path, cookie, is_for_browsers):
    seen = []
    handler = BrowserSessionMiddleware(
        BrowserAuthenticationMiddleware(
            BrowserMessageMiddleware(lambda request: seen.append(request) or HttpResponse("ok"))
        )
    )
    answer = handler(RequestFactory().get(path, **({"HTTP_COOKIE": cookie} if cookie else {})))
    assert answer.content == b"ok"
    for name in ("session", "user", "_messages"):
        assert hasattr(seen[0], name) is is_for_browsers


def test_nobody_is_signed_in_where_there_is_no_cookie(client, db):
    assert client.get("/api/v1/tokens/").status_code == 401
    page = client.get("/api/v1/docs/")
    assert page.status_code == 200
    assert isinstance(getattr(page.wsgi_request, "user", AnonymousUser()), AnonymousUser)
