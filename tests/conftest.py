"""The cast every test shares: Alice owns the project, Bob contributes, Dana views, Charlie is an outsider.

`organization` and `project` belong to Alice; nothing here is visible to Charlie.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from projects import recent
from projects.access import Actor, actor_for_token, actor_for_user
from projects.models import ApiToken, Organization, Project, ProjectMember, ProjectRole, Scope, User
from projects.services.projects import create_organization, create_project
from projects.services.tokens import issue_token
from runs.selectors.contents import forget_contents
from runs.selectors.search import forget_searches
from runs.services import memory
from runs.services.attributes import forget_definitions
from tests.servers.backends import platform_settings
from tests.servers.platform import Platform, running_platform


@pytest.fixture(scope="session")
def live_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The real platform as `make run` starts it, one for the whole test session; see tests/servers/platform.py.

    Tests share it, so each makes what it needs under names of its own.
    """
    with running_platform(tmp_path_factory.mktemp("platform") / "data", **platform_settings()) as platform:
        yield platform


@pytest.fixture(autouse=True)
def _empty_caches():
    """What a process remembers belongs to the database of the test before."""
    forget_definitions()
    memory.forget_all()
    forget_searches()
    forget_contents()


@pytest.fixture(autouse=True)
def _private_files(settings, tmp_path):
    """Each test has its own file storage, and passwords are hashed fast: the cast is made anew for every test."""
    settings.WHITENOISE_AUTOREFRESH = True  # otherwise every test client looks through all static files first
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files"), "file_permissions_mode": 0o600},
        },
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


class Clock:
    """The clock of what is remembered for a while (projects/recent.py); `advance` lets time pass."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed

    def advance(self, seconds: float) -> None:
        self.passed += seconds


_clock = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Each test begins long after the one before, so that nothing is remembered from it."""
    _clock.advance(86_400)
    monkeypatch.setattr(recent, "clock", _clock)
    return _clock


def make_user(name: str) -> User:
    return User.objects.create_user(name, email=f"{name}@example.org", password=f"{name}-password-1")


@pytest.fixture
def alice(db) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db) -> User:
    return make_user("bob")


@pytest.fixture
def dana(db) -> User:
    return make_user("dana")


@pytest.fixture
def charlie(db) -> User:
    return make_user("charlie")


@pytest.fixture
def organization(alice: User) -> Organization:
    return create_organization(owner=alice, name="lab")


@pytest.fixture
def project(organization: Organization, alice: User, bob: User, dana: User) -> Project:
    project = create_project(actor=actor_for_user(alice), organization="lab", name="tutorial")
    ProjectMember.objects.create(project=project, user=bob, role=ProjectRole.CONTRIBUTOR)
    ProjectMember.objects.create(project=project, user=dana, role=ProjectRole.VIEWER)
    return project


@pytest.fixture
def token(alice: User) -> str:
    """Alice's token in the form that NEPTUNE_API_TOKEN holds; its scope is `manage`."""
    return issue_token(actor=actor_for_user(alice), owner=alice, name="test", scope=Scope.MANAGE)[1]


@pytest.fixture
def token_actor(token: str) -> Actor:
    return actor_for_token(ApiToken.objects.get())
