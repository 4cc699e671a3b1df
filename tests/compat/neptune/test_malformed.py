"""Whatever is sent to any address of the wire, the answer is never a server error and always JSON or bytes."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.compat.neptune.swagger import operations
from tests.compat.neptune.conftest import BOARD

OPERATIONS = [*operations.BACKEND, *operations.LEADERBOARD]
SAMPLES = [
    "a",
    "lab/tutorial",
    "lab/tutorial/TUT-1",
    "0",
    "1",
    "-1",
    "\x00",
    "a/b",
    "..",
    "true",
    "٣",
    "9" * 40,
    "x" * 3000,
]
words = st.text(max_size=12) | st.sampled_from(SAMPLES)
QUERY_PARTS = [
    *("sys/id", "sys/size", "sys/state", "sys/trashed", "sys/tags", "sys/ping_time", "a", "`a`"),
    *(":bool", ":float", ":string", ":datetime", ":stringSet", ":floatSeries"),
    *("=", "!=", ">", "<=", "CONTAINS", "NOT", "AND", "OR", "(", ")"),
    *("1", "1e999", "9e99", "nan", "true", "'0001-01-01T00:00:00+14:00'", '"x"'),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def logged(wire, run):
    """A run whose path `a` exists, so that some of the requests mean something."""
    wire.log(run, {"path": "a", "logFloats": {"entries": [{"value": 1.0, "timestampMilliseconds": 1}]}})
    return run


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_parameters_and_no_body_make_a_server_error(wire, logged, operation, data):
    query = {
        parameter.name: data.draw(st.just(logged) | words if "xperiment" in parameter.name else words)
        for parameter in operation.parameters
        if parameter.place == "query" and data.draw(st.integers(0, 9))
    }
    body = data.draw(st.binary(max_size=50) | json_values)
    send = wire.get if operation.method == "GET" else lambda path, **query: wire.post(path, body, **query)
    answer = send(operation.path, **query)
    assert answer.status_code < 500, (query, body, getattr(answer, "content", b""))
    if answer.status_code >= 400:
        assert answer.json()["title"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.lists(st.sampled_from(QUERY_PARTS), max_size=8).map(" ".join) | st.text(max_size=30),
    sorting=json_values,
    columns=json_values,
    page=json_values,
)
def test_no_table_makes_a_server_error(wire, logged, query, sorting, columns, page):
    body = {
        "query": {"query": query},
        "sorting": {"dir": "ascending", "sortBy": {"name": sorting, "type": "float"}},
        "attributeFilters": columns,
        "pagination": page,
    }
    answer = wire.post(f"{BOARD}/leaderboard/entries/search", body, projectIdentifier="lab/tutorial")
    assert answer.status_code in {200, 400}, answer.content


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("sys/size > 9e99", 200),
        ("sys/size > 1e999", 400),
        ("sys/running_time = nan", 400),
        ("sys/ping_time > '0001-01-01T00:00:00+14:00'", 400),
        ("a:float > 9e99", 200),
    ],
)
def test_numbers_and_dates_beyond_all_bounds_are_no_server_error(wire, logged, query, status):
    answer = wire.post(
        f"{BOARD}/leaderboard/entries/search", {"query": {"query": query}}, projectIdentifier="lab/tutorial"
    )
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options", "head"])
def test_another_method_is_told_so(wire, run, method):
    address = f"{BOARD}/attributes/operations?{urlencode({'experimentId': run})}"
    answer = getattr(wire.client, method)(address, headers=wire.headers)
    assert answer.status_code == 405
