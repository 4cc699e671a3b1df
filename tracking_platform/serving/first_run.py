"""What the very first start makes: an administrator, a place to log to, a token; and the file that remembers them.

The file is the only copy of the password and the token outside people's heads: the database keeps hashes.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction

from projects.access import actor_for_user
from projects.models import Scope, User
from projects.services.projects import create_organization, create_project
from projects.services.tokens import encode_token, issue_token

ORGANIZATION, PROJECT, PROJECT_KEY = "team", "tutorial", "TUT"
FILE_NAME = "first-run.env"


@dataclass(frozen=True)
class FirstRun:
    """The first administrator's values, as kept in first-run.env."""

    url: str
    user: str
    password: str
    token: str
    project: str

    def variables(self) -> dict[str, str]:
        variables = {
            "TRACKING_URL": self.url,
            "TRACKING_USER": self.user,
            "TRACKING_PASSWORD": self.password,
            "NEPTUNE_API_TOKEN": self.token,
            "NEPTUNE_PROJECT": self.project,
        }
        if self.url.startswith("http:"):
            # The official clients refuse plain http without it.
            variables["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
        return variables


def file_path() -> Path:
    return Path(settings.DATA_DIR) / FILE_NAME


def prepare() -> tuple[FirstRun | None, bool]:
    """Make the first administrator when there is no account yet; else bring the file's address up to date.

    Returns the file's values, or None when it is gone, and whether the accounts were made just now.
    """
    if not User.objects.exists():
        return _create(), True
    values = read()
    if values is not None and values.url != settings.BASE_URL:
        values = _with_present_address(values)
        write(values)
    return values, False


@transaction.atomic
def _create() -> FirstRun:
    password = _first_password()
    admin = User.objects.create_superuser(settings.ADMIN_USER, password=password)
    actor = actor_for_user(admin)
    create_organization(owner=admin, name=ORGANIZATION)
    create_project(
        actor=actor,
        organization=ORGANIZATION,
        name=PROJECT,
        key=PROJECT_KEY,
        description="A place for the first runs.",
    )
    _, token = issue_token(actor=actor, owner=admin, name="First scripts", scope=Scope.LOG)
    values = FirstRun(settings.BASE_URL, admin.username, password, token, f"{ORGANIZATION}/{PROJECT}")
    # Before the commit: if this fails there is no account whose password nobody knows.
    write(values)
    return values


def _first_password() -> str:
    if not settings.ADMIN_PASSWORD:
        return secrets.token_urlsafe(12)
    try:
        validate_password(settings.ADMIN_PASSWORD, User(username=settings.ADMIN_USER))
    except ValidationError as error:
        raise CommandError(f"ADMIN_PASSWORD is too weak: {' '.join(error.messages)}") from error
    password: str = settings.ADMIN_PASSWORD
    return password


def _with_present_address(values: FirstRun) -> FirstRun:
    """The same secrets under BASE_URL; the token carries the address the clients connect to."""
    key = json.loads(base64.b64decode(values.token))["api_key"]
    return FirstRun(settings.BASE_URL, values.user, values.password, encode_token(key), values.project)


def read() -> FirstRun | None:
    """The file's values; None when there is no such file or someone has changed it beyond recognition."""
    try:
        text = file_path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    words = (word for line in text.splitlines() for word in shlex.split(line, comments=True))
    found = dict(word.split("=", 1) for word in words if "=" in word)
    try:
        return FirstRun(
            found["TRACKING_URL"],
            found["TRACKING_USER"],
            found["TRACKING_PASSWORD"],
            found["NEPTUNE_API_TOKEN"],
            found["NEPTUNE_PROJECT"],
        )
    except KeyError:
        return None


def write(values: FirstRun) -> None:
    """Replace the file in one step; only its owner may read it."""
    lines = ["# The first administrator. Load it in a shell: . ./first-run.env", ""]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in values.variables().items()]
    temporary = file_path().with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file_path())


def announcement(values: FirstRun | None, *, is_new: bool) -> str:
    """What people see when the platform is up."""
    lines = ["", f"  Tracking Platform is ready at {settings.BASE_URL}", ""]
    if values is None:
        return "\n".join(lines)
    if is_new:
        lines += [f"  Log in as    {values.user}", f"  Password     {values.password}", ""]
    else:
        lines += [f"  The first administrator's name, password and token are in {file_path()}", ""]
        return "\n".join(lines)
    lines += ["  To log from a script, in its shell:", ""]
    exported = {name: value for name, value in values.variables().items() if not name.startswith("TRACKING_")}
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in exported.items()]
    return "\n".join([*lines, "", f"  These values are kept in {file_path()}", ""])
