"""What the first start makes, and what a later one does to it."""

import shlex

import pytest
from django.core.management.base import CommandError

from projects.models import Organization, Project, Scope, User
from projects.services.tokens import authenticate
from tracking_platform.serving import first_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.BASE_URL = "http://127.0.0.1:8000"


def test_the_first_start_makes_an_administrator_who_can_log_in():
    values, is_new = first_run.prepare()

    admin = User.objects.get()
    assert is_new
    assert values is not None
    assert (values.user, admin.is_superuser, admin.is_staff) == ("admin", True, True)
    assert admin.check_password(values.password)


def test_the_token_of_the_first_start_may_log_but_not_manage():
    values, _ = first_run.prepare()

    assert values is not None
    token = authenticate(values.token)
    assert (token.scope, token.owner) == (Scope.LOG, User.objects.get())
    assert values.project == "team/tutorial"
    assert Project.objects.get().key == "TUT"


def test_the_file_is_private_and_a_shell_can_read_it(tmp_path):
    values, _ = first_run.prepare()

    assert values is not None
    path = tmp_path / "first-run.env"
    assert path.stat().st_mode & 0o777 == 0o600
    words = shlex.split(path.read_text(), comments=True)
    assert dict(word.split("=", 1) for word in words if "=" in word) == values.variables()
    assert values.variables()["OAUTHLIB_INSECURE_TRANSPORT"] == "1"


def test_a_second_start_makes_nothing_and_keeps_the_file(tmp_path):
    values, _ = first_run.prepare()
    before = (tmp_path / "first-run.env").read_bytes()

    again, is_new = first_run.prepare()

    assert (again, is_new) == (values, False)
    assert (tmp_path / "first-run.env").read_bytes() == before
    assert Organization.objects.count() == 1


def test_the_token_follows_the_address_and_stays_the_same_token(settings):
    before, _ = first_run.prepare()
    settings.BASE_URL = "https://tracking.example.org"

    after, _ = first_run.prepare()

    assert before is not None
    assert after is not None
    assert after.url == "https://tracking.example.org"
    assert after.token != before.token
    assert authenticate(after.token) == authenticate(before.token)
    assert first_run.read() == after
    assert "OAUTHLIB_INSECURE_TRANSPORT" not in after.variables()


def test_a_removed_file_is_not_made_again(tmp_path):
    first_run.prepare()
    (tmp_path / "first-run.env").unlink()

    assert first_run.prepare() == (None, False)
    assert User.objects.count() == 1


def test_a_given_password_is_taken(settings):
    settings.ADMIN_PASSWORD = "correct horse battery staple"

    values, _ = first_run.prepare()

    assert values is not None
    assert values.password == "correct horse battery staple"


def test_a_weak_given_password_is_refused_and_nothing_is_made(settings, tmp_path):
    settings.ADMIN_PASSWORD = "password"

    with pytest.raises(CommandError, match="ADMIN_PASSWORD is too weak"):
        first_run.prepare()

    assert not User.objects.exists()
    assert not (tmp_path / "first-run.env").exists()


def test_the_password_is_shown_only_the_first_time():
    values, _ = first_run.prepare()

    assert values is not None
    assert values.password in first_run.announcement(values, is_new=True)
    assert values.password not in first_run.announcement(values, is_new=False)
