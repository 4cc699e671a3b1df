"""Signing in and out, and the choice of theme."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from projects.models import User
from projects.models.user import Theme
from web.context import THEME_COOKIE
from web.forms.account import LoginForm

_YEAR_SECONDS = 365 * 24 * 3600


class Login(LoginView):
    """Django's sign-in: `next` is followed only to this site."""

    template_name = "web/account/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class Logout(LogoutView):
    http_method_names = ["post", "options"]


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme for the person, and in a cookie for the pages before signing in. Scripts get 204, forms the
    page they came from."""
    theme = request.POST.get("theme", "")
    if theme not in Theme.values:
        theme = Theme.SYSTEM
    if isinstance(request.user, User):
        User.objects.filter(pk=request.user.pk).update(theme=theme)
    is_script = request.headers.get("X-Requested-With") == "fetch"
    response = HttpResponse(status=204) if is_script else redirect(_way_back(request))
    response.set_cookie(
        THEME_COOKIE, theme, max_age=_YEAR_SECONDS, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE, httponly=True
    )
    return response


def _way_back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if allowed else "/"
