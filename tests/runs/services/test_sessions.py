"""Sessions of clients that number nothing: only what a session sends first can repeat points that are stored."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import Counter
from collections.abc import Sequence

import pytest

from runs.models import Attribute, LogSession, Run
from runs.operations import AppendFloats, AppendStrings, BatchIdentity
from runs.series import store
from runs.series.base import SeriesKey
from runs.services import memory
from runs.services.ingest import apply_operations

# What a program logs: its place in the queue decides the series and the value; five entries share a millisecond.
Entry = tuple[str, int, float]
QUEUE: list[Entry] = [
    (f"metrics/{position % 3}", 1_000 + position // 5, float(position % 2)) for position in range(4_000)
]


def session() -> str:
    return str(uuid.uuid4())


def send(run: Run, entries: Sequence[Entry], session: str) -> None:
    """A request of the official client: the entries of the queue, series by series."""
    series: dict[str, list[Entry]] = {}
    for entry in entries:
        series.setdefault(entry[0], []).append(entry)
    operations = [
        AppendFloats(
            path=path,
            index=index,
            values=[value for _, _, value in each],
            steps=[None] * len(each),
            timestamps=[timestamp for _, timestamp, _ in each],
        )
        for index, (path, each) in enumerate(series.items())
    ]
    digest = hashlib.blake2b(repr(entries).encode(), digest_size=16).hexdigest()
    assert not apply_operations(run, operations, identity=BatchIdentity(digest=digest, session=session)).errors


def stored(run: Run) -> Counter[Entry]:
    found: Counter[Entry] = Counter()
    rows = Attribute.objects.filter(run=run, definition__path__startswith="metrics/")
    for path, pk in rows.values_list("definition__path", "definition_id"):
        page = store.read_page(SeriesKey(run.pk, pk), offset=0, limit=1_000_000)
        assert page.steps.tolist() == list(range(page.total))
        found.update(zip([path] * page.total, page.timestamps.tolist(), page.values.tolist(), strict=True))
    return found


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("change", [-990, -500, -1, 0, 1, 700])
def test_a_queue_cut_elsewhere_after_a_restart_doubles_nothing(run, change: int, flush: bool):
    first, second = session(), session()
    for start in range(0, 3_000, 1_000):
        send(run, QUEUE[start : start + 1_000], first)
    if flush:
        store.flush(run.pk)
    # The answer to the third batch was lost with the process. The next one starts over from there.
    cut = 3_000 + change
    send(run, QUEUE[2_000:cut], second)
    memory.forget_all()  # the next request may meet another process of the server
    send(run, QUEUE[cut:], second)
    assert stored(run) == Counter(QUEUE)


@pytest.mark.parametrize("flush", [False, True])
def test_several_lost_answers_are_recognised_too(run, flush: bool):
    first, second = session(), session()
    for start in range(0, 3_000, 500):
        send(run, QUEUE[start : start + 500], first)
        if flush:
            store.flush(run.pk)
    send(run, QUEUE[1_500:3_400], second)
    send(run, QUEUE[3_400:], second)
    assert stored(run) == Counter(QUEUE)


def test_a_restart_during_a_restart_is_recognised(run):
    sessions = [session() for _ in range(3)]
    send(run, QUEUE[:1_000], sessions[0])
    send(run, QUEUE[:600], sessions[1])
    send(run, QUEUE[:2_000], sessions[2])
    send(run, QUEUE[2_000:], sessions[2])
    assert stored(run) == Counter(QUEUE)


@pytest.mark.parametrize("cut", [-300, 0, 300])
@pytest.mark.parametrize("is_known", [True, False])
def test_queues_of_several_processes_sent_in_one_session_double_nothing(run, cut: int, is_known: bool):
    """Two processes crashed with lost answers; afterwards one command sends both queues, one after the other."""
    one = [(path, timestamp + 60_000, value) for path, timestamp, value in QUEUE]
    other = [(path, timestamp, value + 4) for path, timestamp, value in QUEUE]
    for queue in (one, other):
        name = session()
        send(run, queue[:1_000], name)
        send(run, queue[1_000:2_000], name)
    late = session()
    for queue in (one, other):
        if not is_known:
            memory.forget_all()
        send(run, queue[1_000 : 2_000 + cut], late)
        send(run, queue[2_000 + cut :], late)
    assert stored(run) == Counter(one) + Counter(other)


@pytest.mark.parametrize("seed", range(5))
def test_processes_that_log_equal_values_in_tight_loops_lose_nothing(run, seed: int):
    """Each has its own session and loop; all log the same value to the same series at about the same times."""
    chance = random.Random(seed)  # noqa: S311 - for a test
    loops: list[list[Entry]] = []
    for _ in range(4):
        now = 5_000
        loop: list[Entry] = []
        while len(loop) < 3_000:
            loop += [("metrics/loss", now, 0.25)] * chance.randint(2, 7)
            now += 1
        loops.append(loop)
    sessions = [session() for _ in loops]
    places = [0] * len(loops)
    while any(place < len(loop) for place, loop in zip(places, loops, strict=True)):
        worker = chance.randrange(len(loops))
        end = places[worker] + chance.randint(100, 700)
        if entries := loops[worker][places[worker] : end]:
            send(run, entries, sessions[worker])
            places[worker] = end
        if chance.random() < 0.1:
            store.flush(run.pk)
    assert stored(run) == sum(map(Counter, loops), Counter())


def test_lines_are_recognised_after_a_restart(run):
    lines = [(100 + number // 3, f"epoch {number % 2}") for number in range(60)]

    def log(start: int, end: int, session: str) -> None:
        some = lines[start:end]
        operation = AppendStrings(
            path="stdout",
            values=[line for _, line in some],
            steps=[None] * len(some),
            timestamps=[timestamp for timestamp, _ in some],
        )
        apply_operations(run, [operation], identity=BatchIdentity(digest=f"{start}-{end}", session=session))

    first, second = session(), session()
    log(0, 20, first)
    log(20, 40, first)
    log(20, 45, second)
    log(45, 60, second)
    key = SeriesKey(run.pk, Attribute.objects.get(definition__path="stdout").definition_id)
    page = store.read_strings(key, offset=0, limit=100)
    assert list(zip(page.timestamps.tolist(), page.values, strict=True)) == lines


def test_a_session_is_remembered_once_it_has_sent_something_new(run):
    first, second = session(), session()
    send(run, QUEUE[:1_000], first)
    assert not LogSession.objects.get(session=first).is_repeating
    send(run, QUEUE[:400], second)
    assert LogSession.objects.get(session=second).is_repeating
    send(run, QUEUE[400:1_200], second)
    assert not LogSession.objects.get(session=second).is_repeating


def test_a_session_that_is_no_uuid_is_examined_always(run):
    for start in (0, 500):
        send(run, QUEUE[start : start + 500], "mine")
    assert not LogSession.objects.exists()
    assert stored(run) == Counter(QUEUE[:1_000])
