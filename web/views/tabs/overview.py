"""The overview: key facts, metrics, parameters, and what could not be applied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from runs.models import AttributeKind, Run
from runs.selectors.attributes import AttributeView, get_attributes, list_attributes
from runs.selectors.rejections import list_rejections

MAX_METRICS = 200
MAX_VALUES = 400
MAX_TILES = 4
MAX_REJECTIONS = 100
_SCALARS = frozenset(
    [AttributeKind.FLOAT, AttributeKind.INT, AttributeKind.BOOL, AttributeKind.STRING, AttributeKind.DATETIME]
)
_OWN_NAMESPACES = ("sys", "monitoring", "source_code")
# What people look at first, by the last part of the path.
_TELLING = re.compile(
    r"(^|_|/)(loss|acc|accuracy|top\d|f1|auc|map|iou|dice|bleu|score|error|rmse|mae|perplexity|reward)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Group:
    """Values that share their first namespace; `name` is empty for those without one."""

    name: str
    values: list[AttributeView]


def overview(run: Run, query: QueryDict) -> dict[str, Any]:
    series = list_attributes(run, kinds=[AttributeKind.FLOAT_SERIES], limit=None)
    metrics = [view for view in series if not view.path.startswith("monitoring/")]
    facts = get_attributes(run, ["sys/description", "source_code/entrypoint", "source_code/git"])
    return {
        "metrics": metrics[:MAX_METRICS],
        "metric_count": len(metrics),
        "tiles": _telling(metrics),
        "groups": _groups(list_attributes(run, kinds=_SCALARS)),
        "hosts": _hosts(run),
        "entrypoint": facts["source_code/entrypoint"].value if "source_code/entrypoint" in facts else None,
        "git": facts["source_code/git"].value if "source_code/git" in facts else None,
        "rejections": list_rejections(run, limit=MAX_REJECTIONS),
    }


def _telling(metrics: list[AttributeView]) -> list[AttributeView]:
    """The metrics shown large: losses and scores before others, per-epoch ones before per-batch ones."""
    filled = [view for view in metrics if view.count]
    return sorted(filled, key=lambda view: (not _TELLING.search(view.path), view.count, view.path))[:MAX_TILES]


def _groups(views: list[AttributeView]) -> list[Group]:
    """By first namespace, parameters first; the platform's own namespaces are left out."""
    found: dict[str, list[AttributeView]] = {}
    for view in views[:5000]:
        head, slash, _ = view.path.partition("/")
        name = head if slash else ""
        if name not in _OWN_NAMESPACES:
            found.setdefault(name, []).append(view)
    names = sorted(found, key=lambda name: (not name.startswith(("param", "config", "hparam")), name))
    return [Group(name, found[name][:MAX_VALUES]) for name in names]


def _hosts(run: Run) -> list[str]:
    views = list_attributes(run, prefix="monitoring", kinds=[AttributeKind.STRING], limit=100)
    return sorted({str(view.value) for view in views if view.path.endswith("/hostname")})
