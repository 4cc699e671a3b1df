"""What goes wrong is told in the client's own exception, and harms nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.arrange import in_platform
from tests.e2e.conftest import Client
from tests.e2e.native import NativeApi
from tests.e2e.output import trouble_in
from tests.servers.platform import Platform


@pytest.fixture(autouse=True)
def _no_server_error(live_platform: Platform) -> Iterator[None]:
    """Whatever a test sends, the server's log shows neither an answer of 5xx nor a stack trace."""
    before = len(live_platform.log())
    yield
    printed = live_platform.log()[before:]
    assert " 500 " not in printed, printed
    assert "Traceback" not in printed, printed


def raised(client: Client, act: str, **variables: str) -> tuple[str, str]:
    """The class of the exception that the client raised, and its message."""
    _, output = client.run("trouble.py", act, **variables)
    lines = output.splitlines()
    place = next((i for i, line in enumerate(lines) if line.startswith("RAISED ")), None)
    assert place is not None, output
    return lines[place].removeprefix("RAISED "), "\n".join(lines[place + 1 :])


def with_key(token: str, key: str) -> str:
    return base64.b64encode(json.dumps({**json.loads(base64.b64decode(token)), "api_key": key}).encode()).decode()


def issue(platform: Platform, code: str) -> str:
    return str(in_platform(platform, code))


NEW_TOKEN = """
token, text = issue_token(actor=actor, owner=admin, name="short-lived", scope=Scope.LOG)
result = text
"""


def test_a_wrong_token_is_called_invalid(client: Client, live_platform: Platform) -> None:
    token = with_key(live_platform.token, "trk_0123456789abcdef_" + "x" * 43)
    name, message = raised(client, "open_run", NEPTUNE_API_TOKEN=token)
    assert name in {"NeptuneInvalidApiTokenException", "Unauthorized"}
    assert "token" in message.lower()


def test_a_revoked_token_is_called_invalid(client: Client, live_platform: Platform) -> None:
    text = issue(live_platform, NEW_TOKEN)
    status, output = client.run("count.py", f"revoked {uuid.uuid4()}", "10", NEPTUNE_API_TOKEN=text)
    assert status == 0, output
    key = json.loads(base64.b64decode(text))["api_key"]
    revoke = (
        "revoke_token(actor=actor, token_id=ApiToken.objects.get(name='short-lived', revoked_at=None).pk)\nresult = 1"
    )
    in_platform(live_platform, revoke)
    name, _ = raised(client, "open_run", NEPTUNE_API_TOKEN=text)
    assert key
    assert name in {"NeptuneInvalidApiTokenException", "Unauthorized"}


FOREIGN_PROJECT = """
other = User.objects.filter(username="other").first() or User.objects.create_user("other", email="other@example.org")
others = actor_for_user(other)
if not Project.objects.filter(organization__name="others").exists():
    create_organization(owner=other, name="others")
    create_project(actor=others, organization="others", name="secret")
result = "others/secret"
"""


def test_a_project_of_others_looks_as_if_it_did_not_exist(client: Client, live_platform: Platform) -> None:
    foreign = issue(live_platform, FOREIGN_PROJECT)
    seen = [raised(client, "open_run", NEPTUNE_PROJECT=project) for project in (foreign, "others/nothing")]
    assert {name for name, _ in seen} <= {"ProjectNotFound", "ProjectNotFoundWithSuggestions"}
    assert seen[0][1].replace("secret", "nothing") == seen[1][1]


def test_an_unknown_run_is_not_found(client: Client) -> None:
    assert raised(client, "unknown_run")[0] in {"MetadataContainerNotFound", "RunNotFound", "ContainerUUIDNotFound"}


def test_an_unknown_path_is_a_missing_field(client: Client) -> None:
    assert raised(client, "unknown_path")[0] == "MissingFieldException"


def test_a_type_conflict_names_path_and_types(client: Client) -> None:
    name, message = raised(client, "type_conflict")
    assert name == "MetadataInconsistency"
    assert "value" in message
    assert "float" in message


def test_system_attributes_can_not_be_written(client: Client) -> None:
    name, message = raised(client, "read_only_attribute")
    assert name == "MetadataInconsistency"
    assert "sys/id" in message


def test_odd_values_harm_nothing_and_what_can_be_kept_is(client: Client, native: NativeApi) -> None:
    name = f"odd {uuid.uuid4()}"
    status, output = client.run("odd_values.py", name)
    assert status == 0, output
    assert "text 16384 after still here" in output  # the clients cut strings themselves
    run = native.find_run(name=name)["uuid"]
    values = native.series(run, "odd/series")["values"]
    assert values == ([1.0, "NaN", 2.0, "Infinity", "-Infinity", 3.0] if client.is_old else [1.0, 2.0, 3.0])
    attributes = native.attributes(run)
    assert attributes["odd/unicode"]["value"] == "naïve ☃ 你好 \u202e"
    assert attributes["odd/empty"]["value"] == ""
    assert attributes["odd/large_int"]["value"] == 2**31 - 1
    assert attributes["odd/tiny"]["value"] == 5e-324
    assert len(native.lines(run, "odd/lines")[0]) == 1000


def bearer(platform: Platform) -> dict[str, str]:
    headers = {"X-Neptune-Api-Token": platform.token}
    answer = requests.get(f"{platform.url}/api/backend/v1/authorization/oauth-token", headers=headers, timeout=30)
    return {"Authorization": f"Bearer {answer.json()['accessToken']}", "Content-Type": "application/json"}


def test_a_20_mb_string_is_refused_by_name_and_the_rest_of_the_batch_kept(
    native: NativeApi, live_platform: Platform
) -> None:
    """The clients cut long strings; another client of the wire may not."""
    run = in_platform(
        live_platform,
        "from runs.services.runs import create_run\n"
        "made, _ = create_run(project=Project.objects.get(name='tutorial'), owner=admin, name='20 MB')\n"
        "result = str(made.uuid)",
    )
    operations: list[dict[str, object]] = [
        {"path": "long", "assignString": {"value": "x" * 20_000_000}},
        {"path": "short", "assignString": {"value": "kept"}},
    ]
    address = f"{live_platform.url}/api/leaderboard/v1/attributes/operations?experimentId={run}"
    answer = requests.post(address, data=json.dumps(operations), headers=bearer(live_platform), timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    stored = native.attributes(run)
    assert stored["short"]["value"] == "kept"
    errors = answer.json()
    if errors:
        assert "long" in errors[0]["errorDescription"]
    else:
        assert len(stored["long"]["value"]) == 20_000_000


def test_a_body_cut_short_is_a_4xx_and_stores_nothing(native: NativeApi, live_platform: Platform) -> None:
    run = native.get(f"/projects/{native.project}/runs/", limit=1)["results"][0]["uuid"]
    body = json.dumps([{"path": "cut", "assignFloat": {"value": 1.0}}]).encode()[:-5]
    address = f"{live_platform.url}/api/leaderboard/v1/attributes/operations?experimentId={run}"
    answer = requests.post(address, data=body, headers=bearer(live_platform), timeout=30)
    assert 400 <= answer.status_code < 500
    assert answer.json()["message"] or answer.json()["title"]
    assert "cut" not in native.attributes(run)


def test_nothing_is_printed_of_a_client_that_did_well(client: Client) -> None:
    status, output = client.run("count.py", f"clean {uuid.uuid4()}", "100")
    assert status == 0
    assert not trouble_in(output), output
