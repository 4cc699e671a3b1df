"""Lists of API tokens, which never include their secrets."""

from __future__ import annotations

from projects.access import Action, Actor
from projects.exceptions import AccessDenied
from projects.models import ApiToken


def list_tokens(actor: Actor) -> list[ApiToken]:
    """The actor's own tokens, newest first, with their projects. Two queries.

    Raises AccessDenied for a token weaker than those it would learn about.
    """
    if not actor.allows(Action.MANAGE) or actor.project_ids is not None:
        raise AccessDenied(
            "This API token can't list tokens unless its scope is 'manage' on all projects.", code="needs_scope"
        )
    tokens = ApiToken.objects.filter(owner_id=actor.user_id).prefetch_related("projects__organization")
    return list(tokens.order_by("-created_at", "-pk"))
