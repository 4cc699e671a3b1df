"""The running platform with many clients at once, some of whom are slow: what they can take from the others."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from api.v1.point_wire import MEDIA_TYPE
from tests.api.test_points import packed
from tests.e2e.native import NativeApi
from tests.servers.backends import is_embedded, platform_settings
from tests.servers.platform import Platform, running_platform
from tests.servers.waiting import wait_for

MIB = 1024 * 1024
CONNECTIONS = 32
# Longer than a busy machine needs, shorter than the minutes that fifty stalled clients would hold up the others.
PATIENCE = 90
WORKERS = 2


@pytest.fixture(scope="module")
def own_platform(tmp_path_factory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("load") / "data"
    with running_platform(folder, **platform_settings(), WEB_WORKERS=str(1 if is_embedded() else WORKERS)) as platform:
        yield platform


@pytest.fixture
def native(own_platform) -> NativeApi:
    return NativeApi(own_platform.url, own_platform.token, own_platform.project)


@pytest.fixture
def run(native) -> str:
    answer = native.session.post(f"{native.base}/projects/{native.project}/runs/", json={}, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["uuid"])


def upload(native: NativeApi, run: str, path: str, size: int) -> str:
    """Upload a file of one connection's own; its address."""
    answer = NativeApi(native.base.removesuffix("/api/v1"), "", "").session.put(
        f"{native.base}/runs/{run}/files/",
        params={"path": path},
        data=b"x" * size,
        headers=native.session.headers,
        timeout=PATIENCE,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["file_url"])


def send(platform: Platform, text: str) -> socket.socket:
    """A connection on which these bytes were sent, with little room for what comes back."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", platform.port))
    connection.sendall(text.encode())
    return connection


def head(platform: Platform, method: str, address: str, length: int = 0) -> str:
    return (
        f"{method} {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {platform.token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )


def test_stalled_downloads_hold_up_neither_uploads_nor_pages_nor_downloads(own_platform, native, run):
    address = upload(native, run, "large", 16 * MIB)

    with ExitStack() as stack:
        for _ in range(50):
            stalled = stack.enter_context(send(own_platform, head(own_platform, "GET", address)))
            assert stalled.recv(12).startswith(b"HTTP/1.1 200")

        other = upload(native, run, "other", 3 * MIB)
        assert native.get(f"/runs/{run}/")["uuid"] == run
        answer = native.session.get(own_platform.url + other, timeout=PATIENCE)
        assert len(answer.content) == 3 * MIB


def test_slow_senders_hold_up_nobody(own_platform, native, run):
    """Two hundred whose bodies are short, and forty whose bodies are long."""
    with ExitStack() as stack:
        for size, count in ((1000, 200), (8 * MIB, 40)):
            for number in range(count):
                begun = head(own_platform, "PUT", f"/api/v1/runs/{run}/files/?path=slow/{number}", size)
                stack.enter_context(send(own_platform, begun + "x" * min(size // 2, 2 * MIB)))

        assert native.get(f"/runs/{run}/")["uuid"] == run
        other = upload(native, run, "other", 3 * MIB)
        assert len(native.session.get(own_platform.url + other, timeout=PATIENCE).content) == 3 * MIB


@contextmanager
def most_connections(url: str) -> Iterator[list[int]]:
    """Counts the connections to the database, many times a second, other than its own."""
    counted: list[int] = [0]
    is_over = threading.Event()

    def count() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not is_over.is_set():
                counted.append(connections(connection))

    thread = threading.Thread(target=count)
    thread.start()
    yield counted
    is_over.set()
    thread.join()


def connections(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.skipif(is_embedded(), reason="SQLite has no connections to run out of")
def test_all_processes_together_keep_to_their_number_of_connections(own_platform, native, run):
    url = own_platform.environment["DATABASE_URL"]
    address = upload(native, run, "file", 2 * MIB)

    def client(number: int) -> None:
        own = NativeApi(own_platform.url, own_platform.token, own_platform.project)
        for repeat in range(2):
            own.get(f"/runs/{run}/attributes/")
            upload(own, run, f"files/{number}/{repeat}", 2 * MIB)
            assert len(own.session.get(own_platform.url + address, timeout=PATIENCE).content) == 2 * MIB

    with most_connections(url) as counted, ThreadPoolExecutor(40) as clients:
        list(clients.map(client, range(40)))

    assert 8 < max(counted) <= CONNECTIONS
    # The threads for long bodies and answers, and the sockets, give theirs back; those for requests keep them.
    threads = WORKERS * 8 + 2
    with psycopg.connect(url, autocommit=True) as connection:
        wait_for(lambda: connections(connection) <= threads, what="connections to be given back")


def test_many_that_log_small_and_large_batches_at_once_lose_and_double_nothing(own_platform):
    """Small bodies are committed together by one thread, large ones by those that wait for it."""
    clients, batches, large = 24, 30, 1000

    def client(number: int) -> tuple[str, int]:
        own = NativeApi(own_platform.url, own_platform.token, own_platform.project)
        answer = own.session.post(f"{own.base}/projects/{own.project}/runs/", json={}, timeout=PATIENCE)
        run, writer, sent = str(answer.json()["uuid"]), str(uuid.uuid4()), 0
        for seq in range(1, batches + 1):
            count = large if (number + seq) % 3 == 0 else 3
            points = [(float(place), 1000 * seq + place, float("nan")) for place in range(count)]
            body = packed({"loss": points}, seq=seq, writer=writer)
            for _ in range(2 if seq % 7 == 0 else 1):  # as who got no answer
                answer = own.session.post(
                    f"{own.base}/runs/{run}/points/",
                    data=body,
                    headers={"Content-Type": MEDIA_TYPE},
                    timeout=PATIENCE,
                )
                assert answer.status_code == 200, answer.text
            sent += count
        return run, sent

    with ThreadPoolExecutor(clients) as pool:
        logged = list(pool.map(client, range(clients)))
    own = NativeApi(own_platform.url, own_platform.token, own_platform.project)
    for run, sent in logged:
        answer = own.get(f"/runs/{run}/points/?path=loss&limit=1")
        assert answer["total"] == sent
