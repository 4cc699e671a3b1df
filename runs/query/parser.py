"""The query language in which people and the Neptune clients filter tables, such as
``((`sys/trashed`:bool = false) AND (`sys/tags`:stringSet CONTAINS "baseline"))`` or ``min(metrics/loss) < 0.1``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runs.query.tree import EVERYTHING, Aggregate, All, Any, Condition, Not, Query, QuerySyntaxError

MAX_LENGTH = 100_000
MAX_DEPTH = 32
MAX_CONDITIONS = 1000
OPERATORS = frozenset({"=", "!=", ">", ">=", "<", "<=", "CONTAINS", "NOT CONTAINS"})
AGGREGATES = {**{str(each): each for each in Aggregate}, "average": Aggregate.MEAN}

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>`[^`]+`)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>>=|<=|!=|[()=<>:])|(?P<word>[^\s()`"':=<>!]+))""",
    re.DOTALL,
)
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_CALL = re.compile(rf"({'|'.join(AGGREGATES)})\((.+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Query:
    """The query; an empty text asks for everything. Raises QuerySyntaxError."""
    if len(text) > MAX_LENGTH:
        raise QuerySyntaxError(f"The query has {len(text)} characters; the limit is {MAX_LENGTH}.", MAX_LENGTH)
    if unfit := _UNFIT.search(text):
        raise QuerySyntaxError("The query holds a character that no text may hold.", unfit.start())
    if not text.strip():
        return EVERYTHING
    parser = _Parser(list(_tokens(text)), len(text))
    query = parser.any_of(0)
    parser.expect_end()
    return query


def parse_column(text: str) -> tuple[str, Aggregate]:
    """A column of a table as people name it: `metrics/loss` or `min(metrics/loss)`. Backticks make
    it a path in any case."""
    if len(text) > 2 and text[0] == text[-1] == "`":
        return text[1:-1], Aggregate.LAST
    call = _CALL.fullmatch(text)
    return (call[2].strip("`"), AGGREGATES[call[1]]) if call else (text, Aggregate.LAST)


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise QuerySyntaxError(f"Unexpected character at {position}.", position)
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], match.start(kind))
        position = match.end()


class _Parser:
    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = tokens
        self._length = length
        self._place = 0
        self._conditions = 0

    def expect_end(self) -> None:
        if self._place < len(self._tokens):
            self._refuse(self._tokens[self._place])

    def any_of(self, depth: int) -> Query:
        if depth > MAX_DEPTH:
            raise QuerySyntaxError("The query is nested too deeply.", self._here())
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
                raise QuerySyntaxError("A closing parenthesis is missing.", self._here())
        else:
            part = self._condition()
        return Not(part) if negated else part

    def _condition(self) -> Condition:
        position = self._here()
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise QuerySyntaxError(f"The query has more than {MAX_CONDITIONS} conditions.", position)
        name = self._next("name", "word")
        aggregate = Aggregate.LAST
        is_call = name.kind == "word" and name.text in AGGREGATES and self._takes("sign", "(")
        if is_call:
            aggregate, name = AGGREGATES[name.text], self._next("name", "word")
        kind = self._next("word").text if self._takes("sign", ":") else ""
        if is_call and not self._takes("sign", ")"):
            raise QuerySyntaxError("A closing parenthesis is missing.", self._here())
        path = name.text.strip("`")
        return Condition(path, kind, self._operator(), self._value(), aggregate, position)

    def _operator(self) -> str:
        token = self._next("sign", "word")
        operator = token.text.upper()
        if operator == "NOT":
            operator = f"NOT {self._next('word').text.upper()}"
        if operator not in OPERATORS:
            raise QuerySyntaxError(f"There is no operator '{token.text[:50]}'.", token.position)
        return operator

    def _value(self) -> str:
        token = self._next("text", "word")
        return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL) if token.kind == "text" else token.text

    def _here(self) -> int:
        return self._tokens[self._place].position if self._place < len(self._tokens) else self._length

    def _refuse(self, token: _Token) -> None:
        raise QuerySyntaxError(f"Unexpected '{token.text[:50]}' at {token.position}.", token.position)

    def _next(self, *kinds: str) -> _Token:
        if self._place >= len(self._tokens):
            raise QuerySyntaxError("The query ends too early.", self._length)
        token = self._tokens[self._place]
        if token.kind not in kinds:
            self._refuse(token)
        self._place += 1
        return token

    def _takes(self, kind: str, text: str) -> bool:
        if self._place < len(self._tokens):
            token = self._tokens[self._place]
            if (token.kind, token.text) == (kind, text):
                self._place += 1
                return True
        return False

    def _takes_word(self, word: str) -> bool:
        if self._place < len(self._tokens):
            token = self._tokens[self._place]
            if token.kind == "word" and token.text.upper() == word:
                self._place += 1
                return True
        return False
