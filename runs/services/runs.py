"""The life of a run: made, alive while its client pings, stopped from outside, put in the trash and taken out again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from projects.exceptions import InvalidInput, NotFound
from projects.models import Project, User
from projects.rows import execute
from runs.commits import committed
from runs.models import AttributeKind, ContainerKind, Run, RunSignal, SignalKind
from runs.models.run import GONE, PING_TIMEOUT
from runs.operations import AssignGitRef, AssignValue
from runs.paths import TAG_PATHS
from runs.services.attributes import create_attributes, resolve_definitions, write_git_reference, write_values

MAX_CUSTOM_ID_LENGTH = 730


def create_run(
    *,
    project: Project,
    owner: User | None,
    kind: ContainerKind = ContainerKind.RUN,
    custom_id: str | None = None,
    name: str = "",
    git: Mapping[str, object] | None = None,
) -> tuple[Run, bool]:
    """Make a run with the next number of its project; returns (run, created).

    A `custom_id` that the project has already gives that run instead, so several processes, and a client that asks
    again because it lost the answer, share one.
    """
    if custom_id is not None:
        _check_custom_id(custom_id)
        existing = Run.objects.filter(project=project, kind=kind, custom_id=custom_id).first()
        if existing is not None:
            return existing, False
    try:
        return committed(lambda: _insert_run(project, owner, kind, custom_id, name, git)), True
    except IntegrityError:  # another process made the run with this custom id a moment ago
        return Run.objects.get(project=project, kind=kind, custom_id=custom_id), False


def _insert_run(
    project: Project,
    owner: User | None,
    kind: ContainerKind,
    custom_id: str | None,
    name: str,
    git: Mapping[str, object] | None,
) -> Run:
    Project.objects.filter(pk=project.pk).update(last_run_number=F("last_run_number") + 1)
    number = Project.objects.values_list("last_run_number", flat=True).get(pk=project.pk)
    run = Run.objects.create(
        project=project,
        kind=kind,
        sys_id=f"{project.key}-{number}",
        number=number,
        custom_id=custom_id,
        owner=owner,
        last_ping_at=timezone.now(),
    )
    _write_system_attributes(run, name)
    if git:
        write_git_reference(run, AssignGitRef(path="source_code/git", reference=git))
    return run


def _write_system_attributes(run: Run, name: str) -> None:
    """The sys/ attributes that never change by themselves; the others are computed from the run's columns."""
    values: list[tuple[str, AttributeKind, str | datetime | bool]] = [
        ("sys/id", AttributeKind.STRING, run.sys_id),
        ("sys/creation_time", AttributeKind.DATETIME, run.created_at),
    ]
    if run.owner is not None:
        values.append(("sys/owner", AttributeKind.STRING, run.owner.username))
    if run.custom_id is not None:
        values.append(("sys/custom_run_id", AttributeKind.STRING, run.custom_id))
    if name:
        values.append(("sys/name", AttributeKind.STRING, name))
    ids = resolve_definitions(run.project_id, [(path, kind) for path, kind, _ in values])
    assigned = {ids[path, kind]: AssignValue(path=path, kind=kind, value=value) for path, kind, value in values}
    write_values(run, assigned, new=assigned)


def _check_custom_id(custom_id: str) -> None:
    if not 1 <= len(custom_id) <= MAX_CUSTOM_ID_LENGTH or not custom_id.isprintable():
        raise InvalidInput(f"A custom run id has 1 to {MAX_CUSTOM_ID_LENGTH} printable characters.", field="custom_id")


def project_container(project: Project) -> Run:
    """The container of the project's own attributes; it has the project's uuid and is made on first use."""
    existing = Run.objects.filter(project=project, kind=ContainerKind.PROJECT).first()
    if existing is not None:
        return existing
    try:
        with transaction.atomic():
            container = Run.objects.create(
                uuid=project.uuid,
                project=project,
                kind=ContainerKind.PROJECT,
                sys_id=project.key,
                number=0,
                created_at=project.created_at,
            )
            _write_system_attributes(container, project.name)
            # Clients expect a project to have its sets of tags from the start.
            tags = resolve_definitions(project.pk, [(path, AttributeKind.STRING_SET) for path in sorted(TAG_PATHS)])
            create_attributes(container, list(tags.values()))
            return container
    except IntegrityError:
        return Run.objects.get(project=project, kind=ContainerKind.PROJECT)


def ping_run(run: Run) -> None:
    """Note that a client is there: a run that was finished or stopped is running again."""
    # The condition keeps two processes of one run from counting the same seconds twice.
    seen = Run.objects.filter(pk=run.pk, last_ping_at=run.last_ping_at)
    committed(lambda: seen.update(**signs_of_life(run), finished_at=None, stopped_at=None))


def signs_of_life(run: Run) -> dict[str, Any]:
    """The changes to a run's row when its client was heard of: the time since it was last heard of counts as running,
    unless nobody was there in between."""
    now = timezone.now()
    return {"last_ping_at": now, "running_seconds": F("running_seconds") + seconds_alive(run, now)}


def seconds_alive(run: Run, now: datetime) -> float:
    """For how long a run that is heard of now ran since it was last heard of."""
    before = run.last_ping_at
    if before is None or before >= now or now - before > PING_TIMEOUT:
        return 0.0
    return (now - before).total_seconds()


def write_run(run_id: int, changes: Mapping[str, Any]) -> None:
    """Set columns of a run's row, whose lock the caller holds. They are named in the code, never by a client."""
    names = ", ".join(f"{name} = %s" for name in changes)
    values = [
        connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
        for value in changes.values()
    ]
    execute(f"UPDATE {Run._meta.db_table} SET {names} WHERE id = %s", [*values, run_id])  # noqa: S608 - own names


def finish_run(run: Run) -> None:
    """Note that the client said it ended; repeating it changes nothing."""
    ping_run(run)
    now = timezone.now()
    Run.objects.filter(pk=run.pk, finished_at__isnull=True).update(finished_at=now, touched_at=now)


def trash_runs(runs: Collection[Run]) -> list[Run]:
    """Move runs to the trash; returns those that were not in it."""
    return _set_trashed([run for run in runs if run.trashed_at is None], timezone.now())


def restore_runs(runs: Collection[Run]) -> list[Run]:
    """Take runs out of the trash; returns those that were in it."""
    return _set_trashed([run for run in runs if run.trashed_at is not None], None)


def _set_trashed(runs: list[Run], trashed_at: datetime | None) -> list[Run]:
    ids = [run.pk for run in runs if run.kind != ContainerKind.PROJECT]
    now = timezone.now()
    changes = {"trashed_at": trashed_at, "touched_at": now, "values_changed_at": now}
    Run.objects.filter(pk__in=ids).exclude(kind=GONE).update(**changes)
    return [run for run in runs if run.pk in set(ids)]


@transaction.atomic
def request_signal(*, run: Run, kind: SignalKind, requested_by: User | None, seconds: int = 60) -> RunSignal:
    """Ask a live run's client to stop (after sending what it holds) or to abort. Asking again while one waits is one
    request. Raises InvalidInput for a run that is not alive: nobody would hear it."""
    locked = Run.objects.select_for_update(no_key=True).filter(pk=run.pk).first()
    if locked is None:
        raise NotFound
    if not locked.is_alive:
        raise InvalidInput("The run is not running, so it can't be stopped.", code="not_running")
    waiting = locked.signals.filter(kind=kind, delivered_at__isnull=True).first()
    if waiting is not None:
        return waiting
    return RunSignal.objects.create(run=locked, kind=kind, requested_by=requested_by, seconds=seconds)


def mark_delivered(signal: RunSignal) -> None:
    """Note that the client got the signal: from then on its end counts as stopped by a person."""
    now = timezone.now()
    RunSignal.objects.filter(pk=signal.pk, delivered_at__isnull=True).update(delivered_at=now)
    Run.objects.filter(pk=signal.run_id).update(stopped_at=now, touched_at=now)
