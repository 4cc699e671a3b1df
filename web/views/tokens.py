"""API tokens: made (and shown once), listed, revoked."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from projects.access import Action, Actor, actions_in, visible_projects
from projects.exceptions import InvalidInput
from projects.models import Scope, User
from projects.selectors.tokens import list_tokens
from projects.services.tokens import issue_token, revoke_token
from web.forms.tokens import TokenForm
from web.views.page import add_errors, person_page


@require_http_methods(["GET", "HEAD", "POST"])
@person_page
def tokens(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The person's tokens and the form for a new one; the page that answers the form alone holds the secret."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    issued = _issue(actor, form) if form.is_bound and form.is_valid() else ""
    if issued:
        form = TokenForm()
    context = {
        "form": form,
        "issued": issued,
        "tokens": list_tokens(actor),
        "project_name": _a_project_to_log_to(actor, request.GET.get("project", "")),
        "is_plain_http": settings.BASE_URL.startswith("http://"),
        "section": "tokens",
    }
    return render(request, "web/account/tokens.html", context)


@require_POST
@person_page
def revoke(request: HttpRequest, actor: Actor, token_id: int) -> HttpResponseBase:
    token = revoke_token(actor=actor, token_id=token_id)
    messages.success(request, f"The token “{token.name}” is revoked. Scripts that use it are refused from now on.")
    return redirect("web:tokens")


@require_safe
def my_token(request: HttpRequest) -> HttpResponseBase:
    """The address that the clients' messages point people to."""
    return redirect("web:tokens")


def _issue(actor: Actor, form: TokenForm) -> str:
    assert isinstance(actor.user, User)  # noqa: S101 - person_page let nobody else in
    try:
        fields = form.cleaned_data
        _, text = issue_token(
            actor=actor,
            owner=actor.user,
            name=fields["name"],
            scope=Scope(fields["scope"]),
            expires_at=form.expires_at(),
        )
    except InvalidInput as error:
        add_errors(form, error)
        return ""
    return text


def _a_project_to_log_to(actor: Actor, preferred: str) -> str:
    """A project for the ready-made lines: the one the person came from, else the first that they may log to."""
    for project in visible_projects(actor).order_by("pk")[:20]:
        is_wanted = not preferred or project.qualified_name == preferred
        if is_wanted and Action.LOG in actions_in(actor, project):
            return str(project.qualified_name)
    return "my-organization/my-project" if not preferred else _a_project_to_log_to(actor, "")
