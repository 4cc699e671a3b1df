"""A process that logs from many threads and says what was acknowledged, until it is killed; see test_commits.py.

`log` prints "writer seq" after each batch, `list` prints those that are stored."""

from __future__ import annotations

import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import django
import numpy as np

django.setup()

from django.core.management import call_command  # noqa: E402

from projects.access import actor_for_user  # noqa: E402
from projects.models import User  # noqa: E402
from projects.services.projects import create_organization, create_project  # noqa: E402
from runs.models import BatchLog, Run, Writer  # noqa: E402
from runs.operations import BatchIdentity, FloatBlock, PointColumns  # noqa: E402
from runs.services.ingest import apply_points  # noqa: E402
from runs.services.runs import create_run  # noqa: E402

THREADS = 8
_output = threading.Lock()


def log() -> None:
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("alice", email="alice@example.org", password="alice-password-1")
    create_organization(owner=user, name="lab")
    project = create_project(actor=actor_for_user(user), organization="lab", name="tutorial")
    runs = [create_run(project=project, owner=user)[0] for _ in range(2)]
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(THREADS):
            pool.submit(_log_for_ever, runs[number % len(runs)])


def _log_for_ever(run: Run) -> None:
    writer, seq = str(uuid.uuid4()), 0
    while True:
        seq += 1
        steps = np.array([float(seq)])
        block = FloatBlock(["loss"], [0], [1], steps, np.array([1_000 + seq]), steps)
        apply_points(run, PointColumns(block), identity=BatchIdentity(writer=writer, seq=seq))
        with _output:
            sys.stdout.write(f"{writer} {seq}\n")
            sys.stdout.flush()


def print_stored() -> None:
    names = {(run, number): name for run, number, name in Writer.objects.values_list("run_id", "number", "uuid")}
    watermarks = {str(name): last for name, last in Writer.objects.values_list("uuid", "last_seq")}
    for run, number, seq in BatchLog.objects.values_list("run_id", "writer", "seq"):
        sys.stdout.write(f"{names[run, number]} {seq}\n")
    for name, last in watermarks.items():
        for seq in range(1, last + 1):
            sys.stdout.write(f"{name} {seq}\n")


if __name__ == "__main__":
    {"log": log, "list": print_stored}[sys.argv[1]]()
