from __future__ import annotations

import pytest

from projects.access import actor_for_user
from projects.models import Project, User
from projects.services.projects import create_organization, create_project
from runs.models import Run
from runs.services.runs import create_run


@pytest.fixture
def run(project: Project, alice: User) -> Run:
    return create_run(project=project, owner=alice, name="first")[0]


@pytest.fixture
def committed_run(transactional_db: None) -> Run:
    """A run whose rows are really committed, for tests with several connections."""
    user = User.objects.create_user("alice", email="alice@example.org", password="alice-password-1")
    create_organization(owner=user, name="lab")
    project = create_project(actor=actor_for_user(user), organization="lab", name="tutorial")
    return create_run(project=project, owner=user)[0]
