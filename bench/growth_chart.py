"""A chart of cost against size as SVG: both axes logarithmic, a line per measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 130
COLOURS = ("#2563eb", "#c2410c", "#15803d", "#7e22ce", "#0e7490", "#b91c1c")


def draw(lines: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """`lines` has points {"size", "value"} by name. The ground is white, so that it reads on dark pages too."""
    sizes = [point["size"] for line in lines.values() for point in line]
    values = [point["value"] for line in lines.values() for point in line if point["value"] > 0]
    across = _Axis(min(sizes), max(sizes), LEFT, WIDTH - RIGHT)
    up = _Axis(min(values), max(values), HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Cost against size">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        *_grid(across, up),
    ]
    for place, (name, line) in enumerate(lines.items()):
        parts += _line(name, line, COLOURS[place % len(COLOURS)], across, up, place)
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Whole decades from below the smallest to above the largest, laid from `start` to `end`."""

    def __init__(self, least: float, most: float, start: float, end: float) -> None:
        self.first = math.floor(math.log10(least))
        self.last = max(self.first + 1, math.ceil(math.log10(most)))
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return self._start + share * (self._end - self._start)

    def decades(self) -> list[float]:
        return [10.0**power for power in range(self.first, self.last + 1)]


def _grid(across: _Axis, up: _Axis) -> list[str]:
    bottom, parts = HEIGHT - BOTTOM, []
    for size in across.decades():
        x = across.at(size)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#374151">{_short(size)}</text>')
    for value in up.decades():
        y = up.at(value)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#374151">{_short(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle" fill="#111827">points or runs stored</text>'
    )
    return parts


def _line(
    name: str, line: Sequence[Mapping[str, float]], colour: str, across: _Axis, up: _Axis, place: int
) -> list[str]:
    spots = [(across.at(point["size"]), up.at(point["value"])) for point in line if point["value"] > 0]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    column, row = place % 2, place // 2
    x, y = LEFT + column * 345, HEIGHT - BOTTOM + 62 + row * 20
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in spots),
        f'<rect x="{x}" y="{y - 9}" width="12" height="10" rx="2" fill="{colour}"/>',
        f'<text x="{x + 18}" y="{y}" fill="#111827">{escape(name)}</text>',
    ]


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
