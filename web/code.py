"""Source text as lines of coloured pieces, for a template to print."""

from __future__ import annotations

from dataclasses import dataclass, field

from pygments import lex
from pygments.lexer import Lexer
from pygments.lexers import TextLexer, get_lexer_by_name, get_lexer_for_filename
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

MAX_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in one colour; `css` is Pygments' short class name or empty."""

    css: str
    text: str


@dataclass(slots=True)
class Line:
    number: int
    pieces: list[Piece] = field(default_factory=list)


def highlight(text: str, file_name: str, language: str = "") -> list[Line]:
    """The first MAX_LINES lines. An unknown language is shown without colours."""
    lines = [Line(1)]
    for kind, value in lex(text, _lexer(file_name, language)):
        css = _css(kind)
        for place, part in enumerate(value.split("\n")):
            if place:
                lines.append(Line(len(lines) + 1))
            if part:
                lines[-1].pieces.append(Piece(css, part))
        if len(lines) > MAX_LINES:
            break
    if len(lines) > 1 and not lines[-1].pieces:
        lines.pop()
    return lines[:MAX_LINES]


def _lexer(file_name: str, language: str) -> Lexer:
    try:
        if language:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        else:
            lexer = get_lexer_for_filename(file_name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    return lexer


def _css(kind: _TokenType) -> str:
    found: _TokenType | None = kind
    while found is not None and found not in STANDARD_TYPES:
        found = found.parent
    return STANDARD_TYPES[found] if found is not None else ""
