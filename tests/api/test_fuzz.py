"""Whatever is sent, the answer is never an error of ours."""

from __future__ import annotations

import json
import struct
from urllib.parse import urlencode

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.v1.operation_wire import OPERATION_NAMES

FIXTURES_STAY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=FIXTURES_STAY)

TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e400",
        "NaN",
        "true",
        "\x00",
        "\ud7ff",
        "' OR 1=1",
        "sys/id",
        "a/b",
        "../x",
        "9" * 30,
        "%",
        "_",
        "é" * 600,
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
LISTS = {
    "projects/": ["cursor", "limit", "search", "organization"],
    "projects/lab/tutorial/runs/": ["cursor", "limit", "search", "columns", "column", "trashed"],
    "projects/lab/tutorial/attributes/": ["cursor", "limit", "search", "kind"],
    "projects/lab/tutorial/series/": ["path", "run", "cursor", "max_points", "axis", "from", "to"],
    "runs/{run}/attributes/": ["cursor", "limit", "search", "prefix", "path"],
    "runs/{run}/changes/": ["since"],
    "runs/{run}/series/": ["path", "cursor", "max_points", "axis", "from", "to"],
    "runs/{run}/export/": ["path", "format", "raw"],
    "runs/{run}/points/": ["path", "offset", "limit"],
    "runs/{run}/strings/": ["path", "offset", "limit"],
    "runs/{run}/files/": ["path", "inside", "search", "cursor", "limit"],
    "runs/{run}/images/": ["path", "from_step", "cursor", "limit"],
    "runs/{run}/checkpoints/": ["limit"],
    "runs/{run}/rejected/": ["cursor", "limit"],
}
WRITES = {
    "POST projects/": ["organization", "name", "key", "description", "visibility"],
    "PATCH projects/lab/tutorial/": ["description", "visibility"],
    "POST projects/lab/tutorial/runs/": ["custom_id", "name", "description", "tags"],
    "PATCH runs/{run}/": ["name", "description", "tags"],
    "POST runs/{run}/signals/": ["kind", "seconds"],
    "POST runs/{run}/operations/": ["writer", "seq", "operations"],
    "POST tokens/": ["name", "scope", "projects", "expires_at"],
}


def answered(response) -> None:
    assert response.status_code < 500, response.content[:500]
    if response.status_code >= 400:
        assert response.json()["code"]


@pytest.mark.parametrize("address", LISTS)
@EXAMPLES
@given(data=st.data())
def test_no_parameters_break_a_list(api, run, address, data):
    names = st.sampled_from([*LISTS[address], "other"])
    query = data.draw(st.lists(st.tuples(names, TEXTS), max_size=5))
    encoded = urlencode([(name, text.encode(errors="replace")) for name, text in query])
    answered(api.get(f"{address.format(run=run.uuid)}?{encoded}"))


@pytest.mark.parametrize("target", WRITES)
@EXAMPLES
@given(data=st.data())
def test_no_body_breaks_a_write(api, run, target, data):
    method, address = target.split(" ")
    fields = st.dictionaries(st.sampled_from(WRITES[target]), JSON, max_size=4)
    body = data.draw(fields | JSON)
    with transaction.atomic():
        answered(api.request(method, address.format(run=run.uuid), data=json.dumps(body)))
        transaction.set_rollback(True)


OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(OPERATION_NAMES)},
    optional={
        "path": TEXTS | st.sampled_from(["a", "b", "a/b", "sys/tags", "sys/name", "sys/failed"]),
        "type": st.sampled_from(["float", "int", "string", "datetime", "git_ref", "float_series", "string_series"])
        | JSON,
        "value": JSON,
        "values": st.lists(st.floats(allow_nan=False, allow_infinity=False) | TEXTS, max_size=3) | JSON,
        "steps": st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=3) | JSON,
        "timestamps": st.lists(st.integers(0, 2**62), max_size=3) | JSON,
        "tags": st.lists(TEXTS, max_size=3) | JSON,
        "members": st.lists(TEXTS, max_size=3) | JSON,
        "minimum": JSON,
        "maximum": JSON,
        "unit": JSON,
    },
)


@settings(EXAMPLES, max_examples=150)
@given(operations=st.lists(OPERATIONS, max_size=6))
def test_no_operations_break_a_batch(api, run, operations):
    batch = {"writer": "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77", "seq": 1, "operations": operations}
    with transaction.atomic():
        response = api.request("POST", f"runs/{run.uuid}/operations/", data=json.dumps(batch))
        answered(response)
        answered(api.get(f"runs/{run.uuid}/attributes/"))
        answered(api.get(f"runs/{run.uuid}/rejected/"))
        transaction.set_rollback(True)
    if response.status_code == 200:
        answer = response.json()
        assert answer["applied"] + len({error["index"] for error in answer["errors"]}) == len(operations)


@EXAMPLES
@given(header=JSON | st.fixed_dictionaries({"writer": TEXTS, "seq": JSON, "series": JSON}), tail=st.binary(max_size=80))
def test_no_bytes_break_the_points(api, run, header, tail):
    text = json.dumps(header).encode()
    body = b"TPB1" + struct.pack("<I", len(text)) + text + tail
    with transaction.atomic():
        answered(api.post(f"runs/{run.uuid}/points/", data=body, content_type="application/octet-stream"))
        transaction.set_rollback(True)


@EXAMPLES
@given(address=st.text(st.characters(exclude_characters="?#"), max_size=60))
def test_no_address_breaks_the_router(api, project, address):
    answered(api.get("/api/v1/" + address.encode(errors="replace").decode().lstrip("/")))
