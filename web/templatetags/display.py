"""What templates use to show values, times and icons."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs.models import Run
from runs.models.run import PING_TIMEOUT
from web import formatting

register = template.Library()

register.filter("number", formatting.format_number)
register.filter("bytes", formatting.format_bytes)
register.filter("duration", formatting.format_duration)
register.filter("step", formatting.format_step)


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """An icon of the sprite; decoration unless it gets a label."""
    href = f"{static('vendor/lucide/sprite.svg')}#{name}"
    classes = f"icon {size}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"></use></svg>', classes, label, href
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"></use></svg>', classes, href)


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """A time relative to now; the browser keeps it fresh and shows the exact one on hover."""
    if moment is None:
        return formatting.DASH
    exact = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, formatting.format_relative(moment)
    )


@register.filter
def value(shown: Any) -> str:
    """A value of any attribute kind on one line."""
    if shown is None or shown == "":
        return formatting.DASH
    if isinstance(shown, bool):
        return "True" if shown else "False"
    if isinstance(shown, int | float):
        return formatting.format_number(shown)
    if isinstance(shown, datetime):
        return f"{shown:%Y-%m-%d %H:%M:%S}"
    if isinstance(shown, list):
        return ", ".join(str(each) for each in shown)
    if isinstance(shown, dict):
        return json.dumps(shown, ensure_ascii=False, default=str)
    return str(shown)


@register.filter
def exact(shown: Any) -> str:
    """The whole value for a tooltip or the clipboard."""
    if isinstance(shown, datetime):
        return shown.isoformat()
    return value(shown) if isinstance(shown, list | dict) else str(shown if shown is not None else "")


@register.filter
def item(mapping: dict[str, Any], key: str) -> Any:
    """A mapping's value by a key that only the template knows."""
    return mapping.get(key)


@register.filter
def namespace(path: str) -> str:
    """`metrics/` of `metrics/loss`; empty without one."""
    head, slash, _ = path.rpartition("/")
    return head + slash


@register.filter
def leaf(path: str) -> str:
    return path.rpartition("/")[2]


@register.filter
def split_label(label: str) -> tuple[str, str]:
    """`Private: the people added to it` in its two parts."""
    name, _, explanation = str(label).partition(": ")
    return name, explanation[:1].upper() + explanation[1:]


@register.filter
def below(path: str, head: str) -> str:
    """The path inside a namespace: `lr` of `parameters/lr` below `parameters`."""
    return path.removeprefix(f"{head}/")


@register.filter("json")
def as_json(values: Any) -> str:
    """For data- attributes; the template escapes it."""
    return json.dumps(list(values) if isinstance(values, tuple) else values, ensure_ascii=False)


@register.filter
def compact(number: Any) -> str:
    """A large count in three digits: 1.23 M."""
    if not isinstance(number, int):
        return str(number)
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{formatting.format_number(number / (1000 if unit == 'k' else size), 3)} {unit}"
    return formatting.format_number(number)


@register.filter
def active_seconds(run: Run) -> float:
    """How long a run was seen alive. One that ended before its first ping lasted until its last write."""
    written = run.touched_at - run.created_at
    is_short = run.running_seconds < PING_TIMEOUT.total_seconds() and written <= PING_TIMEOUT
    return max(run.running_seconds, written.total_seconds()) if is_short else run.running_seconds
