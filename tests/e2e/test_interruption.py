"""The web server killed in the middle of a run: nothing is lost, nothing doubled, and no step moves."""

from __future__ import annotations

import re
import uuid

import psutil
import pytest

from tests.e2e.conftest import Client
from tests.e2e.native import NativeApi
from tests.servers.platform import Platform
from tests.servers.waiting import wait_for

POINTS = 100_000


def kill_web_server(platform: Platform) -> None:
    """SIGKILL to every process of the web server; the supervisor starts it again."""
    killed = platform.processes("web ")
    for process in killed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    wait_for(lambda: platform.is_ready() and platform.processes("web "), seconds=60, what="the web server's return")
    assert not {p.pid for p in killed} & {p.pid for p in platform.processes("web ")}


def stored_points(native: NativeApi, run: str) -> int:
    return int(native.attributes(run).get("numbers", {}).get("count", 0))


@pytest.mark.timeout(500)
def test_100000_points_survive_the_death_of_the_web_server(
    client: Client, native: NativeApi, live_platform: Platform
) -> None:
    process, sys_id = client.start_run("count.py", f"interrupted {uuid.uuid4()}", str(POINTS))
    run = native.find_run(sys_id=sys_id)["uuid"]
    for reached in (POINTS // 5, POINTS // 2):
        wait_for(lambda: stored_points(native, run) >= reached, seconds=120, what=f"{reached} points")  # noqa: B023
        kill_web_server(live_platform)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert re.search(rf"points seen by the client {POINTS}\b", output), output

    assert stored_points(native, run) == POINTS
    series = native.series(run, "numbers")
    expected = [float(number) for number in range(POINTS)]
    assert series["values"] == expected
    assert series["steps"] == expected


def test_an_old_client_logs_without_loss_as_long_as_nothing_is_repeated(any_client: Client, native: NativeApi) -> None:
    """0.16.18 sends an empty list whenever it has to repeat a request: a loss that no server can see or undo."""
    name = f"undisturbed {uuid.uuid4()}"
    status, output = any_client.run("count.py", name, "5000")
    assert status == 0, output
    run = native.find_run(name=name)["uuid"]
    assert native.series(run, "numbers")["values"] == [float(number) for number in range(5000)]
