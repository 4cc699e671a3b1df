"""The form for a new project."""

from __future__ import annotations

from typing import Any

from django import forms

from projects.models import Organization, Visibility
from projects.models.names import KEY_MAX_LENGTH, NAME_MAX_LENGTH, validate_name
from web.forms.fields import StyledForm


class ProjectForm(StyledForm):
    organization = forms.ChoiceField()
    name = forms.CharField(
        max_length=NAME_MAX_LENGTH,
        validators=[validate_name],
        help_text="Stands in addresses and in NEPTUNE_PROJECT: letters, digits, '.', '_' and '-'.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True, "spellcheck": "false"}),
    )
    key = forms.CharField(
        max_length=KEY_MAX_LENGTH,
        required=False,
        help_text="Begins the ids of its runs, as TUT in TUT-3. Left empty, one is made from the name.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    description = forms.CharField(
        max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 3}), help_text="What is it about?"
    )
    visibility = forms.ChoiceField(
        choices=Visibility.choices, initial=Visibility.PRIVATE, widget=forms.RadioSelect, label="Who may see it"
    )

    def __init__(self, *args: Any, organizations: list[Organization], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each.name, each.display_name or each.name) for each in organizations]
        self.fields["organization"].choices = choices  # type: ignore[attr-defined]

    def clean_key(self) -> str:
        return str(self.cleaned_data["key"]).upper()
