"""Several processes at once, and what the server tells a running client."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.arrange import in_platform
from tests.e2e.conftest import Client
from tests.e2e.native import NativeApi
from tests.servers.platform import Platform

WRITERS, STEPS = 3, 400


def test_several_processes_write_one_run_by_our_own_id(client: Client, native: NativeApi) -> None:
    own_id = str(uuid.uuid4())
    processes = [client.start("shared_run.py", own_id, str(worker), str(STEPS)) for worker in range(WRITERS)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    rows = native.get(f"/projects/{native.project}/runs/", limit=100, columns="sys/custom_run_id")["results"]
    mine = [row for row in rows if row["values"].get("sys/custom_run_id", {}).get("value") == own_id]
    assert len(mine) == 1
    run = mine[0]["uuid"]
    for worker in range(WRITERS):
        own = native.series(run, f"worker_{worker}/loss")
        assert own["values"] == [1 / (1 + step) for step in range(STEPS)]
        assert own["steps"] == list(range(STEPS))
    shared = native.series(run, "shared/loss")
    assert shared["steps"] == list(range(WRITERS * STEPS))
    assert sorted(shared["values"]) == sorted(float(worker) for worker in range(WRITERS) for _ in range(STEPS))
    assert set(native.attributes(run)["sys/tags"]["value"]) == {f"worker {worker}" for worker in range(WRITERS)}


@pytest.mark.parametrize("kind", ["stop", "abort"])
def test_a_signal_of_the_server_ends_the_script(
    client: Client, native: NativeApi, live_platform: Platform, kind: str
) -> None:
    process, sys_id = client.start_run("until_told.py", f"told to {kind}")
    run = native.find_run(sys_id=sys_id)["uuid"]
    code = (
        f"request_signal(run=Run.objects.get(uuid={run!r}), kind=SignalKind({kind!r}), requested_by=admin)\nresult = 1"
    )
    in_platform(live_platform, code)
    output, _ = process.communicate(timeout=90)
    assert process.returncode != 0, output  # the client ends itself with SIGTERM
    assert "nobody told me" not in output
    assert native.attributes(run)["sys/failed"]["value"] is (kind == "abort")
