"""Requests that are committed together."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, OperationalError, connection

from runs import commits
from runs.models import Run, Writer
from tests.servers.waiting import wait_for

WRITES = 12


class Crowd:
    """Requests that come while another one is being committed."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.group = commits.Group()
        self.threads: list[int] = []

    def write(self, number: int) -> int:
        self.threads.append(threading.get_ident())
        Writer.objects.create(run=self.run, number=number, uuid=f"00000000-0000-0000-0000-{number:012d}")
        return number

    def commit(self, *works: Callable[[], int]) -> list[Future[int]]:
        is_open, may_go_on = threading.Event(), threading.Event()

        def first() -> int:
            is_open.set()
            may_go_on.wait(10)
            return 0

        def closing(work: Callable[[], int]) -> int:
            try:
                return self.group.commit(work)
            finally:
                connection.close()

        with ThreadPoolExecutor(1 + len(works)) as pool:
            leader = pool.submit(closing, first)
            assert is_open.wait(10)
            # The leader takes all that waits into its transaction; so one more request keeps the others together.
            futures = [pool.submit(closing, work) for work in works]
            wait_for(lambda: len(self.group._waiting) == len(works), what="the requests")
            may_go_on.set()
        assert leader.result() == 0
        return futures

    @property
    def stored(self) -> set[int]:
        return set(Writer.objects.filter(run=self.run).values_list("number", flat=True))


@pytest.fixture
def crowd(committed_run: Run) -> Crowd:
    return Crowd(committed_run)


def test_all_that_wait_are_committed_by_one(crowd):
    futures = crowd.commit(*(lambda number=number: crowd.write(number) for number in range(1, WRITES)))
    assert [future.result() for future in futures] == list(range(1, WRITES))
    assert len(set(crowd.threads)) == 1
    assert crowd.stored == set(range(1, WRITES))


def test_a_failure_is_that_of_one_request(crowd):
    def refuse() -> int:
        crowd.write(50)
        raise ValueError("not this one")

    def collide() -> int:
        crowd.write(51)
        return crowd.write(1)

    futures = crowd.commit(
        *(lambda number=number: crowd.write(number) for number in (1, 2)), refuse, collide, lambda: crowd.write(3)
    )
    assert [future.result() for future in (*futures[:2], futures[4])] == [1, 2, 3]
    with pytest.raises(ValueError, match="not this one"):
        futures[2].result()
    with pytest.raises(IntegrityError):
        futures[3].result()
    assert crowd.stored == {1, 2, 3}
    assert len(set(crowd.threads)) == 1


def test_when_the_transaction_fails_each_is_done_alone(crowd):
    attempts: list[int] = []

    def stumble() -> int:
        attempts.append(1)
        crowd.write(7)
        if len(attempts) == 1:
            raise OperationalError("disk I/O error")
        return 7

    def fail() -> int:
        crowd.write(8)
        raise OperationalError("disk I/O error")

    futures = crowd.commit(lambda: crowd.write(1), stumble, fail, lambda: crowd.write(2))
    assert [future.result() for future in (*futures[:2], futures[3])] == [1, 7, 2]
    with pytest.raises(OperationalError):
        futures[2].result()
    assert crowd.stored == {1, 2, 7}


def test_who_does_not_wait_is_led_by_another_thread_after_a_leader(crowd):
    """Submitted while a request is being committed: the next leader is asked for once, and does it all."""
    leads: list[Callable[[], None]] = []
    done: dict[int, int | type[BaseException]] = {}

    def note(number: int) -> Callable[[commits.Job[int]], None]:
        return lambda job: done.update({number: type(job.error) if job.error else job.outcome()})

    def leader() -> int:
        for number in (1, 2):
            crowd.group.submit(lambda number=number: crowd.write(number), note(number), leads.append)
        crowd.group.submit(lambda: crowd.write(1), note(3), leads.append)
        return 0

    def closing() -> int:
        try:
            # Its own work is done before it looks what else waits, so it leads these too.
            return crowd.group.commit(leader)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(closing).result() == 0
    assert leads == []
    assert done == {1: 1, 2: 2, 3: IntegrityError}

    for number in (4, 5):
        crowd.group.submit(lambda number=number: crowd.write(number), note(number), leads.append)
    assert len(leads) == 1
    assert 4 not in done
    leads[0]()
    assert done[4] == 4
    assert done[5] == 5
    assert crowd.stored == {1, 2, 4, 5}


def test_a_leader_hands_over_to_who_does_not_wait(crowd, monkeypatch):
    monkeypatch.setattr(commits, "MAX_GROUP", 1)
    leads: list[Callable[[], None]] = []
    done: list[int] = []

    def leader() -> int:
        for number in (1, 2):
            crowd.group.submit(
                lambda number=number: crowd.write(number), lambda job: done.append(job.outcome()), leads.append
            )
        return 0

    assert crowd.group.commit(leader) == 0
    assert done == []
    assert len(leads) == 1
    leads[0]()
    assert done == [1, 2]
    assert crowd.stored == {1, 2}


def test_inside_a_transaction_work_is_done_at_once(run):
    assert commits.committed(lambda: connection.in_atomic_block)
    Run.objects.filter(pk=run.pk).update(size_bytes=1)
    with pytest.raises(ValueError, match="no"):
        commits.committed(lambda: (Run.objects.update(size_bytes=2), (_ for _ in ()).throw(ValueError("no")))[0])
    run.refresh_from_db()
    assert run.size_bytes == 1


def test_who_waits_for_the_turn_gets_it_before_who_had_it(tmp_path: Path):
    name = str(tmp_path / "queue")
    order: list[str] = []

    def second() -> None:
        with commits.turn_at(name):
            order.append("second")

    with commits.turn_at(name):
        thread = threading.Thread(target=second)
        thread.start()
        wait_for(lambda: _is_locked(f"{name}-door"), what="the second")
    with commits.turn_at(name):
        order.append("first again")
    thread.join()
    assert order == ["second", "first again"]


def _is_locked(path: str) -> bool:
    if not Path(path).exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path):
    """On SQLite, whatever database the other tests use."""
    environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tracking_platform.settings"}
    command = [sys.executable, "-m", "tests.runs.committing_process"]
    acknowledged: set[tuple[str, int]] = set()
    with subprocess.Popen(
        [*command, "log"], env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            writer, seq = line.split()
            acknowledged.add((writer, int(seq)))
            if len(acknowledged) == 400:
                process.kill()
    answer = subprocess.run(
        [*command, "list"], env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True, check=True
    )
    stored = {(writer, int(seq)) for writer, seq in (line.split() for line in answer.stdout.splitlines())}
    assert len(acknowledged) >= 400
    assert acknowledged <= stored
