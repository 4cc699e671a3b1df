"""The form for a new API token."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.utils import timezone

from projects.models import Scope
from web.forms.fields import StyledForm

EXPIRY_DAYS = [("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("never", "Never")]


class TokenForm(StyledForm):
    name = forms.CharField(
        max_length=100,
        help_text="What will use it, for you to know it by later: a laptop, a cluster, a CI job.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "laptop"}),
    )
    scope = forms.ChoiceField(
        choices=Scope.choices, initial=Scope.LOG, widget=forms.RadioSelect, label="What it may do"
    )
    expiry = forms.ChoiceField(choices=EXPIRY_DAYS, initial="365", label="Expires")

    def expires_at(self) -> datetime | None:
        """When the token asked for ends; None for never."""
        days = self.cleaned_data["expiry"]
        return None if days == "never" else timezone.now() + timedelta(days=int(days))
