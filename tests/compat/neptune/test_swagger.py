"""The documents from which the clients build their calls, held against the addresses that are served."""

from __future__ import annotations

import json

import pytest
from django.urls import resolve

from api.compat.neptune.errors import unknown_address
from api.compat.neptune.swagger import models, operations
from api.compat.neptune.swagger.documents import NAMES, document

OPERATIONS = [*operations.BACKEND, *operations.LEADERBOARD]


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_served_without_signing_in(client, name):
    response = client.get(f"/api/{name}/swagger.json")
    assert response["Content-Type"] == "application/json"
    assert response.json()["swagger"] == "2.0"
    assert not {"host", "schemes", "basePath"} & response.json().keys()


def test_an_unknown_document_is_not_there(client):
    assert client.get("/api/other/swagger.json").status_code == 404


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_declared_operation_is_served_with_its_method(operation):
    view = resolve(operation.path).func
    assert view is not unknown_address
    view_class = view.view_class  # type: ignore[attr-defined]  # as_view() notes it
    assert hasattr(view_class, operation.method.lower())


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_in_a_document_is_defined(name):
    text = document(name).decode()
    definitions = json.loads(text)["definitions"]
    for reference in text.split('"#/definitions/')[1:]:
        assert reference.split('"')[0] in definitions


def test_every_model_is_an_object_so_that_clients_give_it_attributes():
    assert all(model["type"] == "object" for model in {**models.BACKEND, **models.LEADERBOARD}.values())


def test_no_address_is_declared_twice():
    pairs = [(operation.method, operation.path) for operation in OPERATIONS]
    assert len(pairs) == len(set(pairs)) == len({operation.name for operation in OPERATIONS})


@pytest.mark.parametrize(
    "path",
    ["/api/leaderboard/v1/none", "/api/backend/v2/projects", "/api/artifacts/v1/artifact", "/api/notifications/v1"],
)
def test_what_this_server_does_not_have_is_a_clear_404(client, path):
    for method in (client.get, client.post, client.put, client.delete):
        response = method(path)
        assert response.status_code == 404
        assert response.json()["errorType"] == "UNKNOWN_ADDRESS"
