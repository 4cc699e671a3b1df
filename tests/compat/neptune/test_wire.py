"""The translation of the clients' JSON, on payloads as they were recorded from them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from api.compat.neptune.wire.containers import read_new_run
from api.compat.neptune.wire.operations import ImagePoint, LogImages, read_batch
from api.compat.neptune.wire.values import BadValue, from_milliseconds, to_numbers, to_time
from runs.models import AttributeKind
from runs.operations import (
    AddTags,
    AppendFloats,
    AppendStrings,
    AssignValue,
    ClearSeries,
    ClearTags,
    ConfigureSeries,
    DeleteAttribute,
    DeleteFiles,
    RemoveTags,
    UnreadableOperation,
)

SECOND = 1795404068739


def read(*operations: Any) -> Any:
    images: list[bytes] = []

    def keep(content: bytes) -> int:
        images.append(content)
        return len(images) - 1

    return read_batch(list(operations), keep)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (
            {"path": "parameters/lr", "assignFloat": {"value": 0.1}},
            AssignValue(path="parameters/lr", kind=AttributeKind.FLOAT, value=0.1),
        ),
        (
            {"path": "parameters/batch", "assignInt": {"value": 2**62}},
            AssignValue(path="parameters/batch", kind=AttributeKind.INT, value=2**62),
        ),
        (
            {"path": "sys/failed", "assignBool": {"value": False}},
            AssignValue(path="sys/failed", kind=AttributeKind.BOOL, value=False),
        ),
        (
            {"path": "sys/name", "assignString": {"value": "spike"}},
            AssignValue(path="sys/name", kind=AttributeKind.STRING, value="spike"),
        ),
        (
            {"path": "when", "assignDatetime": {"valueMilliseconds": 1795404851809}},
            AssignValue(
                path="when", kind=AttributeKind.DATETIME, value=datetime(2026, 11, 23, 3, 34, 11, 809000, tzinfo=UTC)
            ),
        ),
        (
            {
                "path": "metrics/loss",
                "logFloats": {
                    "entries": [
                        {"value": 1.0, "step": None, "timestampMilliseconds": SECOND},
                        {"value": 0.5, "timestampMilliseconds": SECOND},
                        {"value": 3, "step": 7, "timestampMilliseconds": SECOND},
                    ]
                },
            },
            AppendFloats(path="metrics/loss", values=[1.0, 0.5, 3.0], steps=[None, None, 7.0], timestamps=[SECOND] * 3),
        ),
        (
            {
                "path": "monitoring/stdout",
                "logStrings": {"entries": [{"value": "\n", "step": None, "timestampMilliseconds": SECOND}]},
            },
            AppendStrings(path="monitoring/stdout", values=["\n"], steps=[None], timestamps=[SECOND]),
        ),
        (
            {
                "path": "pictures",
                "logImages": {
                    "entries": [
                        {
                            "value": {"data": "aGk=", "name": "n0", "description": None},
                            "step": None,
                            "timestampMilliseconds": SECOND,
                        }
                    ]
                },
            },
            LogImages(
                path="pictures", points=[ImagePoint(image=0, step=None, timestamp=SECOND, name="n0", description="")]
            ),
        ),
        (
            {"path": "monitoring/cpu", "clearFloatSeries": {}},
            ClearSeries(path="monitoring/cpu", kind=AttributeKind.FLOAT_SERIES),
        ),
        (
            {"path": "monitoring/stdout", "clearStringSeries": {}},
            ClearSeries(path="monitoring/stdout", kind=AttributeKind.STRING_SERIES),
        ),
        ({"path": "pictures", "clearImageSeries": {}}, ClearSeries(path="pictures", kind=AttributeKind.FILE_SERIES)),
        (
            {"path": "monitoring/cpu", "configFloatSeries": {"min": 0.0, "max": 100.0, "unit": "%"}},
            ConfigureSeries(path="monitoring/cpu", minimum=0.0, maximum=100.0, unit="%"),
        ),
        (
            {"path": "monitoring/cpu", "configFloatSeries": {"min": None, "unit": None}},
            ConfigureSeries(path="monitoring/cpu", minimum=None, maximum=None, unit=None),
        ),
        ({"path": "sys/tags", "insertStrings": {"values": ["a", "b"]}}, AddTags(path="sys/tags", tags=["a", "b"])),
        ({"path": "sys/tags", "removeStrings": {"values": ["a"]}}, RemoveTags(path="sys/tags", tags=["a"])),
        ({"path": "sys/tags", "clearStringSet": {}}, ClearTags(path="sys/tags")),
        ({"path": "src", "deleteFiles": {"filePaths": ["d/a.txt"]}}, DeleteFiles(path="src", member_paths=["d/a.txt"])),
        ({"path": "old", "deleteAttribute": {}}, DeleteAttribute(path="old")),
    ],
)
def test_recorded_operations_become_operations_of_the_domain(sent, expected):
    assert read(sent) == [expected]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        5,
        [],
        {},
        {"path": "a"},
        {"path": 3, "assignFloat": {"value": 1.0}},
        {"assignFloat": {"value": 1.0}},
        {"path": "a", "assignFloat": {"value": 1.0}, "assignInt": {"value": 1}},
        {"path": "a", "assignFloat": []},
        {"path": "a", "assignFloat": {"value": "ten"}},
        {"path": "a", "assignFloat": {"value": True}},
        {"path": "a", "assignInt": {"value": 1.5}},
        {"path": "a", "assignInt": {"value": True}},
        {"path": "a", "assignBool": {"value": 1}},
        {"path": "a", "assignString": {"value": None}},
        {"path": "a", "assignDatetime": {"valueMilliseconds": "now"}},
        {"path": "a", "assignDatetime": {"valueMilliseconds": 10**18}},
        {"path": "a", "assignArtifact": {"hash": "0" * 64}},
        {"path": "a", "logFloats": {}},
        {"path": "a", "logFloats": {"entries": [1.0]}},
        {"path": "a", "logFloats": {"entries": [{"value": None, "timestampMilliseconds": 1}]}},
        {"path": "a", "logFloats": {"entries": [{"value": 1.0}]}},
        {"path": "a", "logStrings": {"entries": [{"value": 1.0, "timestampMilliseconds": 1}]}},
        {"path": "a", "logImages": {"entries": [{"value": {"data": "%%"}, "timestampMilliseconds": 1}]}},
        {"path": "a", "insertStrings": {"values": "x"}},
        {"path": "a", "insertStrings": {"values": [1]}},
        {"path": "a", "moveAttribute": {}},
    ],
)
def test_an_unreadable_operation_is_told_and_harms_no_other(sent):
    good = {"path": "b", "assignInt": {"value": 1}}
    bad, other = read(sent, good)
    assert isinstance(bad, UnreadableOperation)
    assert bad.message
    assert other == AssignValue(path="b", index=1, kind=AttributeKind.INT, value=1)


@pytest.mark.parametrize("document", [None, {}, "x", 1])
def test_a_body_that_is_not_a_list_is_refused_as_a_whole(document):
    with pytest.raises(BadValue):
        read_batch(document, lambda content: 0)


def test_numbers_that_are_not_finite_come_as_literals_or_as_text():
    entries = [{"value": value, "timestampMilliseconds": 1} for value in (math.nan, math.inf, "NaN", "-Infinity", 1.0)]
    (operation,) = read({"path": "a", "logFloats": {"entries": entries}})
    np.testing.assert_array_equal(operation.values, [math.nan, math.inf, math.nan, -math.inf, 1.0])


def test_lone_surrogates_become_the_replacement_character():
    (operation,) = read({"path": "a", "assignString": {"value": "x\udc80y😀"}})
    assert operation.value == "x\ufffdy😀"


def test_numbers_that_are_not_finite_leave_as_text():
    values = np.array([1.5, math.nan, math.inf, -math.inf])
    assert to_numbers(values) == [1.5, "NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize("milliseconds", [0, -1, 1795404851809, -62135596800000])
def test_times_keep_their_milliseconds(milliseconds):
    moment = from_milliseconds(milliseconds, "x")
    assert round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) == milliseconds
    assert to_time(moment).endswith(f".{milliseconds % 1000:03d}Z")


def test_git_information_is_read_as_sent_by_the_clients():
    new = read_new_run(
        {
            "projectIdentifier": "p",
            "parentId": "p",
            "type": "run",
            "cliVersion": "1.14.0.post2",
            "gitInfo": {
                "commit": {
                    "commitId": "2a3b8b",
                    "message": "x\n",
                    "authorName": "n",
                    "authorEmail": "a@b",
                    "commitDate": "2026-11-23T03:25:18+00:00",
                },
                "repositoryDirty": True,
                "currentBranch": "main",
                "remotes": ["git@example.org:x.git"],
            },
        }
    )
    assert new.custom_id is None
    assert new.git == {
        "commit_id": "2a3b8b",
        "message": "x\n",
        "author_name": "n",
        "author_email": "a@b",
        "date": "2026-11-23T03:25:18.000Z",
        "is_dirty": True,
        "branch": "main",
        "remotes": ["git@example.org:x.git"],
    }
