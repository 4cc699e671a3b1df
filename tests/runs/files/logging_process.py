"""`python -m tests.runs.files.logging_process COMMAND`: what another process of the platform does in the tests of real
workers; settings come from the environment."""

from __future__ import annotations

import io
import os
import sys
import uuid
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking_platform.settings")
django.setup()

from celery import current_app  # noqa: E402
from PIL import Image  # noqa: E402

from projects.access import actor_for_user  # noqa: E402
from projects.models import User  # noqa: E402
from projects.services.projects import create_organization, create_project  # noqa: E402
from runs.models import Run  # noqa: E402
from runs.operations import AssignFile, BatchIdentity  # noqa: E402
from runs.services.files import store_bytes  # noqa: E402
from runs.services.ingest import apply_operations  # noqa: E402
from runs.services.processing import TASK, requeue_processing  # noqa: E402
from runs.services.runs import create_run  # noqa: E402


def prepare() -> None:
    """A project with a run."""
    user = User.objects.create_user("alice", email="alice@example.org", password="alice-password-1")
    create_organization(owner=user, name="lab")
    create_run(project=create_project(actor=actor_for_user(user), organization="lab", name="tutorial"), owner=user)


def upload(side: str) -> None:
    """An image of `side` × `side` pixels."""
    output = io.BytesIO()
    Image.new("RGB", (int(side), int(side)), "orange").save(output, "PNG", compress_level=1)
    run = Run.objects.get()
    operation = AssignFile(
        path=f"images/{uuid.uuid4().hex}", file=store_bytes(run, [output.getvalue()]), extension="png"
    )
    result = apply_operations(run, [operation], identity=BatchIdentity(digest=uuid.uuid4().hex))
    assert result.errors == ()


def requeue() -> None:
    requeue_processing()


def harass() -> None:
    """Messages that no worker should take: wrong arguments, another job's type, an unknown task, a pickle."""
    for arguments in ([], ["1; DROP TABLE"], [{"a": 1}], [[1]], [10**30], [1, 2, 3]):
        current_app.send_task(TASK, args=arguments)
    current_app.send_task("os.system", args=["true"])
    current_app.send_task(TASK, args=[1], serializer="pickle")


CHORES: dict[str, Callable[..., None]] = {
    "prepare": prepare,
    "upload": upload,
    "requeue": requeue,
    "harass": harass,
}

if __name__ == "__main__":
    CHORES[sys.argv[1]](*sys.argv[2:])
