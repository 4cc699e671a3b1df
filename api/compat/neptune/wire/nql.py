"""The query language in which the clients filter tables, such as
``((`sys/trashed`:bool = false) AND (`sys/tags`:stringSet CONTAINS "baseline"))``, as a tree of conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

MAX_LENGTH = 100_000
MAX_DEPTH = 64
MAX_CONDITIONS = 1000
OPERATORS = frozenset({"=", "!=", ">", ">=", "<", "<=", "CONTAINS", "NOT CONTAINS"})

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>`[^`]+`)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>>=|<=|!=|[()=<>:])|(?P<word>[^\s()`"':=<>!]+))""",
    re.DOTALL,
)


class QuerySyntaxError(ValueError):
    """The text is not a query; its message says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`path` has a value that compares so; `type` is the type as written, empty for any."""

    path: str
    type: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no parts it holds for everything."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Query, ...]


Query: TypeAlias = "Condition | Not | All | Any"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def parse(text: str) -> Query:
    """The query; an empty text asks for everything. Raises QuerySyntaxError."""
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(f"The query has {len(text)} characters; the limit is {MAX_LENGTH}.")
    if not text.strip():
        return All(())
    parser = _Parser(list(_tokens(text)))
    query = parser.any_of(0)
    parser.expect_end()
    return query


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise QuerySyntaxError(f"Unexpected character at {position}.")
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind])
        position = match.end()


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._conditions = 0

    def expect_end(self) -> None:
        if self._position < len(self._tokens):
            raise QuerySyntaxError(f"Unexpected '{self._tokens[self._position].text}'.")

    def any_of(self, depth: int) -> Query:
        if depth > MAX_DEPTH:
            raise QuerySyntaxError("The query is nested too deeply.")
        parts = [self._all_of(depth)]
        while self._takes_word("OR"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _all_of(self, depth: int) -> Query:
        parts = [self._one(depth)]
        while self._takes_word("AND"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Query:
        negated = False
        while self._takes_word("NOT"):
            negated = not negated
        if self._takes("sign", "("):
            part = self.any_of(depth + 1)
            if not self._takes("sign", ")"):
                raise QuerySyntaxError("A closing parenthesis is missing.")
        else:
            part = self._condition()
        return Not(part) if negated else part

    def _condition(self) -> Condition:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise QuerySyntaxError(f"The query has more than {MAX_CONDITIONS} conditions.")
        path = self._next("name", "word").text.strip("`")
        kind = self._next("word").text if self._takes("sign", ":") else ""
        return Condition(path, kind, self._operator(), self._value())

    def _operator(self) -> str:
        token = self._next("sign", "word")
        operator = token.text.upper()
        if operator == "NOT":
            operator = f"NOT {self._next('word').text.upper()}"
        if operator not in OPERATORS:
            raise QuerySyntaxError(f"There is no operator '{token.text}'.")
        return operator

    def _value(self) -> str:
        token = self._next("text", "word")
        return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "text" else token.text

    def _next(self, *kinds: str) -> _Token:
        if self._position >= len(self._tokens):
            raise QuerySyntaxError("The query ends too early.")
        token = self._tokens[self._position]
        if token.kind not in kinds:
            raise QuerySyntaxError(f"Unexpected '{token.text}'.")
        self._position += 1
        return token

    def _takes(self, kind: str, text: str) -> bool:
        if self._position < len(self._tokens) and self._tokens[self._position] == _Token(kind, text):
            self._position += 1
            return True
        return False

    def _takes_word(self, word: str) -> bool:
        if self._position < len(self._tokens):
            token = self._tokens[self._position]
            if token.kind == "word" and token.text.upper() == word:
                self._position += 1
                return True
        return False
