"""The door for those who log: the same answers as runs/access.py, at most a second old."""

from __future__ import annotations

import uuid as uuids

import pytest
from django.utils import timezone

from projects.access import Action, Actor, actor_for_user
from projects.exceptions import AccessDenied, DomainError, NotFound
from projects.models import (
    OrganizationMember,
    OrganizationRole,
    Project,
    ProjectMember,
    ProjectRole,
    Scope,
    User,
    Visibility,
)
from runs.access import access_run_by_uuid
from runs.log_access import SECONDS, access_run_to_log, look_up_runs_to_log, recent_run_to_log
from runs.models import Run
from runs.services.runs import create_run


@pytest.fixture
def run(project: Project, alice: User) -> Run:
    return create_run(project=project, owner=alice, name="first")[0]


def actor(user: User, scope: Scope = Scope.LOG, projects: frozenset[int] | None = None) -> Actor:
    return Actor(user=user, scope=scope, project_ids=projects, token_id=user.pk)


def answer(door, who: Actor, uuid: uuids.UUID) -> tuple[object, ...]:
    try:
        run = door(who, uuid)
    except DomainError as error:
        return type(error), error.message, error.code
    return run.pk, run.uuid, run.project_id, run.kind, run.sys_id


def ordinary(who: Actor, uuid: uuids.UUID) -> Run:
    return access_run_by_uuid(who, uuid, Action.LOG)


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("in_organization", [None, *OrganizationRole])
@pytest.mark.parametrize("in_project", [None, *ProjectRole])
def test_both_doors_decide_alike(project, run, charlie, clock, visibility, in_organization, in_project):
    Project.objects.update(visibility=visibility)
    if in_organization:
        OrganizationMember.objects.create(organization=project.organization, user=charlie, role=in_organization)
    if in_project:
        ProjectMember.objects.create(project=project, user=charlie, role=in_project)
    whos = [actor(charlie), actor(charlie, Scope.READ), actor(charlie, Scope.LOG, frozenset({project.pk + 1}))]
    whos += [actor(charlie, Scope.MANAGE, frozenset({project.pk})), actor_for_user(charlie)]
    for who in whos:
        look_up_runs_to_log([(who, run.uuid)])
        known = recent_run_to_log(who, run.uuid) is not None
        assert answer(access_run_to_log, who, run.uuid) == answer(ordinary, who, run.uuid)
        assert known is (who.scope is not None and answer(ordinary, who, run.uuid)[0] == run.pk)
    Project.objects.update(trashed_at=timezone.now())
    clock.advance(SECONDS)
    for who in whos:
        assert answer(access_run_to_log, who, run.uuid)[0] is NotFound


def test_an_unknown_run_is_not_found(bob):
    with pytest.raises(NotFound):
        access_run_to_log(actor(bob), uuids.uuid4())


def test_a_question_asked_again_takes_no_query_and_one_that_is_a_second_old_one(
    run, bob, clock, django_assert_num_queries
):
    for passed, queries in [(0, 1), (0.5, 0), (0.6, 1)]:
        clock.advance(passed)
        with django_assert_num_queries(queries):
            assert access_run_to_log(actor(bob), run.uuid).pk == run.pk


def test_many_are_looked_up_at_once_and_each_for_itself(
    run, project, alice, bob, charlie, clock, django_assert_num_queries
):
    other = create_run(project=project, owner=alice)[0]
    whos = [actor(bob), actor(bob, Scope.READ), actor(bob, projects=frozenset()), actor(charlie)]
    questions = [(who, each.uuid) for who in whos for each in (run, other)]
    with django_assert_num_queries(2):  # one for bob and one for charlie
        look_up_runs_to_log([*questions, (actor(charlie), uuids.uuid4())])
    found = [recent_run_to_log(who, uuid) for who, uuid in questions]
    assert found == [run.pk, other.pk, None, None, None, None, None, None]
    for passed, queries in [(0.5, 0), (0.6, 1)]:
        clock.advance(passed)
        with django_assert_num_queries(queries):
            look_up_runs_to_log(questions[:2])
    Run.objects.filter(pk=run.pk).delete()
    clock.advance(SECONDS)
    look_up_runs_to_log(questions)
    assert [recent_run_to_log(actor(bob), each) for each in (run.uuid, other.uuid)] == [None, other.pk]


def test_each_credential_is_judged_by_itself(run, project, bob):
    access_run_to_log(actor(bob), run.uuid)
    with pytest.raises(AccessDenied):
        access_run_to_log(actor(bob, Scope.READ), run.uuid)
    with pytest.raises(NotFound):
        access_run_to_log(actor(bob, projects=frozenset()), run.uuid)


@pytest.mark.parametrize(
    "take_away",
    [
        lambda: ProjectMember.objects.filter(role=ProjectRole.CONTRIBUTOR).delete(),
        lambda: ProjectMember.objects.update(role=ProjectRole.VIEWER),
        lambda: Project.objects.update(trashed_at=timezone.now()),
        lambda: Run.objects.all().delete(),
    ],
    ids=["removed", "demoted", "project trashed", "run purged"],
)
def test_what_is_taken_away_is_gone_after_a_second(run, bob, clock, take_away):
    assert access_run_to_log(actor(bob), run.uuid).pk == run.pk
    take_away()
    clock.advance(SECONDS)
    with pytest.raises((NotFound, AccessDenied)):
        access_run_to_log(actor(bob), run.uuid)


def test_whatever_is_not_the_runs_identity_is_read_when_it_is_asked_for(run, bob):
    assert access_run_to_log(actor(bob), run.uuid).created_at == run.created_at
