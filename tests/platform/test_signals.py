"""The WebSocket that tells a run's client to stop, on the same address as everything else."""

import json
import uuid
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers.platform import Platform


def session(platform: Platform) -> dict[str, str]:
    """What the official clients do first: exchange the token for a short-lived one."""
    answer = requests.get(
        f"{platform.url}/api/backend/v1/authorization/oauth-token",
        headers={"X-Neptune-Api-Token": platform.token},
        timeout=10,
    )
    return {"Authorization": f"Bearer {answer.json()['accessToken']}"}


def address(platform: Platform, project: str, run: str) -> str:
    return f"{platform.url.replace('http', 'ws', 1)}/api/notifications/v1/runs/{project}/{run}/signal"


@pytest.fixture
def run(live_platform):
    """A fresh run of the first project: the uuids of the project and of the run."""
    api, headers = f"{live_platform.url}/api/v1", {"Authorization": f"Bearer {live_platform.token}"}
    project = requests.get(f"{api}/projects/{live_platform.project}/", headers=headers, timeout=10).json()
    created = requests.post(
        f"{api}/projects/{live_platform.project}/runs/", json={"name": "signals"}, headers=headers, timeout=10
    ).json()
    return project["uuid"], created["uuid"]


def request_signal(platform: Platform, run_uuid: str, kind: str) -> requests.Response:
    """Ask as a person does in the browser: the first token may only log."""
    browser = requests.Session()
    browser.get(f"{platform.url}/admin/login/", timeout=10)
    form = {
        "username": platform.user,
        "password": platform.password,
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
    }
    browser.post(f"{platform.url}/admin/login/", data=form, headers={"Referer": platform.url}, timeout=10)
    headers = {"X-CSRFToken": str(browser.cookies["csrftoken"]), "Referer": platform.url}
    return browser.post(
        f"{platform.url}/api/v1/runs/{run_uuid}/signals/",
        json={"kind": kind, "seconds": 7},
        headers=headers,
        timeout=10,
    )


def next_message(socket) -> Any:
    """The next text frame that is no heartbeat."""
    while not (frame := socket.recv(timeout=30)).strip():
        pass
    return json.loads(frame)


@pytest.mark.parametrize("kind", ["stop", "abort"])
def test_a_listening_client_is_told(live_platform, run, kind):
    with connect(address(live_platform, *run), additional_headers=session(live_platform)) as socket:
        answer = request_signal(live_platform, run[1], kind)

        assert answer.status_code == 201, answer.text
        assert next_message(socket) == {"type": f"neptune/{kind}", "body": {"seconds": 7}}


def test_every_client_of_a_run_is_told_once(live_platform, run):
    headers = session(live_platform)
    with (
        connect(address(live_platform, *run), additional_headers=headers) as first,
        connect(address(live_platform, *run), additional_headers=headers) as second,
    ):
        request_signal(live_platform, run[1], "stop")
        request_signal(live_platform, run[1], "abort")

        for socket in (first, second):
            assert [next_message(socket)["type"], next_message(socket)["type"]] == ["neptune/stop", "neptune/abort"]


@pytest.mark.parametrize("credentials", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}])
def test_a_stranger_may_not_listen(live_platform, run, credentials):
    with pytest.raises(InvalidStatus) as refused:
        connect(address(live_platform, *run), additional_headers=credentials)

    assert refused.value.response.status_code in {401, 403, 404}


def test_an_unknown_run_or_address_is_refused(live_platform, run):
    headers = session(live_platform)
    for path in (address(live_platform, run[0], str(uuid.uuid4())), address(live_platform, str(uuid.uuid4()), run[1])):
        with pytest.raises(InvalidStatus) as refused:
            connect(path, additional_headers=headers)
        assert refused.value.response.status_code in {403, 404}
    with pytest.raises(InvalidStatus):
        connect(f"{live_platform.url.replace('http', 'ws', 1)}/somewhere/else", additional_headers=headers)
