from __future__ import annotations

import pytest

from projects.models import Project, User
from runs.models import Run
from runs.services.attributes import forget_definitions
from runs.services.runs import create_run


@pytest.fixture(autouse=True)
def _fresh_definitions():
    """Each test begins with an empty cache: the ids in it belong to the database of the test before."""
    forget_definitions()


@pytest.fixture
def run(project: Project, alice: User) -> Run:
    return create_run(project=project, owner=alice, name="first")[0]
