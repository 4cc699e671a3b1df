"""The loads that several rows read: who sends what where, turn by turn so that all meet the same machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench import platform
from bench.contenders import Contender, Load, Sent, Unavailable
from bench.database import POSTGRESQL, SQLITE
from bench.peers import aim, mlflow_api, tensorboard, trackio
from bench.report import Measured
from bench.session import FAILED, PLATFORM, Session

CLIENTS = 4


@dataclass(frozen=True, slots=True)
class Source:
    """One way into one contender on one kind of database; `points` in all at full size."""

    contender: str
    kind: str
    way: str
    points: int
    batch_points: int = 0

    @property
    def title(self) -> str:
        return self.way if self.contender == PLATFORM.name else self.contender


# In requests of 1,000 points, about what the clients send and the most MLflow takes.
NEPTUNE = Source(PLATFORM.name, POSTGRESQL, platform.NEPTUNE, 1_000_000)
BINARY = Source(PLATFORM.name, POSTGRESQL, platform.BINARY, 1_000_000)
NEPTUNE_SQLITE = replace(NEPTUNE, kind=SQLITE, points=600_000)
BINARY_SQLITE = replace(BINARY, kind=SQLITE, points=600_000)
TRACKIO = Source("Trackio", SQLITE, trackio.BULK, 200_000)
FASTTRACKML = Source("FastTrackML", POSTGRESQL, mlflow_api.BULK, 80_000)
MLFLOW = Source("MLflow", POSTGRESQL, mlflow_api.BULK, 24_000)
# Without a batch of any kind.
AIM = Source("Aim", SQLITE, aim.TRACK, 4_000)
TENSORBOARD = Source("TensorBoard", SQLITE, tensorboard.WRITER, 40_000)
# In the largest requests of use to each: a client that catches up after it was offline.
LARGE_NEPTUNE = replace(NEPTUNE, points=1_200_000, batch_points=100_000)
LARGE_BINARY = replace(BINARY, points=1_200_000, batch_points=100_000)
LARGE_TRACKIO = replace(TRACKIO, points=400_000, batch_points=100_000)
LARGE_FASTTRACKML = replace(FASTTRACKML, batch_points=5_000)

OURS = (NEPTUNE, BINARY, LARGE_NEPTUNE, LARGE_BINARY, NEPTUNE_SQLITE, BINARY_SQLITE)
SMALL_PEERS = (TRACKIO, FASTTRACKML, MLFLOW, AIM, TENSORBOARD)
LARGE_PEERS = (LARGE_TRACKIO, LARGE_FASTTRACKML, MLFLOW)
PEERS = (*SMALL_PEERS, LARGE_TRACKIO, LARGE_FASTTRACKML)
WITHOUT_A_GOAL = (NEPTUNE_SQLITE, BINARY_SQLITE, LARGE_FASTTRACKML)


@dataclass
class Loads:
    """What was sent, by source; bytes of each server's data after its first turn and after the last."""

    sent: dict[Source, list[Sent]] = field(default_factory=dict)
    bytes_per_point: dict[tuple[str, str], float] = field(default_factory=dict)

    def measured(self, source: Source) -> bool:
        return bool(self.sent.get(source))

    def cpu(self, source: Source) -> Measured:
        return Measured.of(sent.cpu_per_million for sent in self.sent[source])

    def rate(self, source: Source) -> Measured:
        return Measured.of(sent.rate for sent in self.sent[source])


_DONE: dict[int, Loads] = {}


def loads(session: Session) -> Loads:
    """All loads, measured the first time they are asked for."""
    if id(session) not in _DONE:
        _DONE[id(session)] = _measure(session)
    return _DONE[id(session)]


def _measure(session: Session) -> Loads:
    found, sizes = Loads(), dict[tuple[str, str], int]()
    points: dict[tuple[str, str], int] = {}
    wanted = [source for source in (*OURS, *PEERS) if not (session.sizes.is_short and source in WITHOUT_A_GOAL)]
    sources = [source for source in wanted if _contender(session, source)]
    failed: set[str] = set()
    for turn in range(session.sizes.repeats):
        for source in sources:
            if source.contender in failed:
                continue
            sent = _send(session, source, turn)
            if not isinstance(sent, Sent):
                if source.contender == PLATFORM.name:
                    raise Unavailable(session.reasons[source.contender])
                failed.add(source.contender)
                continue
            found.sent.setdefault(source, []).append(sent)
            session.say(f"{source.contender}, {source.way} on {source.kind}: {_text(sent)}")
            place = (source.contender, source.kind)
            points[place] = points.get(place, 0) + sent.points
        if turn == 0:
            sizes = _sizes(session, sources, failed)
            points.clear()
    for place, size in _sizes(session, sources, failed).items():
        if points.get(place) and place in sizes:
            found.bytes_per_point[place] = (size - sizes[place]) / points[place]
    return found


def _contender(session: Session, source: Source) -> Contender | None:
    return PLATFORM if source.contender == PLATFORM.name else session.peer(source.contender)


def _send(session: Session, source: Source, turn: int) -> object:
    contender = _contender(session, source)
    assert contender is not None
    each = max(2000, int(source.points * session.sizes.share), source.batch_points) // CLIENTS
    load = Load(each, clients=CLIENTS, seed=turn + 1, batch_points=source.batch_points)
    return session.attempt(contender.name, lambda: session.server(contender, source.kind).ingest(source.way, load))


def _sizes(session: Session, sources: Sequence[Source], failed: set[str]) -> dict[tuple[str, str], int]:
    """Bytes of everyone's data. What grows between two calls is all that further points need: the first turn has made
    the room that a log needs for a while and gives back."""
    sizes: dict[tuple[str, str], int] = {}
    for source in sources:
        contender = _contender(session, source)
        if contender and source.contender not in failed and (source.contender, source.kind) not in sizes:
            size = session.attempt(contender.name, session.server(contender, source.kind).disk_bytes)
            if isinstance(size, int) and size is not FAILED:
                sizes[source.contender, source.kind] = size
    return sizes


def _text(sent: Sent) -> str:
    return f"{sent.rate:,.0f} points/s, {sent.cpu_per_million:.2f} CPU s per million"
