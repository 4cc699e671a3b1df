"""What every template needs besides its view's own values."""

from __future__ import annotations

from django.http import HttpRequest

from projects.models.user import Theme

THEME_COOKIE = "theme"
RAIL_COOKIE = "rail"


def appearance(request: HttpRequest) -> dict[str, str]:
    """The person's theme (the cookie's for visitors) and whether the rail is narrow; asks no database."""
    user = getattr(request, "user", None)
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    if user is not None and user.is_authenticated:
        chosen = user.theme
    rail = request.COOKIES.get(RAIL_COOKIE, "")
    return {
        "theme": chosen if chosen in Theme.values else Theme.SYSTEM.value,
        "rail": "narrow" if rail == "narrow" else "",
    }
