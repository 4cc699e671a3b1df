"""Who may listen to a run's stop and abort requests. The socket itself is served beside Django, see asgi.py."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from api.compat.neptune.authentication import token_from_header
from projects.access import Action, actor_for_token
from projects.exceptions import NotFound
from runs.access import access_run_by_uuid
from runs.models import Run


def authorize(headers: Iterable[tuple[bytes, bytes]], project: UUID, run: UUID) -> Run:
    """The run whose signals a client with these headers may hear: it must be allowed to log to it.

    Raises NotAuthenticated, NotFound or AccessDenied.
    """
    given = next((value for name, value in headers if name.lower() == b"authorization"), b"")
    actor = actor_for_token(token_from_header(given.decode("latin-1")))
    found = access_run_by_uuid(actor, run, Action.LOG)
    if found.project.uuid != project:
        raise NotFound
    return found
