"""The short way answers and stores as the general way does, and leaves to it all that is out of the ordinary."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from django.test import RequestFactory
from django.test.client import ClientHandler

from api.short_way import Answered, ShortWay
from api.v1.point_wire import MEDIA_TYPE
from projects.models import ApiToken
from runs.models import BatchLog, Run
from runs.selectors.series import float_page
from runs.services.ingest import Submitted
from tests.api.test_points import packed
from tests.compat.neptune.conftest import sign_in

Answer = tuple[str, dict[str, str], bytes]


class Server:
    """A server with the short way in front, that counts what went the general way."""

    def __init__(self, committing: Any) -> None:
        self.general = 0
        self._committing = committing  # what a process remembers of a run, it learns after the commit
        self._handler = ClientHandler()
        self._application = ShortWay(self._django)

    def _django(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.general += 1
        with self._committing(execute=True):
            response: Any = self._handler(environ)
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return [response.content]

    def post(self, path: str, body: bytes, **more: Any) -> Answer:
        answers: list[tuple[str, dict[str, str]]] = []
        environ = self.environ(path, body, **more)
        content = b"".join(self._application(environ, lambda status, headers: answers.append((status, dict(headers)))))
        return *answers[0], content

    def environ(self, path: str, body: bytes, **more: Any) -> dict[str, Any]:
        address, _, query = path.partition("?")
        environ = {
            **RequestFactory()._base_environ(),  # type: ignore[attr-defined]  # the stubs leave it out
            "REQUEST_METHOD": "POST",
            "PATH_INFO": address,
            "QUERY_STRING": query,
            "HTTP_HOST": "testserver",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **more,
        }
        if "HTTP_COOKIE" not in more:
            environ.pop("HTTP_COOKIE", None)
        return environ

    def begin(self, path: str, body: bytes, **more: Any) -> Submitted | Answered | None:
        """As the event loop asks; what another thread answered, if it was asked to. Here that is this one."""
        return self.begin_at(self.environ(path, body, **more))

    def begin_at(self, environ: dict[str, Any]) -> Submitted | Answered | None:
        answers: list[Answered | None] = []
        leads: list[Any] = []
        begun = self._application.begin(environ, answers.append, leads.append)
        for lead in leads:
            lead()
        return answers[0] if begun is Submitted.YES else begun

    def look_first(self, path: str, body: bytes, **more: Any) -> None:
        self.look_first_at([self.environ(path, body, **more)])

    def look_first_at(self, environs: list[dict[str, Any]]) -> None:
        self._application.look_first(environs)


@pytest.fixture
def server(django_capture_on_commit_callbacks) -> Server:
    return Server(django_capture_on_commit_callbacks)


@pytest.fixture(params=["native", "neptune"])
def send(request, server, run, token, client):
    """Sends one point by one of the two wires; points of one number are one batch."""

    def native(number: int, path: str = "loss", how: str = "post", **more: Any) -> Any:
        body = packed({path: [(float(number), 1000 + number, number)]}, seq=number + 1)
        head = {"HTTP_AUTHORIZATION": f"Bearer {token}", "CONTENT_TYPE": MEDIA_TYPE}
        return getattr(server, how)(f"/api/v1/runs/{run.uuid}/points/", body, **{**head, **more})

    session = sign_in(client, token)["Authorization"]

    def neptune(number: int, path: str = "loss", how: str = "post", **more: Any) -> Any:
        entry = {"value": float(number), "step": number, "timestampMilliseconds": 1000 + number}
        body = json.dumps([{"path": path, "logFloats": {"entries": [entry]}}]).encode()
        head = {"HTTP_AUTHORIZATION": session, "CONTENT_TYPE": "application/json"}
        address = f"/api/leaderboard/v1/attributes/operations?experimentId={run.uuid}"
        return getattr(server, how)(address, body, **{**head, **more})

    return native if request.param == "native" else neptune


def values(run: Run) -> list[float]:
    return list(float_page(run, "loss", offset=0, limit=100).values)


def test_the_second_batch_goes_the_short_way_and_is_answered_as_the_first(send, server, run):
    first, second = send(0), send(1)
    assert server.general == 1
    assert first[0] == second[0] == "200 OK"
    assert first[2] == second[2]
    assert {name.lower() for name in first[1]} == {name.lower() for name in second[1]}
    differing = {name for name, value in first[1].items() if second[1].get(name) != value}
    assert differing == {"X-Request-ID"}
    assert values(run) == [0.0, 1.0]


def test_a_batch_that_comes_again_is_stored_once(send, server, run):
    for number in (0, 1, 1):
        assert send(number)[0] == "200 OK"
    assert server.general == 2
    assert values(run) == [0.0, 1.0]


def test_a_new_series_goes_the_general_way_and_then_the_short_one(send, server):
    send(0)
    send(1, "accuracy")
    send(2, "accuracy")
    assert server.general == 2


def test_who_may_not_log_is_refused_by_the_general_way(send, server, run, clock):
    send(0)
    assert send(1, HTTP_AUTHORIZATION="Bearer nonsense")[0].startswith("401")
    assert send(1, HTTP_AUTHORIZATION="")[0].startswith("401")
    assert server.general == 3
    ApiToken.objects.update(revoked_at="2026-01-01T00:00:00Z")
    clock.advance(2)  # what is remembered of a token is a second old at most
    assert send(1)[0].startswith("401")
    assert server.general == 4
    assert values(run) == [0.0]


@pytest.mark.parametrize(
    "unusual",
    [
        {"HTTP_COOKIE": "sessionid=1"},
        {"HTTP_CONTENT_ENCODING": "identity"},
        {"HTTP_HOST": "other.example.org"},
        {"REQUEST_METHOD": "PUT"},
    ],
)
def test_unusual_requests_go_the_general_way(send, server, unusual):
    send(0)
    send(1, **unusual)
    assert server.general == 2


def test_a_host_that_is_refused_is_not_remembered(send, server, run):
    for number in range(3):
        assert send(number, HTTP_HOST="other.example.org")[0].startswith("400")
    assert server.general == 3
    assert not BatchLog.objects.filter(run=run).exists()


def test_wrong_bodies_and_addresses_get_the_general_answer(server, run, token):
    head = {"HTTP_AUTHORIZATION": f"Bearer {token}", "CONTENT_TYPE": MEDIA_TYPE}
    address = f"/api/v1/runs/{run.uuid}/points/"
    assert server.post(address, packed({"loss": [(1.0, 1000, 0)]}), **head)[0] == "200 OK"
    assert server.post(address, b"TPB1", **head)[0].startswith("400")
    assert b"`seq`" in server.post(address, packed({"loss": [(1.0, 1000, 1)]}, seq=0), **head)[2]
    assert server.post(f"/api/v1/runs/{uuid.uuid4()}/points/", packed({"loss": [(1.0, 1, 1)]}), **head)[0][:3] == "404"
    assert server.post("/api/v1/runs/no/points/", b"", **head)[0][:3] == "404"
    head["CONTENT_TYPE"] = "text/plain"
    assert server.post(address, packed({"loss": [(1.0, 1, 1)]}), **head)[0][:3] == "415"
    assert server.general == 6


def test_what_is_begun_on_the_event_loop_is_answered_and_stored_as_any_other(send, server, run):
    first, _ = send(0), send(1)
    begun = send(2, how="begin")
    assert (begun.status, begun.content) == (first[0], first[2])
    assert {name.lower() for name, _ in begun.headers} == {name.lower() for name in first[1]}
    assert send(2, how="begin") is None  # it came before, and the general way says so
    assert server.general == 1
    assert values(run) == [0.0, 1.0, 2.0]


def test_nothing_is_begun_that_is_not_known(send, server, run):
    assert send(0, how="begin") is Submitted.NO  # the headers of the answer
    for number in range(2):
        send(number)
    assert send(2, "accuracy", how="begin") is Submitted.NO
    assert send(2, how="begin", HTTP_COOKIE="sessionid=1") is Submitted.NO
    assert send(2, how="begin", HTTP_AUTHORIZATION="") is Submitted.NO
    assert values(run) == [0.0, 1.0]


def test_who_may_log_is_looked_up_apart_and_only_then_begun(send, server, run, clock):
    for number in range(2):
        send(number)
    clock.advance(2)
    assert send(2, how="begin") is Submitted.LOOK_FIRST
    send(2, how="look_first")
    assert send(2, how="begin").status == "200 OK"
    ApiToken.objects.update(revoked_at="2026-01-01T00:00:00Z")
    clock.advance(2)
    send(3, how="look_first")
    assert send(3, how="begin") is Submitted.LOOK_FIRST
    assert send(3)[0].startswith("401")
    assert values(run) == [0.0, 1.0, 2.0]


def test_what_was_looked_up_for_a_request_holds_until_it_is_begun(send, server, clock):
    for number in range(2):
        send(number)
    clock.advance(2)
    environ = send(2, how="environ")
    server.look_first_at([environ])
    clock.advance(2)  # the event loop is behind by more than what is looked up is remembered
    assert server.begin_at(environ).status == "200 OK"
    assert send(3, how="begin") is Submitted.LOOK_FIRST


def test_nonsense_among_those_that_are_looked_up_harms_no_neighbour(send, server, clock):
    for number in range(2):
        send(number)
    clock.advance(2)
    together = [
        send(2, how="environ", HTTP_AUTHORIZATION="Bearer nonsense"),
        send(2, how="environ", PATH_INFO="/api/v1/runs/no/points/"),
        send(2, how="environ", QUERY_STRING="experimentId=none"),
        send(2, how="environ", REQUEST_METHOD="GET"),
        send(2, how="environ"),
    ]
    server.look_first_at(together)
    assert send(2, how="begin").status == "200 OK"


def test_looking_up_nonsense_is_no_error(send):
    send(0)
    send(1, how="look_first", HTTP_AUTHORIZATION="Bearer nonsense")
    send(1, how="look_first", PATH_INFO="/api/v1/runs/no/points/")
    send(1, how="look_first", QUERY_STRING="")
