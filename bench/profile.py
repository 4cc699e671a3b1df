"""Where each microsecond of one ingest request and of one chart request goes.

    python -m bench.profile            # prints both tables and keeps them in bench/results/latest.json

The requests go through Django's WSGI application in this process, on a PostgreSQL of their own: the time per request is
measured without a profiler, a profiler then tells how it divides. PostgreSQL's own time and that of the flush stand
beside it.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import points
from bench.contenders import CHART_PATH, Unavailable
from bench.database import POSTGRESQL, open_store
from bench.points import make_batches
from bench.processes import ROOT, Processes
from bench.report import RESULTS, Result, profile_table

SERIES_POINTS = 1_000_000
BATCH_POINTS = 1000
INGEST_REQUESTS, CHART_REQUESTS = 300, 100
# The first that matches the name of the file a function is in.
PLACES = (
    ("/django/db/", "Django: queries and cursors"),
    ("/psycopg", "database driver, waiting for PostgreSQL"),
    ("/rest_framework/", "Django REST framework"),
    ("/django/", "Django: request, address, answer"),
    ("/numpy/", "numpy and codecs"),
    ("/runs/series/", "points: log rows, chunks, outlines"),
    ("/runs/", "runs: access, plan, attributes"),
    ("/projects/", "projects: who may do what"),
    ("/tracking_platform/", "middleware"),
    ("/api/", "wire: tokens, reading bodies, answers"),
)
OTHER = "Python's library"
POSTGRES, FLUSH = "PostgreSQL's processes", "flush afterwards, per request (Python and PostgreSQL)"


class Application:
    """Requests to the WSGI application, without a server in between."""

    def __init__(self) -> None:
        from django.core.wsgi import get_wsgi_application

        self._application = get_wsgi_application()

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        address, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": address,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "HTTP_HOST": "127.0.0.1:8000",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        for name, value in (headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        statuses: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
            statuses.append(status)
            return lambda _: None

        answer: Any = self._application(environ, start)
        content = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        if not statuses or not statuses[0].startswith("2"):
            raise SystemExit(f"{method} {path}: {statuses} {content[:500].decode(errors='replace')}")
        return content


def divide(action: Callable[[int], object], requests: int, database: Processes) -> list[dict[str, Any]]:
    """Microseconds of CPU per request by place, the dearest first. `action` is given the number of the request."""
    for number in range(20):
        action(number)
    postgres, before = database.cpu(), time.process_time()
    for number in range(20, 20 + requests):
        action(number)
    spent = (time.process_time() - before) / requests * 1e6
    postgres = (database.cpu() - postgres) / requests * 1e6
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    for number in range(20 + requests, 20 + 2 * requests):
        action(number)
    profiler.disable()
    shares = by_place(pstats.Stats(profiler))
    whole = sum(shares.values())
    parts = [{"where": place, "us": spent * share / whole} for place, share in shares.most_common()]
    return [*parts, {"where": POSTGRES, "us": postgres}]


def by_place(stats: pstats.Stats) -> Counter[str]:
    """Seconds inside each part of the code. A function written in C counts for whoever called it."""
    found: Counter[str] = Counter()
    entries: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
    for (file, _, _), (_, _, own, _, callers) in entries.items():
        if not file.startswith("~") and not file.startswith("<"):
            found[place_of(file)] += own
            continue
        for (caller, _, _), (_, _, time_there, _) in callers.items():
            found[place_of(caller)] += time_there
    return found


def place_of(file: str) -> str:
    return next((place for part, place in PLACES if part in file), OTHER)


def measure_inside() -> dict[str, list[dict[str, Any]]]:
    """Both profiles, with Django set up for the database in the environment."""
    import django

    django.setup()
    from django.core.management import call_command

    from runs.series import flush_pending
    from tracking_platform.serving import first_run

    call_command("migrate", interactive=False, verbosity=0)
    values, _ = first_run.prepare()
    assert values is not None
    application = Application()
    database = Processes(0, tuple(int(pid) for pid in os.environ["BENCH_DATABASE_ROOTS"].split(",")))
    bearer = {"Authorization": f"Bearer {values.token}"}

    def new_run() -> str:
        answer = application.request("POST", f"/api/v1/projects/{values.project}/runs/", b'{"name": "p"}', bearer)
        return str(json.loads(answer)["uuid"])

    token = {"X-Neptune-Api-Token": values.token}
    exchange = json.loads(application.request("GET", "/api/backend/v1/authorization/oauth-token", headers=token))
    neptune = {"Authorization": f"Bearer {exchange['accessToken']}"}
    run = new_run()
    address = f"/api/leaderboard/v1/attributes/operations?experimentId={run}"
    batches = make_batches((20 + 2 * INGEST_REQUESTS) * BATCH_POINTS, BATCH_POINTS, seed=1)
    bodies = [points.neptune_body(batch, run) for batch in batches]
    ingest = divide(lambda n: application.request("POST", address, bodies[n], neptune), INGEST_REQUESTS, database)
    ingest.append({"where": FLUSH, "us": _flush_cost(flush_pending, len(bodies), database)})

    run, writer, size = new_run(), str(uuid.uuid4()), 100_000
    curve, stamps = points.curve(SERIES_POINTS, seed=5), points.times(SERIES_POINTS, seed=5)
    binary = {**bearer, "Content-Type": "application/vnd.tracking-platform.points"}
    for number, start in enumerate(range(0, SERIES_POINTS, size)):
        part, steps = curve[start : start + size], points.steps_from(start, size)
        body = points.binary_columns(writer, number + 1, [(CHART_PATH, part)], stamps[start : start + size], steps)
        application.request("POST", f"/api/v1/runs/{run}/points/", body, binary)
    application.request("POST", f"/api/v1/runs/{run}/finish/", b"{}", bearer)
    while flush_pending():
        pass
    chart = f"/api/v1/runs/{run}/series/?path={CHART_PATH}&max_points=1000"
    read = divide(lambda _: application.request("GET", chart, headers=bearer), CHART_REQUESTS, database)
    return {"ingest": ingest, "chart": read}


def _flush_cost(flush: Callable[[], object], requests: int, database: Processes) -> float:
    """Microseconds per request until nothing waits in the log."""
    from runs.models import BatchLog

    before, started = database.cpu(), time.process_time()
    deadline = time.monotonic() + 120
    while BatchLog.objects.filter(point_count__gt=0).exists() and time.monotonic() < deadline:
        flush()
    return (time.process_time() - started + database.cpu() - before) / requests * 1e6


def measure() -> dict[str, list[dict[str, Any]]]:
    """Both profiles, in a process of its own with a PostgreSQL of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-profile-") as folder,
        open_store(Path(folder), POSTGRESQL, with_broker=True) as store,
    ):
        environment = {
            **os.environ,
            "DATA_DIR": folder,
            "DATABASE_URL": store.url,
            "REDIS_URL": store.broker,
            "DJANGO_SETTINGS_MODULE": "tracking_platform.settings",
            "BENCH_DATABASE_ROOTS": ",".join(str(pid) for pid in store.roots[:1]),
        }
        command = [sys.executable, "-m", "bench.profile", "--inside"]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise Unavailable("its requests could not be profiled")
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        print(json.dumps(measure_inside()))
        return
    profiles = measure()
    for name, parts in profiles.items():
        print(f"\n{name}\n\n{profile_table(parts)}")
    if RESULTS.exists():
        result = Result.read()
        result.profiles.update(profiles)
        result.write()


if __name__ == "__main__":
    main()
