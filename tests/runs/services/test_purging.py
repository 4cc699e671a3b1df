"""Removing for good what is in the trash long enough."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from projects.access import Action, Actor, actor_for_user
from projects.exceptions import NotFound
from runs.access import access_run_by_uuid, visible_runs
from runs.models import Attribute, Chunk, ContainerKind, Run, StoredFile
from runs.models.run import GONE
from runs.operations import AddTags, AppendFloats, BatchIdentity, FloatBlock, PointColumns
from runs.series import store
from runs.services import purging
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations, apply_points
from runs.services.runs import create_run, restore_runs, trash_runs

WRITER = "6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11"


@pytest.fixture
def actor(alice) -> Actor:
    return actor_for_user(alice)


def points(count: int, seq: int = 1) -> PointColumns:
    steps = np.arange(seq * count, (seq + 1) * count, dtype=np.float64)
    return PointColumns(FloatBlock(["loss"], [0], [count], steps, np.full(count, seq, np.int64), steps))


def fill(run: Run) -> None:
    for seq in (1, 2):
        apply_points(run, points(9000, seq), identity=BatchIdentity(writer=WRITER, seq=seq))
        if seq == 1:
            store.flush(run.pk)
    apply_operations(
        run,
        [AddTags(path="sys/tags", tags=["x"]), AppendFloats(path="b", values=[1.0], steps=[None], timestamps=[1])],
        identity=BatchIdentity(digest="d" * 64),
    )
    store_bytes(run, [b"bytes"])


def trash(run: Run, days: float) -> None:
    trash_runs([run])
    Run.objects.filter(pk=run.pk).update(trashed_at=timezone.now() - timedelta(days=days))


def rows_of(run: Run) -> dict[str, int]:
    """The rows that refer to the run, of every model that does."""
    found = {"Run": Run.objects.filter(pk=run.pk).count()}
    for model in apps.get_app_config("runs").get_models():
        if any(field.name == "run" for field in model._meta.fields):
            found[model.__name__] = model._default_manager.filter(run_id=run.pk).count()
    return {name: count for name, count in found.items() if count}


def test_what_is_long_in_the_trash_is_removed_with_all_it_holds(run: Run, project):
    other = create_run(project=project, owner=None)[0]
    for each in (run, other):
        fill(each)
    before = rows_of(other)
    trash(run, days=31)
    assert purging.purge_trash() == 1
    assert rows_of(run) == {}
    assert rows_of(other) == before


def test_what_is_not_long_enough_in_the_trash_stays(run: Run):
    fill(run)
    trash(run, days=29)
    before = rows_of(run)
    assert purging.purge_trash() == 0
    assert rows_of(run) == before
    assert restore_runs([Run.objects.get(pk=run.pk)])


def test_nothing_is_removed_when_the_trash_is_kept_for_ever(run: Run, settings):
    settings.TRASH_DAYS = 0
    trash(run, days=10_000)
    assert purging.purge_trash() == 0
    assert Run.objects.filter(pk=run.pk).exists()


def test_a_purge_is_gone_on_with_where_it_stopped(run: Run, actor: Actor, monkeypatch: pytest.MonkeyPatch):
    fill(run)
    trash(run, days=31)
    assert purging.purge_trash(seconds=0) == 0
    assert Run.objects.get(pk=run.pk).kind == GONE
    assert not visible_runs(actor).filter(pk=run.pk).exists()
    with pytest.raises(NotFound):
        access_run_by_uuid(actor, run.uuid, Action.VIEW)
    assert restore_runs([Run.objects.get(pk=run.pk)]) is not None
    assert Run.objects.get(pk=run.pk).trashed_at is not None
    rounds = 0
    while rows_of(run):
        purging.purge_trash(seconds=0)
        rounds += 1
    assert rounds > 5


@pytest.mark.django_db(transaction=True)
def test_who_logs_to_a_run_that_is_being_removed_is_told(run: Run):
    fill(run)
    trash(run, days=31)
    apply_points(run, points(10, 900), identity=BatchIdentity(writer=WRITER, seq=3))
    purging.purge_trash(seconds=0)
    for columns in (points(10, 901), points(10, 902)):
        with pytest.raises(NotFound):
            apply_points(run, columns, identity=BatchIdentity(writer=WRITER, seq=4))
    purging.purge_trash()
    assert rows_of(run) == {}
    assert not Chunk.objects.exists()


def test_a_custom_id_is_free_again_as_soon_as_its_run_is_being_removed(project):
    run = create_run(project=project, owner=None, custom_id="mine")[0]
    trash(run, days=31)
    purging.purge_trash(seconds=0)
    again, is_new = create_run(project=project, owner=None, custom_id="mine")
    assert is_new
    assert again.pk != run.pk


def test_the_versions_of_a_model_go_with_it(project):
    model = create_run(project=project, owner=None, kind=ContainerKind.MODEL)[0]
    version = create_run(project=project, owner=None, kind=ContainerKind.MODEL_VERSION)[0]
    Run.objects.filter(pk=version.pk).update(parent=model)
    trash(model, days=31)
    purging.purge_trash()
    assert not Run.objects.filter(pk__in=[model.pk, version.pk]).exists()


def test_a_long_series_goes_in_few_transactions_of_bounded_size(run: Run, monkeypatch: pytest.MonkeyPatch):
    apply_points(run, points(1), identity=BatchIdentity(digest="e" * 64))
    store.flush(run.pk)
    chunk = Chunk.objects.get()
    fields = {field.attname: getattr(chunk, field.attname) for field in Chunk._meta.concrete_fields}
    copies = [Chunk(**{**fields, "id": None, "first_step": float(number)}) for number in range(10, 1230)]
    Chunk.objects.bulk_create(copies)  # as many as 10 million points have
    trash(run, days=31)
    removed: list[int] = []

    def watched(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE"):
            removed.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(watched):
        assert purging.purge_trash() == 1
    assert sum(removed) > 1221
    assert max(removed) <= purging.ROWS_AT_ONCE
    assert len(removed) < 30
    assert not Chunk.objects.exists()
    assert not Attribute.objects.filter(run_id=run.pk).exists()
    assert not StoredFile.objects.exists()
