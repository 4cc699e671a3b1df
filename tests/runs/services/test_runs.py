from datetime import timedelta

import pytest
from django.utils import timezone

from projects.exceptions import InvalidInput
from runs.models import AttributeKind, Run, SignalKind
from runs.models.run import PING_TIMEOUT, RunState
from runs.operations import AssignValue, BatchIdentity
from runs.selectors.attributes import get_attribute, get_attributes, list_attributes
from runs.services.ingest import apply_operations
from runs.services.runs import (
    create_run,
    finish_run,
    mark_delivered,
    ping_run,
    project_container,
    request_signal,
    restore_runs,
    trash_runs,
)


def test_runs_are_counted_within_their_project(project, alice):
    ids = [create_run(project=project, owner=alice)[0].sys_id for _ in range(3)]
    assert ids == ["TUT-1", "TUT-2", "TUT-3"]


def test_a_custom_id_names_one_run_however_often_it_is_asked_for(project, alice):
    first, was_created = create_run(project=project, owner=alice, custom_id="night-1")
    again, was_created_again = create_run(project=project, owner=alice, custom_id="night-1")
    assert (was_created, was_created_again) == (True, False)
    assert first == again
    assert get_attribute(first, "sys/custom_run_id").value == "night-1"


@pytest.mark.parametrize("custom_id", ["", "x" * 731, "a\nb", "\x00"])
def test_an_impossible_custom_id_is_refused(project, alice, custom_id):
    with pytest.raises(InvalidInput):
        create_run(project=project, owner=alice, custom_id=custom_id)


def test_a_new_run_has_its_system_attributes(run):
    found = get_attributes(run, ["sys/id", "sys/name", "sys/owner", "sys/state", "sys/trashed", "sys/creation_time"])
    assert found["sys/id"].value == "TUT-1"
    assert found["sys/name"].value == "first"
    assert found["sys/owner"].value == "alice"
    assert found["sys/state"].kind is AttributeKind.RUN_STATE
    assert found["sys/state"].value == "running"
    assert found["sys/trashed"].value is False


def test_git_information_becomes_an_attribute_only_where_there_is_some(project, alice):
    plain, _ = create_run(project=project, owner=alice)
    assert get_attribute(plain, "source_code/git") is None
    run, _ = create_run(project=project, owner=alice, git={"commit_id": "2a3b8b", "branch": "main"})
    assert get_attribute(run, "source_code/git").value == {"commit_id": "2a3b8b", "branch": "main"}


def test_a_project_has_one_container_of_its_own_with_its_uuid(project):
    container = project_container(project)
    assert container == project_container(project)
    assert container.uuid == project.uuid
    paths = {view.path for view in list_attributes(container, prefix="sys")}
    assert "sys/visibility" in paths
    assert "sys/trashed" not in paths


def test_a_run_is_running_while_it_is_pinged(run):
    pinged = run.state
    assert pinged is RunState.RUNNING
    run.last_ping_at = timezone.now() - PING_TIMEOUT - timedelta(seconds=1)
    assert run.state is RunState.FINISHED


def test_running_time_counts_pings_and_leaves_gaps_out(run):
    start = timezone.now() - timedelta(seconds=20)
    Run.objects.filter(pk=run.pk).update(last_ping_at=start)
    run.refresh_from_db()
    ping_run(run)
    ping_run(run)  # a second process that saw the same last ping adds nothing
    run.refresh_from_db()
    counted = run.running_seconds
    assert 20 <= counted < 30
    Run.objects.filter(pk=run.pk).update(last_ping_at=timezone.now() - timedelta(hours=1))
    run.refresh_from_db()
    ping_run(run)
    run.refresh_from_db()
    assert run.running_seconds == counted


def test_what_a_client_logs_counts_as_running_and_what_people_edit_does_not(run):
    start = timezone.now() - timedelta(seconds=20)
    operation = AssignValue(path="x", kind=AttributeKind.INT, value=1)
    for is_edit in (True, False):
        Run.objects.filter(pk=run.pk).update(last_ping_at=start, running_seconds=0)
        apply_operations(run, [operation], identity=BatchIdentity(), is_edit=is_edit)
        run.refresh_from_db()
        assert (run.running_seconds >= 20, run.last_ping_at > start) == (not is_edit, not is_edit)


def test_a_queue_sent_long_afterwards_does_not_bring_a_run_back_to_life(run):
    Run.objects.filter(pk=run.pk).update(last_ping_at=timezone.now() - timedelta(hours=1))
    operation = AssignValue(path="x", kind=AttributeKind.INT, value=1)
    apply_operations(run, [operation], identity=BatchIdentity())
    run.refresh_from_db()
    assert run.state is RunState.FINISHED


def test_numbered_batches_keep_a_run_alive_by_themselves(run):
    Run.objects.filter(pk=run.pk).update(last_ping_at=timezone.now() - timedelta(hours=1))
    operation = AssignValue(path="x", kind=AttributeKind.INT, value=1)
    apply_operations(run, [operation], identity=BatchIdentity(writer="6f2c1f5e-6d0c-4b7e-9a51-0d3b2f0a7c11", seq=1))
    run.refresh_from_db()
    assert run.is_alive
    assert run.running_seconds == 0


def test_a_run_that_is_finished_and_logs_again_is_running_again(run):
    finish_run(run)
    run.refresh_from_db()
    ended = run.state
    assert ended is RunState.FINISHED
    ping_run(run)
    run.refresh_from_db()
    assert run.state is RunState.RUNNING


def test_the_trash_can_be_undone(run):
    assert trash_runs([run]) == [run]
    run.refresh_from_db()
    assert run.trashed_at
    assert trash_runs([run]) == []
    assert restore_runs([run]) == [run]
    run.refresh_from_db()
    assert run.trashed_at is None


def test_a_signal_waits_once_and_its_delivery_makes_the_run_stopped(run, alice):
    signal = request_signal(run=run, kind=SignalKind.STOP, requested_by=alice)
    assert request_signal(run=run, kind=SignalKind.STOP, requested_by=alice) == signal
    mark_delivered(signal)
    Run.objects.filter(pk=run.pk).update(last_ping_at=timezone.now() - timedelta(hours=1))
    run.refresh_from_db()
    assert run.state is RunState.STOPPED


def test_a_run_that_nobody_serves_can_not_be_stopped(run, alice):
    Run.objects.filter(pk=run.pk).update(last_ping_at=None)
    with pytest.raises(InvalidInput):
        request_signal(run=run, kind=SignalKind.STOP, requested_by=alice)
