"""What all pages share: who is asking, and what the domain's errors become."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from projects.access import Actor, actor_for_user
from projects.exceptions import AccessDenied, InvalidInput, NotFound

P = ParamSpec("P")
Handler = Callable[Concatenate[HttpRequest, Actor, P], HttpResponseBase]


def page(view: Handler[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view that gets the actor. A visitor who finds nothing is asked to sign in, be there something or not."""

    @wraps(view)
    def respond(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, actor_for_user(request.user), *args, **kwargs)
        except NotFound as error:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            raise Http404(error.message) from error
        except AccessDenied as error:
            raise PermissionDenied(error.message) from error
        except InvalidInput as error:
            return render(request, "400.html", {"message": error.message}, status=400)

    return respond


def person_page(view: Handler[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """As `page`, for signed-in people only."""

    @wraps(view)
    def respond(request: HttpRequest, actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if actor.user_id is None:
            return redirect_to_login(request.get_full_path())
        return view(request, actor, *args, **kwargs)

    return page(respond)


def add_errors(form: Any, error: InvalidInput | Any) -> None:
    """Put a domain error beside the form field that it is about."""
    field = error.details.get("field")
    form.add_error(field if field in form.fields else None, error.message.removeprefix(f"{field}: "))


def no_content() -> HttpResponse:
    return HttpResponse(status=204)
