"""Forms about the person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """Django's own form with our field look; its answer is the same for unknown names and wrong passwords."""

    error_messages = {
        "invalid_login": "The user name or the password is wrong. Both distinguish capital letters.",
        "inactive": "The user name or the password is wrong. Both distinguish capital letters.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
        self.fields["username"].label = "User name"
