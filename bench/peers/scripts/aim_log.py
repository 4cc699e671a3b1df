"""Runs in Aim's environment: log points to a repository or a tracking server, once told to.

    python aim_log.py REPOSITORY POINTS SERIES
    python aim_log.py --fill REPOSITORY POINTS PATH

Prints "ready", waits for a line, logs, prints {"points": …, "run": …}.
"""

import json
import logging
import random
import sys

from aim import Run
from aim.storage.context import Context

logging.disable(logging.WARNING)


def open_run(repository: str) -> Run:
    return Run(repo=repository, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)


def log(repository: str, points: int, series: int) -> str:
    run = open_run(repository)
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    wait()
    for step in range(points // series):
        for number in range(series):
            run.track(chance.random(), name=f"metrics/series_{number}", step=step)
    run.close()
    return str(run.hash)


def fill(repository: str, points: int, path: str) -> str:
    """One long series, past the bookkeeping that `track` does for every point."""
    run = open_run(repository)
    wait()
    run.track(1.0, name=path, step=0)
    tracker, context = run._tracker, Context({}).idx
    info = tracker.sequence_infos[context, path]
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    with run.repo.atomic_track(run.hash):
        for step in range(1, points):
            tracker._add_value(info, chance.random(), step, None, 1_760_000_000 + step / 10)
        tracker._update_sequence_info(context, path, 0.5, points - 1)
    run.close()
    return str(run.hash)


def wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    if sys.argv[1] == "--fill":
        made = fill(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        made = log(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"run": made}), flush=True)
