"""A client of the Neptune wire as the official ones behave on it: signed in by an API token, JSON both ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from projects.access import actor_for_user
from projects.models import Project, Scope, User
from projects.services.tokens import issue_token
from runs.services.attributes import forget_definitions

BACKEND = "/api/backend/v1"
BOARD = "/api/leaderboard/v1"
ATTRIBUTES = f"{BOARD}/attributes"


@dataclass
class Wire:
    """`get` and `post` return Django's response; `log` and `create_run` what the server said."""

    client: Client
    headers: dict[str, str]
    project: Project

    def get(self, path: str, /, **query: Any) -> Any:
        return self.client.get(f"{path}?{urlencode(query, doseq=True)}", headers=self.headers)

    def post(self, path: str, body: Any = b"", /, **query: Any) -> Any:
        is_raw = isinstance(body, bytes)
        return self.client.post(
            f"{path}?{urlencode(query, doseq=True)}",
            data=body if is_raw else json.dumps(body),
            content_type="application/octet-stream" if is_raw else "application/json",
            headers=self.headers,
        )

    def create_run(self, **parameters: Any) -> dict[str, Any]:
        body = {"projectIdentifier": str(self.project.uuid), "type": "run", **parameters}
        response = self.post(f"{BOARD}/experiments", body)
        assert response.status_code == 200, response.content
        return response.json()

    def log(self, run: str, *operations: dict[str, Any]) -> list[dict[str, str]]:
        """The error items for these operations."""
        response = self.post(f"{ATTRIBUTES}/operations", list(operations), experimentId=run)
        assert response.status_code == 200, response.content
        return response.json()

    def attributes(self, run: str) -> dict[str, dict[str, Any]]:
        """Properties by path, as getExperimentAttributes gives them."""
        answer = self.get(ATTRIBUTES, experimentId=run).json()
        return {
            each["name"]: {"type": each["type"], **each[f"{each['type']}Properties"]} for each in answer["attributes"]
        }


@pytest.fixture(autouse=True)
def _no_cached_definitions():
    """The tests' databases are rolled back under the process's cache."""
    forget_definitions()
    yield
    forget_definitions()


def sign_in(client: Client, token: str) -> dict[str, str]:
    """The headers of a session for an API token."""
    response = client.get(f"{BACKEND}/authorization/oauth-token", headers={"X-Neptune-Api-Token": token})
    assert response.status_code == 200, response.content
    return {"Authorization": f"Bearer {response.json()['accessToken']}"}


@pytest.fixture
def wire_of(client: Client, project: Project) -> Callable[..., Wire]:
    """Makes a Wire for a user, with a token of the given scope."""

    def make(user: User, scope: Scope = Scope.LOG) -> Wire:
        text = issue_token(actor=actor_for_user(user), owner=user, name="wire", scope=scope)[1]
        return Wire(client, sign_in(client, text), project)

    return make


@pytest.fixture
def wire(wire_of: Callable[..., Wire], bob: User) -> Wire:
    """Bob, who contributes to the project."""
    return wire_of(bob)


@pytest.fixture
def run(wire: Wire) -> str:
    """The uuid of a fresh run."""
    return wire.create_run()["id"]
