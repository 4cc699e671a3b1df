"""Series that the rules of their project no longer keep."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection
from django.db.models import F
from django.utils import timezone

from projects.access import actor_for_user
from projects.models import Project, User
from projects.services.projects import create_project
from runs.models import Attribute, AttributeKind, BatchLog, Chunk, ContainerKind, RejectedOperation, RetentionRule, Run
from runs.models.retention import MAX_RULES_PER_PROJECT
from runs.operations import (
    AppendFiles,
    AppendFloats,
    AppendStrings,
    AssignValue,
    BatchIdentity,
    FilePoint,
    FloatBlock,
    Operation,
    PointColumns,
)
from runs.selectors.retention import GRACE, Removal, load_scopes, would_remove
from runs.series import store
from runs.series.base import SeriesKey
from runs.services import memory, retention
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations, apply_points
from runs.services.retention import apply_retention
from runs.services.runs import create_run, restore_runs, trash_runs

WRITER = "6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11"


def floats(path: str, *values: float) -> AppendFloats:
    return AppendFloats(path=path, values=values, steps=[None] * len(values), timestamps=[1000] * len(values))


def lines(path: str, *values: str) -> AppendStrings:
    return AppendStrings(path=path, values=values, steps=[None] * len(values), timestamps=[1000] * len(values))


def log(run: Run, *operations: Operation) -> None:
    apply_operations(run, operations, identity=BatchIdentity())


def fill(run: Run, *paths: str) -> None:
    log(run, *(floats(path, 1.0, 2.0, 3.0) for path in paths))
    store.flush(run.pk)


def quiet(run: Run, days: float) -> None:
    """Nobody has written to the run for so long."""
    since = timezone.now() - timedelta(days=days)
    Run.objects.filter(pk=run.pk).update(touched_at=since, last_ping_at=since)


def let_pass(days: float) -> None:
    """Make everything older by so long."""
    age = timedelta(days=days)
    Run.objects.update(touched_at=F("touched_at") - age, last_ping_at=F("last_ping_at") - age)
    RetentionRule.objects.update(changed_at=F("changed_at") - age, settled_until=F("settled_until") - age)


def rule(project: Project, prefix: str, days: int) -> RetentionRule:
    made = RetentionRule(project=project, prefix=prefix, days=days)
    made.full_clean()
    made.save()
    RetentionRule.objects.filter(pk=made.pk).update(changed_at=timezone.now() - GRACE)
    return made


def paths_of(run: Run) -> set[str]:
    rows = Attribute.objects.filter(run=run).exclude(definition__path__startswith="sys/")
    return set(rows.values_list("definition__path", flat=True))


@pytest.fixture
def another(project: Project, alice: User) -> Run:
    return create_run(project=project, owner=alice)[0]


def test_series_below_the_prefix_go_with_their_points(run: Run, project: Project):
    fill(run, "monitoring/cpu", "monitoring/gpu/0", "monitoringx", "train/loss")
    quiet(run, days=31)
    rule(project, "monitoring/", 30)
    assert apply_retention() == 2
    assert paths_of(run) == {"monitoringx", "train/loss"}
    assert Chunk.objects.filter(run_id=run.pk).count() == 2
    assert apply_retention() == 0


def test_only_series_of_numbers_and_lines_go(run: Run, project: Project):
    file = store_bytes(run, [b"bytes"])
    log(
        run,
        floats("m/loss", 1.0),
        lines("m/stdout", "hello"),
        AppendFiles(path="m/images", points=[FilePoint(file=file, step=None, timestamp=1)]),
        AssignValue(path="m/rate", kind=AttributeKind.FLOAT, value=0.1),
        AssignValue(path="m/name", kind=AttributeKind.STRING, value="x"),
    )
    quiet(run, days=2)
    rule(project, "", 1)
    before = Attribute.objects.filter(run=run).count()
    assert apply_retention() == 2
    assert paths_of(run) == {"m/images", "m/rate", "m/name"}
    assert Attribute.objects.filter(run=run).count() == before - 2


def test_points_that_wait_in_the_log_go_with_their_series_and_no_others(run: Run, project: Project):
    log(run, floats("monitoring/cpu", 1.0), floats("loss", 1.0, 2.0))
    quiet(run, days=31)
    rule(project, "monitoring/", 30)
    assert BatchLog.objects.exists()
    assert apply_retention() == 1
    loss = Attribute.objects.get(run=run, definition__path="loss")
    page = store.read_page(SeriesKey(run.pk, loss.definition_id), offset=0, limit=10)
    assert page.values.tolist() == [1.0, 2.0]
    assert Chunk.objects.count() == 1


@pytest.mark.parametrize(
    ("days", "left"),
    [
        (10, {"a", "monitoring/cpu", "monitoring/gpu/0", "monitoring/gpu/mem/0"}),
        (40, {"a", "monitoring/gpu/0"}),
        (70, {"monitoring/gpu/0"}),
        (100, set()),
    ],
)
def test_the_longest_prefix_decides(run: Run, project: Project, days: int, left: set[str]):
    fill(run, "a", "monitoring/cpu", "monitoring/gpu/0", "monitoring/gpu/mem/0")
    quiet(run, days=days)
    for prefix, kept in (("", 60), ("monitoring/", 30), ("monitoring/gpu/", 90), ("monitoring/gpu/mem/", 20)):
        rule(project, prefix, kept)
    apply_retention()
    assert paths_of(run) == (left | {"monitoring/gpu/mem/0"} if days < 20 else left)


def test_runs_that_are_recent_or_alive_are_left(run: Run, another: Run, project: Project):
    for each in (run, another):
        fill(each, "m/a")
    quiet(run, days=29)
    quiet(another, days=31)
    Run.objects.filter(pk=another.pk).update(last_ping_at=timezone.now())
    made = rule(project, "m/", 30)
    assert would_remove([made]) == {made.pk: Removal()}
    assert apply_retention() == 0
    # Nothing was settled before the one that was alive.
    quiet(another, days=31)
    assert apply_retention() == 1
    assert (paths_of(run), paths_of(another)) == ({"m/a"}, set())
    let_pass(days=1)
    assert apply_retention() == 1


def test_a_run_in_the_trash_is_left_to_the_trash(run: Run, project: Project):
    fill(run, "m/a")
    trash_runs([run])
    quiet(run, days=31)
    made = rule(project, "m/", 30)
    assert apply_retention() == 0
    assert would_remove([made]) == {made.pk: Removal()}
    assert paths_of(run) == {"m/a"}
    restore_runs([Run.objects.get(pk=run.pk)])
    assert apply_retention() == 0  # being restored counts as being written to
    let_pass(days=30)
    assert apply_retention() == 1


def test_a_project_in_the_trash_is_left_and_one_in_the_archive_is_not(run: Run, project: Project):
    fill(run, "m/a")
    quiet(run, days=31)
    made = rule(project, "m/", 30)
    Project.objects.filter(pk=project.pk).update(trashed_at=timezone.now())
    assert would_remove([made]) == {made.pk: Removal()}
    assert apply_retention() == 0
    Project.objects.filter(pk=project.pk).update(trashed_at=None, archived_at=timezone.now())
    assert apply_retention() == 1


def test_other_containers_and_other_projects_are_left(run: Run, project: Project, alice: User):
    model = create_run(project=project, owner=alice, kind=ContainerKind.MODEL)[0]
    elsewhere = create_project(actor=actor_for_user(alice), organization="lab", name="elsewhere")
    other = create_run(project=elsewhere, owner=alice)[0]
    for each in (run, model, other):
        fill(each, "m/a")
        quiet(each, days=31)
    rule(project, "", 30)
    assert apply_retention() == 1
    assert paths_of(run) == set()
    assert paths_of(model) == paths_of(other) == {"m/a"}


def test_removing_is_no_activity_but_can_be_noticed(run: Run, project: Project):
    fill(run, "m/a")
    quiet(run, days=31)
    before = Run.objects.get(pk=run.pk)
    rule(project, "m/", 30)
    apply_retention()
    after = Run.objects.get(pk=run.pk)
    assert timedelta(0) < after.touched_at - before.touched_at <= timedelta(microseconds=1)
    assert after.changed_at > before.changed_at
    assert after.values_changed_at > before.values_changed_at
    assert after.last_ping_at == before.last_ping_at
    assert after.running_seconds == before.running_seconds
    assert after.attributes_version == before.attributes_version + 1
    assert after.flush_count > before.flush_count
    assert not RejectedOperation.objects.exists()


def test_one_rule_does_not_delay_another(run: Run, project: Project):
    fill(run, "m/a", "train/loss")
    quiet(run, days=31)
    rule(project, "m/", 30)
    rule(project, "train/", 40)
    assert apply_retention() == 1
    let_pass(days=8)
    assert apply_retention() == 0
    let_pass(days=1)
    assert apply_retention() == 1
    assert paths_of(run) == set()


def test_a_round_is_gone_on_with_where_it_stopped(run: Run, another: Run, project: Project, monkeypatch):
    monkeypatch.setattr(retention, "SERIES_AT_ONCE", 2)
    monkeypatch.setattr(retention, "RUNS_AT_ONCE", 1)
    for each in (run, another):
        fill(each, "m/a", "m/b", "m/c", "n/d")
        quiet(each, days=31)
    rule(project, "m/", 30)
    removed = [apply_retention(seconds=0) for _ in range(5)]
    assert removed == [2, 1, 2, 1, 0]
    assert paths_of(run) == paths_of(another) == {"n/d"}


def test_the_points_of_a_transaction_are_bounded_but_a_series_goes_as_a_whole(run: Run, project: Project, monkeypatch):
    monkeypatch.setattr(retention, "POINTS_AT_ONCE", 4)
    log(run, floats("m/a", *range(9)), floats("m/b", 1.0, 2.0), floats("m/c", 1.0, 2.0), floats("m/d", 1.0))
    store.flush(run.pk)
    quiet(run, days=31)
    rule(project, "m/", 30)
    assert [apply_retention(seconds=0) for _ in range(4)] == [1, 2, 1, 0]


def test_rules_take_turns(run: Run, project: Project, monkeypatch):
    monkeypatch.setattr(retention, "SERIES_AT_ONCE", 1)
    fill(run, "a/1", "a/2", "a/3", "b/1")
    quiet(run, days=31)
    rule(project, "a/", 30)
    rule(project, "b/", 30)
    order = []
    remove = retention._remove

    def watched(run, paths):
        order.append(paths[0][0])
        remove(run, paths)

    monkeypatch.setattr(retention, "_remove", watched)
    assert apply_retention() == 4
    assert order == ["a", "b", "a", "a"]


def test_a_failure_with_one_run_is_tried_again_and_holds_up_no_other(
    run: Run, another: Run, project: Project, monkeypatch
):
    for each, days in ((run, 35), (another, 31)):
        fill(each, "m/a")
        quiet(each, days)
    rule(project, "m/", 30)
    remove = retention._remove

    def fails(failing, paths):
        if failing.pk == run.pk:
            raise OperationalError("the database could not")
        remove(failing, paths)

    with monkeypatch.context() as patch:
        patch.setattr(retention, "_remove", fails)
        assert apply_retention() == 1
    assert paths_of(run) == {"m/a"}
    assert apply_retention() == 1
    assert paths_of(run) == paths_of(another) == set()


def test_points_logged_again_later_begin_a_new_series(run: Run, project: Project):
    numbered = BatchIdentity(writer=WRITER, seq=1)
    apply_operations(run, [floats("m/a", 1.0, 2.0, 3.0), floats("b", 1.0)], identity=numbered)
    quiet(run, days=31)
    rule(project, "m/", 30)
    assert apply_retention() == 1
    # The batch of before is known, and brings nothing back.
    assert apply_operations(run, [floats("m/a", 1.0, 2.0, 3.0)], identity=numbered).is_duplicate
    apply_operations(run, [floats("m/a", 7.0)], identity=BatchIdentity(writer=WRITER, seq=2))
    store.flush(run.pk)
    again = Attribute.objects.get(run=run, definition__path="m/a")
    assert (again.count, again.last_step, again.number) == (1, 0.0, 7.0)
    page = store.read_page(SeriesKey(run.pk, again.definition_id), offset=0, limit=10)
    assert (page.steps.tolist(), page.values.tolist()) == ([0.0], [7.0])
    let_pass(days=29)
    assert apply_retention() == 0
    let_pass(days=1)
    assert apply_retention() == 1


@pytest.mark.django_db(transaction=True)
def test_a_process_that_remembers_the_series_makes_it_anew(run: Run, project: Project):
    def points(seq: int, value: float) -> PointColumns:
        steps, times, values = np.array([np.nan]), np.array([seq * 1000]), np.array([value])
        return PointColumns(FloatBlock(["m/a"], [0], [1], steps, times, values))

    for seq in (1, 2, 3):
        apply_points(run, points(seq, 1.0), identity=BatchIdentity(writer=WRITER, seq=seq))
    known = memory.recall(run.pk)
    assert known is not None
    assert "m/a" in known.floats
    quiet(run, days=31)
    rule(project, "m/", 30)
    assert apply_retention() == 1
    assert not Attribute.objects.filter(run=run, definition__path="m/a").exists()
    apply_points(run, points(4, 7.0), identity=BatchIdentity(writer=WRITER, seq=4))
    store.flush(run.pk)
    assert Attribute.objects.get(run=run, definition__path="m/a").count == 1


def test_what_was_looked_at_is_not_looked_at_again_until_the_rules_change(run: Run, project: Project):
    fill(run, "monitoring/cpu", "monitoring/gpu/0")
    quiet(run, days=31)
    outer = rule(project, "monitoring/", 30)
    inner = rule(project, "monitoring/gpu/", 90)
    apply_retention()
    outer.refresh_from_db()
    assert outer.settled_until is not None
    inner.delete()  # now the outer one governs its series
    assert would_remove([outer])[outer.pk] == Removal(1, 1, 3)
    assert apply_retention() == 1
    assert paths_of(run) == set()


def test_a_rule_that_was_changed_meanwhile_removes_nothing_more(run: Run, project: Project, monkeypatch):
    monkeypatch.setattr(retention, "SERIES_AT_ONCE", 1)
    fill(run, "m/a", "m/b", "m/gpu/c")
    quiet(run, days=31)
    made = rule(project, "m/", 30)
    remove = retention._remove

    def and_changed(run, paths):
        remove(run, paths)
        rule(project, "m/gpu/", 90)

    monkeypatch.setattr(retention, "_remove", and_changed)
    assert apply_retention() == 1
    made.refresh_from_db()
    assert made.settled_until is None
    monkeypatch.setattr(retention, "_remove", remove)
    assert apply_retention() == 1
    assert paths_of(run) == {"m/gpu/c"}


def test_a_new_or_changed_rule_waits_for_an_hour(run: Run, project: Project):
    fill(run, "m/a")
    quiet(run, days=31)
    made = RetentionRule.objects.create(project=project, prefix="m/", days=30)
    assert would_remove([made])[made.pk] == Removal(1, 1, 3)
    assert apply_retention() == 0
    RetentionRule.objects.update(changed_at=timezone.now() - GRACE)
    assert apply_retention() == 1


def test_the_preview_is_what_is_removed_and_costs_two_queries(
    run: Run, another: Run, project: Project, django_assert_num_queries
):
    for each in (run, another):
        fill(each, "a", "m/1", "m/2", "m/gpu/3")
        quiet(each, days=50)
    quiet(another, days=31)
    rules = [rule(project, prefix, days) for prefix, days in (("", 60), ("m/", 30), ("m/gpu/", 40))]
    with django_assert_num_queries(2):
        found = would_remove(rules)
    assert [found[each.pk] for each in rules] == [Removal(), Removal(2, 4, 12), Removal(1, 1, 3)]
    with django_assert_num_queries(2):
        assert would_remove(rules[1:2]) == {rules[1].pk: Removal(2, 4, 12)}
    assert apply_retention() == 5
    assert set(would_remove(rules).values()) == {Removal()}
    assert would_remove([]) == {}


def test_a_round_with_nothing_to_do_asks_little(run: Run, project: Project, django_assert_num_queries):
    for number in range(5):
        each = create_run(project=project, owner=None)[0]
        fill(each, "m/a", "m/b")
        quiet(each, days=31 + number)
    rule(project, "m/", 30)
    apply_retention()
    with django_assert_num_queries(4):  # the rules, whether this one is the same, the runs, how far it came
        assert apply_retention() == 0


def test_old_runs_are_found_by_an_index(project: Project):
    made = rule(project, "m/", 30)
    scope = next(each for each in load_scopes() if each.rule_id == made.pk)
    sql, parameters = scope.runs(timezone.now()).order_by("touched_at", "pk")[:100].query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The table is empty here, or PostgreSQL still believes what another test left: only the order may count.
            for way in ("seqscan", "bitmapscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}", parameters)
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "run_touched" in plan


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("monitoring", "monitoring/"), ("/a/b/", "a/b/"), ("a/b/", "a/b/"), ("", ""), ("/", "")],
)
def test_a_prefix_is_stored_in_one_form(project: Project, typed: str, stored: str):
    assert rule(project, typed, 1).prefix == stored


@pytest.mark.parametrize(("prefix", "days"), [("a//b", 1), ("a\nb", 1), ("ü" * 600, 1), ("a", 0), ("a", 36_501)])
def test_rules_that_make_no_sense_are_refused(project: Project, prefix: str, days: int):
    with pytest.raises(ValidationError):
        rule(project, prefix, days)


def test_a_project_has_one_rule_for_a_prefix_and_not_too_many(project: Project):
    rule(project, "m0/", 1)
    with pytest.raises(ValidationError):
        rule(project, "m0", 2)
    for number in range(1, MAX_RULES_PER_PROJECT):
        rule(project, f"m{number}/", 1)
    with pytest.raises(ValidationError):
        rule(project, "one more", 1)
    full = list(RetentionRule.objects.all())
    assert len(would_remove(full)) == MAX_RULES_PER_PROJECT
    full[0].full_clean()  # those that are there may be changed
