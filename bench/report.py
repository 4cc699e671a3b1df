"""Rows of the comparison: medians, ratios, whether the goal is met; printed, kept as JSON, written into the docs.

python -m bench.report            # print the table of bench/results/latest.json
python -m bench.report --docs     # and rewrite the marked tables of docs/performance.md
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.growth_chart import draw
from bench.processes import ROOT

RESULTS = ROOT / "bench/results/latest.json"
DOCS = ROOT / "docs/performance.md"
IMAGE = ROOT / "docs/images/growth.svg"


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure, measured several times."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Measured:
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Largest less smallest, as a part of the median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` says how many times better ours is; above 1 is better. A row without a peer has
    a limit as its goal, and `ratio` says how much room is left: the limit divided by ours.

    `spread` and `peer_spread` are largest less smallest of the repeats, as a part of the median."""

    work: str
    ours: float | None
    peer: str
    peer_value: float | None
    unit: str
    ratio: float | None
    goal: float | None
    met: bool | None
    repeats: int
    spread: float | None
    peer_spread: float | None = None
    note: str = ""


def compare(
    work: str,
    ours: Measured,
    peer: str,
    theirs: Measured,
    unit: str,
    *,
    goal: float | None = None,
    higher_is_better: bool = False,
    note: str = "",
) -> Row:
    """A row against a peer; `goal` is the least ratio."""
    if higher_is_better:
        ratio = ours.median / theirs.median if theirs.median else None
    else:
        ratio = theirs.median / ours.median if ours.median else None
    met = None if goal is None or ratio is None else ratio >= goal
    return Row(
        *(work, ours.median, peer, theirs.median, unit, ratio, goal, met),
        repeats=len(ours.values),
        spread=ours.spread,
        peer_spread=theirs.spread,
        note=note,
    )


def within(work: str, ours: Measured, unit: str, *, limit: float, note: str = "") -> Row:
    """A row with a limit that ours must not exceed."""
    ratio = limit / ours.median if ours.median else None
    met = ours.median <= limit
    return Row(work, ours.median, "", None, unit, ratio, limit, met, len(ours.values), ours.spread, note=note)


def absent(work: str, ours: Measured, peer: str, unit: str, reason: str, *, goal: float | None = None) -> Row:
    """A row for a peer that could not be measured: the goal stays open."""
    return Row(
        work, ours.median, peer, None, unit, None, goal, None, len(ours.values), ours.spread, note=f"{peer} {reason}"
    )


def missing(work: str, reason: str) -> Row:
    """A row that could not be measured on our side, which is never a success."""
    return Row(work, None, "", None, "", None, None, False, 0, None, note=reason)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything one run of the bench found."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    options: dict[str, Any]
    rows: list[Row]
    growth: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """Per line of the chart: {"size", "value"} and the unit in the line's name."""
    profiles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def write(self, file: Path = RESULTS) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path = RESULTS) -> Result:
        found = json.loads(file.read_text())
        return cls(**{**found, "rows": [Row(**row) for row in found["rows"]]})


def number(value: float | None) -> str:
    """Three figures that matter, with separators."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f" ±{value * 50:.0f}%"


def cells(row: Row) -> list[str]:
    peer = f"{number(row.peer_value)}{_percent(row.peer_spread)}" if row.peer_value is not None else "–"
    goal = "" if row.goal is None else (f"≥ {number(row.goal)} ×" if row.peer else f"≤ {number(row.goal)}")
    ratio = "–" if row.ratio is None or not row.peer else f"{number(row.ratio)} ×"
    met = {True: "yes", False: "**no**", None: ""}[row.met]
    ours = f"{number(row.ours)}{_percent(row.spread)}"
    note = " ".join(row.note.split()).replace("|", "\\|")
    return [row.work, ours, row.peer or "–", peer, row.unit, ratio, goal, met, note]


HEADINGS = ["work", "ours", "peer", "peer's", "unit", "ratio", "goal", "met", "note"]


def table(rows: Sequence[Row]) -> str:
    """As Markdown, the columns in line, so that it reads well in a terminal too."""
    lines = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEADINGS))]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {padded[0]} |", f"|{rule}|", *(f"| {line} |" for line in padded[1:])])


def machine_text(result: Result) -> str:
    machine = result.machine
    return (
        f"{result.date}: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, load {machine['load_before']} before and {machine['load_after']} after. "
        + ", ".join(f"{name} {version}" for name, version in result.versions.items())
        + "."
    )


def profile_table(parts: Sequence[dict[str, Any]]) -> str:
    lines = ["| where | µs per request | share |", "|---|---:|---:|"]
    total = sum(part["us"] for part in parts) or 1.0
    lines += [f"| {part['where']} | {part['us']:,.0f} | {part['us'] / total:.0%} |" for part in parts]
    return "\n".join([*lines, f"| **all** | **{total:,.0f}** | |"])


def growth_table(result: Result) -> str:
    lines = ["| | " + " | ".join(["smallest", "largest", "cost at the largest ÷ at the smallest"]) + " |"]
    lines.append("|---|---:|---:|---:|")
    for name, line in result.growth.items():
        first, last = line[0], line[-1]
        growth = last["value"] / first["value"] if first["value"] else 0.0
        lines.append(
            f"| {name} | {number(first['value'])} at {first['size']:,.0f} | {number(last['value'])} at "
            f"{last['size']:,.0f} | {growth:.2f} |"
        )
    return "\n".join(lines)


def rewrite(text: str, mark: str, content: str) -> str:
    """Replace what stands between `<!-- mark -->` and `<!-- /mark -->`."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"docs/performance.md has no place marked {mark}")
    return pattern.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def write_docs(result: Result) -> None:
    text = DOCS.read_text()
    parts = {"machine": machine_text(result), "table": table(result.rows)}
    if result.growth:
        parts["growth"] = growth_table(result)
        IMAGE.write_text(draw(result.growth))
    for name, profile in result.profiles.items():
        parts[f"profile {name}"] = profile_table(profile)
    for mark, content in parts.items():
        text = rewrite(text, mark, content)
    DOCS.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="rewrite the tables of docs/performance.md")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    result = Result.read(options.results)
    print(machine_text(result) + "\n\n" + table(result.rows))
    if options.docs:
        write_docs(result)


if __name__ == "__main__":
    main()
