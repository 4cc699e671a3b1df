"""The way of a request from the event loop to a WSGI application on a thread, and of its answer back."""

import asyncio
import io
import json
import threading
from typing import Any

import pytest

from api.received import CAN_RECEIVE_FIRST, IS_WHOLE
from tracking_platform.serving import bodies, bridge
from tracking_platform.serving.bridge import ThreadedBridge

MIB = 1024 * 1024


def echo(environ, start_response):
    """Says what it was given."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    return [json.dumps({**told, "read": len(body), "thread": threading.current_thread().name}).encode()]


class Conversation:
    """A server's side of one request: what is received, what was sent."""

    def __init__(self, *chunks: bytes, headers=(), path: str = "/", stalls: bool = False) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "http_version": "1.1",
            "headers": list(headers),
            "client": ("127.0.0.1", 50000),
        }
        self._events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if not stalls:
            self._events.append({"type": "http.request", "body": b"", "more_body": False})
        self.sent: list[dict[str, Any]] = []

    async def receive(self):
        if not self._events:
            await asyncio.Event().wait()
        return self._events.pop(0)

    async def send(self, event):
        self.sent.append(event)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(event["body"] for event in self.sent[1:])


@pytest.fixture
def serve(tmp_path):
    """Answer one conversation with a WSGI application."""

    def run(application, conversation: Conversation) -> Conversation:
        server = ThreadedBridge(application, threads=2, streams=2, spool_folder=str(tmp_path))
        try:
            asyncio.run(server(conversation.scope, conversation.receive, conversation.send))
        finally:
            server.close()
        return conversation

    return run


LENGTH_UNSTATED = ((b"transfer-encoding", b"chunked"),)


def stated(length: int):
    return ((b"content-length", str(length).encode()),)


def test_a_body_is_gathered_before_a_thread_is_taken(serve):
    told = json.loads(serve(echo, Conversation(b"abc", b"def", headers=stated(6))).body)

    assert (told["read"], told["CONTENT_LENGTH"]) == (6, "6")
    assert told["thread"].startswith("request")


@pytest.mark.parametrize("chunks", [(b"abc", b"def"), (b"x" * MIB, b"x" * MIB, b"end")])
def test_a_body_without_a_length_is_not_taken_for_an_empty_one(serve, chunks):
    told = json.loads(serve(echo, Conversation(*chunks, headers=LENGTH_UNSTATED)).body)

    assert told["read"] == sum(map(len, chunks))
    assert told["CONTENT_LENGTH"] == str(told["read"])


def test_a_body_without_a_length_over_the_limit_needs_one(serve, monkeypatch):
    monkeypatch.setattr(bodies, "UNSTATED_LENGTH_LIMIT", 2 * MIB)

    answer = serve(echo, Conversation(*[b"x" * MIB] * 3, headers=LENGTH_UNSTATED))

    assert answer.status == 411
    assert json.loads(answer.body)["code"] == "length_required"


def test_a_large_body_is_read_while_it_arrives_on_a_thread_for_that(serve):
    told = json.loads(serve(echo, Conversation(*[b"x" * MIB] * 5, headers=stated(5 * MIB))).body)

    assert told["read"] == 5 * MIB
    assert told["thread"].startswith("stream")


def test_lines_of_a_large_body_can_be_read(serve):
    def lines(environ, start_response):
        source = environ["wsgi.input"]
        start_response("200 OK", [])
        return [json.dumps([len(source.readline()), len(source.readline(3)), len(source.readline())]).encode()]

    chunks = (b"a" * MIB, b"b\ncd", b"ef\n")
    answer = serve(lines, Conversation(*chunks, headers=stated(sum(map(len, chunks)))))

    assert json.loads(answer.body) == [MIB + 2, 3, 2]


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_a_client_that_stops_sending_is_let_go(serve, monkeypatch, size):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(bodies, "SLOWEST_BYTES_PER_SECOND", 10**12)
    seen = []

    def reads(environ, start_response):
        try:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        except OSError as error:
            seen.append(error)
        start_response("400 Bad Request", [])
        return [b""]

    answer = serve(reads, Conversation(b"x" * size, headers=stated(10 * MIB), stalls=True))

    # Cut short before a thread was taken, or told to the application that is reading.
    assert answer.status == 408 or (answer.status == 400 and len(seen) == 1)
    assert (b"connection", b"close") in answer.sent[0]["headers"]


def test_an_answer_before_the_body_was_read_reaches_a_client_that_still_sends(serve):
    def refuse(environ, start_response):
        start_response("413 Content Too Large", [])
        return [b"too large"]

    answer = serve(refuse, Conversation(*[b"x" * MIB] * 4, headers=stated(4 * MIB)))

    assert (answer.status, answer.body) == (413, b"too large")
    assert answer.sent[1]["more_body"] is True


class ReceiveFirst(list[bytes]):
    """What an application answers that wants the whole body first."""

    receives_first = True


def patient(seen):
    """An application that asks for the whole body when it can have it; notes the input of each call."""

    def application(environ, start_response):
        seen.append(environ)
        if environ.get(CAN_RECEIVE_FIRST):
            return ReceiveFirst()
        return echo(environ, start_response)

    return application


def test_a_body_is_received_first_when_the_application_wants_that(serve):
    seen: list[dict[str, Any]] = []

    told = json.loads(serve(patient(seen), Conversation(*[b"x" * MIB] * 3, b"end", headers=stated(3 * MIB + 3))).body)

    assert (told["read"], told["CONTENT_LENGTH"]) == (3 * MIB + 3, str(3 * MIB + 3))
    assert [bool(environ.get(IS_WHOLE)) for environ in seen] == [False, True]


def test_a_slow_sender_whose_body_is_received_first_holds_no_thread(tmp_path):
    """More of them than threads, and one who is fast."""
    seen: list[dict[str, Any]] = []
    server = ThreadedBridge(patient(seen), threads=1, streams=1, spool_folder=str(tmp_path))
    slow = [Conversation(b"x" * 2 * MIB, headers=stated(3 * MIB), stalls=True) for _ in range(5)]
    fast = Conversation(b"x" * 2 * MIB, headers=stated(2 * MIB))

    async def talk() -> None:
        tasks = [asyncio.create_task(server(each.scope, each.receive, each.send)) for each in slow]
        while len(seen) < len(slow):
            await asyncio.sleep(0.01)
        await server(fast.scope, fast.receive, fast.send)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        asyncio.run(talk())
    finally:
        server.close()

    assert json.loads(fast.body)["read"] == 2 * MIB
    assert not any(each.sent for each in slow)


def test_a_sender_who_is_too_slow_is_told_while_the_body_is_received_first(serve, monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.05)

    answer = serve(patient([]), Conversation(b"x" * 2 * MIB, headers=stated(3 * MIB), stalls=True))

    assert answer.status == 408


def test_a_full_disk_is_told_as_a_passing_trouble(serve, monkeypatch):
    def full(*_: object) -> None:
        raise bodies.DiskFull

    monkeypatch.setattr(bodies, "_write", full)

    answer = serve(patient([]), Conversation(b"x" * 2 * MIB, headers=stated(2 * MIB)))

    assert (answer.status, json.loads(answer.body)["code"]) == (503, "unavailable")


def test_bodies_wait_in_turn_for_room_on_the_disk():
    order: list[str] = []

    async def take(room: bodies.Room, name: str, amount: int, leave: asyncio.Event) -> None:
        async with room.taken(amount):
            order.append(name)
            await leave.wait()

    async def talk() -> None:
        room, leave, never = bodies.Room(10), asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(take(room, "first", 8, leave))
        await asyncio.sleep(0)
        gives_up = asyncio.create_task(take(room, "gives up", 9, never))
        await asyncio.sleep(0)
        others = [asyncio.create_task(take(room, name, size, leave)) for name, size in (("larger", 99), ("small", 1))]
        await asyncio.sleep(0.01)
        assert order == ["first"], "the small one does not overtake the larger one"
        gives_up.cancel()
        leave.set()
        await asyncio.gather(first, *others)

    asyncio.run(talk())

    assert order == ["first", "larger", "small"]


def test_a_header_with_an_underscore_is_left_out(serve):
    headers = [(b"x_token", b"forged"), (b"x-token", b"real"), (b"cookie", b"a=1"), (b"cookie", b"b=2")]

    told = json.loads(serve(echo, Conversation(headers=headers, path="/a/ü")).body)

    assert (told["HTTP_X_TOKEN"], told["HTTP_COOKIE"]) == ("real", "a=1; b=2")
    assert told["PATH_INFO"].encode("latin-1").decode() == "/a/ü"
    assert told["REMOTE_ADDR"] == "127.0.0.1"


def test_a_file_is_sent_in_large_blocks_and_closed(serve):
    file = io.BytesIO(b"x" * (bridge.FILE_BLOCK * 2 + 1))

    def download(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 4096)

    answer = serve(download, Conversation())

    assert [len(event["body"]) for event in answer.sent[1:]] == [bridge.FILE_BLOCK, bridge.FILE_BLOCK, 1, 0]
    assert file.closed


def test_a_client_that_takes_nothing_of_an_answer_is_dropped_and_the_answer_closed(serve, monkeypatch):
    monkeypatch.setattr(bridge, "SEND_SECONDS", 0.05)
    file = io.BytesIO(b"x" * bridge.FILE_BLOCK * 3)

    def download(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](file, 4096)

    class Stuck(Conversation):
        async def send(self, event):
            if event["type"] == "http.response.body":
                await asyncio.Event().wait()
            await super().send(event)

    answer = serve(download, Stuck())

    assert len(answer.sent) == 1
    assert file.closed


def test_stalled_downloads_hold_up_neither_uploads_nor_pages_nor_other_downloads(tmp_path):
    """Fifty clients that take nothing, with two threads of each kind."""
    released: list[str] = []

    def application(environ, start_response):
        if environ["PATH_INFO"] != "/download":
            return echo(environ, start_response)
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * bridge.FILE_BLOCK * 4))

    class Stalled(Conversation):
        async def send(self, event):
            await super().send(event)
            if len(self.sent) > 2:
                await asyncio.Event().wait()

    server = ThreadedBridge(
        application,
        threads=2,
        streams=2,
        spool_folder=str(tmp_path),
        release=lambda: released.append(threading.current_thread().name),
    )
    stalled = [Stalled(path="/download") for _ in range(50)]
    others = {
        "page": Conversation(path="/page"),
        "upload": Conversation(*[b"x" * MIB] * 3, headers=stated(3 * MIB)),
        "download": Conversation(path="/download"),
    }

    async def talk() -> None:
        tasks = [asyncio.create_task(server(each.scope, each.receive, each.send)) for each in stalled]
        while not all(len(each.sent) > 2 for each in stalled):
            await asyncio.sleep(0.01)
        for each in others.values():
            await server(each.scope, each.receive, each.send)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        asyncio.run(talk())
    finally:
        server.close()

    assert others["page"].status == 200
    assert json.loads(others["upload"].body)["read"] == 3 * MIB
    assert len(others["download"].body) == 4 * bridge.FILE_BLOCK
    assert {name.partition("_")[0] for name in released} == {"stream", "lane-0", "lane-1"}


def test_small_pieces_of_an_answer_are_sent_together(serve):
    class Pieces(list[bytes]):
        streaming = True

    def application(environ, start_response):
        start_response("200 OK", [])
        return Pieces([b"a", b"", b"b" * bridge.SMALLEST_BLOCK, b"c"])

    answer = serve(application, Conversation())

    assert [len(event["body"]) for event in answer.sent[1:]] == [bridge.SMALLEST_BLOCK + 1, 1, 0]


def test_an_application_that_fails_is_answered_for_without_details(serve, caplog):
    def fail(environ, start_response):
        raise RuntimeError("hunter2")

    answer = serve(fail, Conversation())

    assert answer.status == 500
    assert json.loads(answer.body)["code"] == "internal_error"
    assert b"hunter2" not in answer.body
    assert "could not be answered" in caplog.text


def test_a_client_that_goes_away_is_no_error(serve):
    conversation = Conversation(headers=stated(5))
    conversation._events = [{"type": "http.disconnect"}]

    assert serve(echo, conversation).sent == []


def test_a_short_body_that_is_complete_is_not_asked_for_its_end(serve):
    conversation = Conversation(b"x" * 100, headers=stated(100), stalls=True)

    assert json.loads(serve(echo, conversation).body)["read"] == 100
