"""Short requests that the event loop answers itself, with one thread that commits for all of them."""

import asyncio
import json
import threading

import pytest

from api.short_way import Answered, ShortWay
from runs.services.ingest import Submitted
from tests.platform.test_bridge import Conversation, echo, serve, stated
from tracking_platform.serving.bridge import ThreadedBridge

__all__ = ["serve"]  # the fixture


class Quick(ShortWay):
    """A short way that answers as a test says: `begun` in turn, and then the content from another thread."""

    def __init__(self, *begun: Submitted, content: bytes | None = b"quick") -> None:
        super().__init__(echo)
        self._begun = list(begun)
        self._content = content
        self.looked_in: list[str] = []

    def begin(self, environ, when_done, find_leader) -> Submitted:
        self.begun_in = threading.current_thread().name
        begun = self._begun.pop(0)
        if begun is Submitted.YES:
            answered = None if self._content is None else Answered("200 OK", [("X-Way", "short")], self._content)
            find_leader(lambda: when_done(answered))
        return begun

    def look_first(self, environs) -> None:
        self.looked_in.append(threading.current_thread().name)


YES, NO, LOOK_FIRST = Submitted.YES, Submitted.NO, Submitted.LOOK_FIRST


@pytest.mark.parametrize("begun", [(YES,), (LOOK_FIRST, YES)])
def test_a_short_request_is_answered_without_a_thread_of_its_own(serve, begun):
    application = Quick(*begun)
    answered = serve(application, Conversation(b"x" * 10, headers=stated(10)))
    assert answered.body == b"quick"
    assert (b"x-way", b"short") in answered.sent[0]["headers"]
    assert application.begun_in == threading.current_thread().name
    assert [name.partition("_")[0] for name in application.looked_in] == ["request"] * (len(begun) - 1)


@pytest.mark.parametrize("begun", [(NO,), (LOOK_FIRST, NO), (LOOK_FIRST, LOOK_FIRST), (YES,)])
def test_what_is_not_answered_so_goes_to_a_thread_as_it_came(serve, begun):
    answered = serve(Quick(*begun, content=None), Conversation(b"x" * 10, headers=stated(10)))
    told = json.loads(answered.body)
    assert told["read"] == 10
    assert told["thread"].startswith("request")


def test_a_long_body_is_not_looked_at_on_the_event_loop(serve):
    answered = serve(Quick(), Conversation(b"x" * 20_000, headers=stated(20_000)))
    assert json.loads(answered.body)["read"] == 20_000


def test_threads_that_all_wait_for_a_commit_do_not_hold_it_up(tmp_path):
    """Those who wait for a commit hold every thread for requests; the one who does it has another."""
    committed = threading.Event()

    class Waits(Quick):
        def __call__(self, environ, start_response):
            committed.wait(10)
            return echo(environ, start_response)

        def begin(self, environ, when_done, find_leader) -> Submitted:
            if environ["PATH_INFO"] != "/quick":
                return NO

            def lead() -> None:
                committed.set()
                when_done(Answered("200 OK", [], b"committed"))

            find_leader(lead)
            return YES

    async def talk() -> None:
        server = ThreadedBridge(Waits(), threads=2, streams=1, spool_folder=str(tmp_path))
        waiting = [Conversation(b"x", headers=stated(1)) for _ in range(4)]
        quick = Conversation(b"x", headers=stated(1), path="/quick")
        tasks = [asyncio.create_task(server(each.scope, each.receive, each.send)) for each in waiting]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(server(quick.scope, quick.receive, quick.send), 5)
        assert quick.body == b"committed"
        await asyncio.gather(*tasks)
        assert {each.status for each in waiting} == {200}
        server.close()

    asyncio.run(talk())
