from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from web.code import highlight
from web.formatting import format_bytes, format_duration, format_number, format_relative, format_step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (1234567.0, "1\u202f234\u202f567"),
        (1234.5678, "1\u202f235"),
        (0.00001234, "1.234e-5"),
        (1.5e12, "1.5e12"),
        (-0.5, "−0.5"),
        (0.0, "0"),
        (100.0, "100"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (None, "–"),
    ],
)
def test_numbers_have_four_significant_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (125, "2 min 5 s"),
        (8040, "2 h 14 min"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (None, "–"),
    ],
)
def test_durations_have_two_units(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (50 * 2**20, "50 MiB")])
def test_sizes_are_binary(size, text):
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(days=40), "20 Jan 2026"),
        (timedelta(days=-40), "10 Apr 2026"),
    ],
)
def test_times_are_relative_for_two_weeks(passed, text):
    assert format_relative(NOW - passed, NOW) == text


def test_whole_steps_have_no_decimal_point():
    assert (format_step(1000.0), format_step(0.5), format_step(None)) == ("1\u202f000", "0.5", "–")


def test_highlighted_lines_keep_the_text_exactly():
    text = 'def f():\n    return "a\tb"\n\n\n# end'
    lines = highlight(text, "train.py")
    assert "\n".join("".join(piece.text for piece in line.pieces) for line in lines) == text
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["no_extension", "odd.zzzz", ""])
def test_text_of_an_unknown_language_is_shown_plainly(name):
    assert highlight("just text", name)[0].pieces[0].text == "just text"
