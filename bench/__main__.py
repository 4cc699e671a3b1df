"""Measure the platform and its peers side by side and print how they compare.

make bench                              # everything, within three quarters of an hour on two cores
.venv/bin/python -m bench --quick       # smaller sizes, fewer repeats: within five minutes
.venv/bin/python -m bench --only memory,startup --peers trackio,mlflow
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from bench import machine, profile
from bench.contenders import Contender, Unavailable
from bench.peers.aim import Aim
from bench.peers.fasttrackml import FastTrackML
from bench.peers.mlflow import Mlflow
from bench.peers.tensorboard import TensorBoard
from bench.peers.trackio import Trackio
from bench.report import RESULTS, Result, machine_text, missing, table
from bench.session import FULL, QUICK, TINY, Session
from bench.work import (
    bytes_per_point,
    chart,
    growth,
    ingest_binary,
    ingest_neptune,
    limits,
    many_runs,
    memory,
    rate,
    runs_page,
    startup,
)
from bench.work.chart import WrongChart

WORKS: dict[str, Callable[[Session], None]] = {
    "memory": memory.measure,
    "startup": startup.measure,
    "ingest": ingest_neptune.measure,
    "binary": ingest_binary.measure,
    "rate": rate.measure,
    "bytes": bytes_per_point.measure,
    "chart": chart.measure,
    "runs": runs_page.measure,
    "many": many_runs.measure,
    "limits": limits.measure,
    "growth": growth.measure,
    "profile": lambda session: session.profiles.update(profile.measure()),
}
# Servers started for these are stopped before the others begin, so that they don't disturb them.
LAST_OF_A_GROUP = {"startup", "chart", "many", "growth"}
PEERS: tuple[type[Contender], ...] = (Trackio, FastTrackML, Mlflow, Aim, TensorBoard)
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_const", const="quick", dest="size", default="full")
    parser.add_argument("--tiny", action="store_const", const="tiny", dest="size", help="only to see that all works")
    parser.add_argument("--only", default=",".join(WORKS), help="rows, separated by commas: %(default)s")
    parser.add_argument("--peers", default="", help="part of their names, separated by commas; none for no peer")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    wanted = [name for name in WORKS if name in options.only.split(",")]
    names = [part.lower() for part in options.peers.split(",") if part]
    peers = [peer() for peer in PEERS]
    peers = [peer for peer in peers if not names or any(part in peer.name.lower() for part in names)]
    session = Session(SIZES[options.size], peers)
    started, load_before = time.monotonic(), machine.load()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # not without stopping the servers
    with session:
        session.install()
        for name in wanted:
            measure(session, name)
            if name in LAST_OF_A_GROUP:
                session.stop_servers()
    result = Result(
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        machine={**machine.describe(), "load_before": load_before, "load_after": machine.load()},
        versions={"Python": platform.python_version(), **{peer.name: peer.version for peer in peers}},
        options={"size": options.size, "rows": wanted, "seconds": round(time.monotonic() - started)},
        rows=session.rows,
        growth=session.growth,
        profiles=session.profiles,
    )
    result.write(options.output)
    print(machine_text(result) + "\n\n" + table(result.rows))
    for name, reason in session.reasons.items():
        print(f"\n{name}: {reason}")


def measure(session: Session, name: str) -> None:
    """One row's module; whatever goes wrong with it must not stop the others."""
    session.say(f"== {name}")
    try:
        WORKS[name](session)
    except (Unavailable, AssertionError, OSError, HTTPException, LookupError, ArithmeticError, WrongChart) as error:
        session.say(f"{name} failed: {error!r}")
        session.rows.append(missing(name, f"could not be measured: {str(error)[:200] or type(error).__name__}"))


if __name__ == "__main__":
    main()
