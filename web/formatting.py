"""How values look to people: numbers, sizes, durations and times. The browser's twin is static/web/js/format.js."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from django.utils import timezone

DASH = "–"
THIN_SPACE = "\u202f"


def format_number(value: float | int | None, digits: int = 4) -> str:
    """Four significant digits; scientific only outside 1e-4 … 1e6; whole numbers up to 1e9 in full, grouped."""
    if value is None:
        return DASH
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return ("−" if value < 0 else "") + _format_size(abs(value), digits)


def _format_size(size: float, digits: int) -> str:
    """A finite number that is not negative."""
    if size == int(size) and size < 1e9:
        return f"{int(size):,}".replace(",", THIN_SPACE)
    if not 1e-4 <= size < 1e6:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{size:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(",", THIN_SPACE)


def format_bytes(size: float | None) -> str:
    """Binary units: 512 B, 1.4 MiB."""
    if size is None:
        return DASH
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    text = f"{value:.0f}" if unit == "B" or value >= 100 else f"{value:.1f}".removesuffix(".0")
    return f"{text} {unit}"


def format_duration(seconds: float | None) -> str:
    """The two largest units: 8 s, 2 min 5 s, 2 h 14 min, 3 d 1 h."""
    if seconds is None:
        return DASH
    whole = round(seconds)
    parts = [(whole // 86400, "d"), (whole % 86400 // 3600, "h"), (whole % 3600 // 60, "min"), (whole % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), 3)
    shown = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(shown) or "0 s"


def format_relative(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago: just now, 5 min ago, 3 h ago, 2 d ago, and from two weeks on the date."""
    if moment is None:
        return DASH
    now = now or timezone.now()
    passed = now - moment
    seconds = passed.total_seconds()
    if seconds < 0:
        return format_date(moment) if passed < -timedelta(minutes=1) else "just now"
    if seconds < 45:
        return "just now"
    if passed < timedelta(hours=1):
        return f"{max(1, round(seconds / 60))} min ago"
    if passed < timedelta(days=1):
        return f"{round(seconds / 3600)} h ago"
    if passed < timedelta(days=14):
        return f"{round(seconds / 86400)} d ago"
    return format_date(moment)


def format_date(moment: datetime | None) -> str:
    return f"{moment.day} {moment:%b %Y}" if moment else DASH


def format_step(step: float | None) -> str:
    """A step: whole ones without a decimal point."""
    if step is None:
        return DASH
    return f"{int(step):,}".replace(",", THIN_SPACE) if step == int(step) else f"{step:g}"
