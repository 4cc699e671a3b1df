"""The language in which runs are asked for: a tree of conditions and the text that people write."""

from runs.query.parser import parse, parse_column
from runs.query.tree import EVERYTHING, Aggregate, All, Any, Condition, Not, Query, QuerySyntaxError

__all__ = [
    "EVERYTHING",
    "Aggregate",
    "All",
    "Any",
    "Condition",
    "Not",
    "Query",
    "QuerySyntaxError",
    "parse",
    "parse_column",
]
