"""Single values on the Neptune wire."""

from __future__ import annotations

import pytest

from tests.compat.neptune.conftest import ATTRIBUTES

LOGGED = {
    "floats": ({"path": "a", "assignFloat": {"value": 0.5}}, "value", 0.5),
    "integers": ({"path": "a", "assignInt": {"value": -(2**63)}}, "value", -(2**63)),
    "booleans": ({"path": "a", "assignBool": {"value": True}}, "value", True),
    "strings": ({"path": "a", "assignString": {"value": "ü" * 5000}}, "value", "ü" * 5000),
    "datetimes": ({"path": "a", "assignDatetime": {"valueMilliseconds": 1}}, "value", "1970-01-01T00:00:00.001Z"),
    "floatSeries": (
        {"path": "a", "logFloats": {"entries": [{"value": 2.5, "timestampMilliseconds": 1}]}},
        "last",
        2.5,
    ),
    "stringSeries": (
        {"path": "a", "logStrings": {"entries": [{"value": "x", "timestampMilliseconds": 1}]}},
        "last",
        "x",
    ),
}


@pytest.mark.parametrize("name", LOGGED)
def test_a_value_is_read_at_the_address_of_its_type_and_nowhere_else(wire, run, name):
    operation, key, value = LOGGED[name]
    assert wire.log(run, operation) == []
    for other in LOGGED:
        answer = wire.get(f"{ATTRIBUTES}/{other}", experimentId=run, attribute="a")
        if other == name:
            assert answer.json()[key] == value
            assert answer.json()["attributeName"] == "a"
        else:
            assert answer.status_code == 404


def test_tags_are_read_as_a_set(wire, run):
    wire.log(run, {"path": "sys/tags", "insertStrings": {"values": ["b", "a", "b"]}})
    wire.log(run, {"path": "sys/tags", "removeStrings": {"values": ["a", "none"]}})
    assert wire.get(f"{ATTRIBUTES}/stringSets", experimentId=run, attribute="sys/tags").json()["values"] == ["b"]


def test_an_attribute_that_is_not_there_is_404(wire, run):
    for name in [*LOGGED, "files", "stringSets", "artifacts", "series/float", "series/string", "series/image"]:
        assert wire.get(f"{ATTRIBUTES}/{name}", experimentId=run, attribute="none").status_code == 404


@pytest.mark.parametrize("query", [{"limit": "x"}, {"offset": "-1"}, {"limit": "9" * 30}, {"offset": "1e3"}])
def test_paging_that_is_no_whole_number_is_refused(wire, run, query):
    wire.log(run, LOGGED["floatSeries"][0])
    assert wire.get(f"{ATTRIBUTES}/series/float", experimentId=run, attribute="a", **query).status_code == 400
