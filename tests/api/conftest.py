"""Callers of the native API: each signs its requests in one way and speaks JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

from projects.access import actor_for_user
from projects.models import Project, Scope, User
from projects.services.tokens import issue_token
from runs.models import Run
from runs.services.attributes import forget_definitions
from runs.services.runs import create_run

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer  # what the test client gives


@pytest.fixture(autouse=True)
def _fresh_definitions():
    """Each test begins with an empty cache: the ids in it belong to the database of the test before."""
    forget_definitions()


class Caller:
    """Sends requests to paths below /api/v1/ with the same headers each time."""

    def __init__(self, client: Client | None = None, **headers: str) -> None:
        self.client = client or Client(enforce_csrf_checks=True)
        self.headers = headers

    def request(self, method: str, path: str, body: Any = None, **extra: Any) -> Answer:
        content = extra.pop("data", None)
        content_type = extra.pop("content_type", "application/json")
        if body is not None:
            content = json.dumps(body)
        headers = {**self.headers, **extra.pop("headers", {})}
        address = path if path.startswith("/") else f"/api/v1/{path}"
        return self.client.generic(
            method, address, b"" if content is None else content, content_type=content_type, headers=headers, **extra
        )

    def get(self, path: str, **extra: Any) -> Answer:
        return self.request("GET", path, **extra)

    def post(self, path: str, body: Any = None, **extra: Any) -> Answer:
        return self.request("POST", path, body, **extra)

    def patch(self, path: str, body: Any = None, **extra: Any) -> Answer:
        return self.request("PATCH", path, body, **extra)

    def put(self, path: str, **extra: Any) -> Answer:
        return self.request("PUT", path, **extra)

    def delete(self, path: str, **extra: Any) -> Answer:
        return self.request("DELETE", path, **extra)


def bearer(text: str) -> Caller:
    return Caller(Authorization=f"Bearer {text}")


def signed_in(user: User) -> Caller:
    """A browser with a session and the CSRF cookie, which sends the CSRF token as our pages do."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["csrftoken"] = "t" * 32
    return Caller(client, **{"X-CSRFToken": "t" * 32})


@pytest.fixture
def as_user() -> Callable[[User], Caller]:
    """Somebody with a token of their own that allows all they may do."""

    def make(user: User, scope: Scope = Scope.MANAGE, projects: tuple[Project, ...] = ()) -> Caller:
        actor = actor_for_user(user)
        return bearer(issue_token(actor=actor, owner=user, name="test", scope=scope, projects=projects)[1])

    return make


@pytest.fixture
def api(as_user: Callable[[User], Caller], alice: User) -> Caller:
    """Alice, who owns the project."""
    return as_user(alice)


@pytest.fixture
def anonymous() -> Caller:
    return Caller()


@pytest.fixture
def run(project: Project, alice: User) -> Run:
    return create_run(project=project, owner=alice, name="first")[0]


def refused(response: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a proper error and return it."""
    assert response.status_code == status, response.content[:500]
    assert response.headers["Content-Type"] == "application/json"
    answer: dict[str, Any] = response.json()
    assert answer["code"] == code
    assert answer["message"]
    assert answer["request_id"] == response.headers["X-Request-ID"]
    return answer
