"""The look of form fields in one place: CSS classes, and the error tied to its field for screen readers."""

from __future__ import annotations

from typing import Any

from django import forms


class StyledForm(forms.Form):
    """Text-like widgets get the `input` class; a field with an error is marked invalid."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple | forms.CheckboxInput):
                field.widget.attrs.setdefault("class", "input")
