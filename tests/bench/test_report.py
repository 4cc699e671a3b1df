"""Which way ratios point, when a goal is met, and that the docs are rewritten only between their marks."""

from __future__ import annotations

import json

import pytest

from bench import report
from bench.report import Measured, Result, Row, absent, compare, missing, rewrite, table, within

OURS, THEIRS = Measured((9.0, 10.0, 12.0)), Measured((30.0, 50.0, 40.0))


def result(*rows: Row) -> Result:
    machine = {"cores": 2, "cpu": "CPU", "memory_gib": 24, "kernel": "6", "load_before": 0.1, "load_after": 1.0}
    growth = {"CPU µs per point": [{"size": 1e4, "value": 4.0}, {"size": 1e7, "value": 5.0}]}
    profiles = {"ingest": [{"where": "database", "us": 300.0}, {"where": "framework", "us": 100.0}]}
    return Result("2026-01-01", machine, {"Python": "3.11"}, {"size": "full"}, list(rows), growth, profiles)


class TestRatios:
    def test_of_a_cost_says_how_many_times_dearer_the_peer_is(self):
        row = compare("ingest", OURS, "Peer", THEIRS, "s", goal=4.0)
        assert (row.ours, row.peer_value, row.ratio, row.met) == (10.0, 40.0, 4.0, True)

    def test_of_a_rate_says_how_many_times_faster_we_are(self):
        row = compare("rate", THEIRS, "Peer", OURS, "points/s", goal=4.5, higher_is_better=True)
        assert (row.ratio, row.met) == (4.0, False)

    def test_without_a_goal_are_neither_met_nor_missed(self):
        assert compare("ingest", OURS, "Peer", THEIRS, "s").met is None

    def test_never_divide_by_nothing(self):
        row = compare("ingest", Measured((0.0,)), "Peer", THEIRS, "s", goal=3.0)
        assert (row.ratio, row.met) == (None, None)


class TestLimits:
    def test_are_met_up_to_the_limit(self):
        assert within("memory", OURS, "MiB", limit=10.0).met is True

    def test_are_missed_above_it(self):
        row = within("memory", OURS, "MiB", limit=9.9)
        assert (row.met, row.peer) == (False, "")
        assert row.ratio == pytest.approx(0.99)


class TestSpread:
    def test_is_the_range_as_a_part_of_the_median(self):
        assert OURS.spread == pytest.approx(0.3)

    def test_is_nothing_for_one_measurement(self):
        assert Measured((7.0,)).spread == 0.0

    def test_is_kept_for_both_sides(self):
        row = compare("ingest", OURS, "Peer", THEIRS, "s")
        assert row.spread == pytest.approx(0.3)
        assert (row.peer_spread, row.repeats) == (0.5, 3)


class TestRowsWithoutAFigure:
    def test_of_a_peer_leave_the_goal_open_and_name_the_peer(self):
        row = absent("ingest", OURS, "Peer", "s", "did not start", goal=3.0)
        assert (row.met, row.peer_value) == (None, None)
        assert "Peer did not start" in table([row])

    def test_of_ours_are_a_failure(self):
        assert missing("chart", "no answer").met is False


class TestTable:
    def test_has_a_line_for_each_row(self):
        rows = [compare("ingest", OURS, "Peer", THEIRS, "s", goal=5.0), within("memory", OURS, "MiB", limit=300)]
        lines = table(rows).splitlines()
        assert len(lines) == 4
        assert len({len(line) for line in lines}) == 1
        assert "≥ 5 ×" in lines[2]
        assert "**no**" in lines[2]
        assert "≤ 300" in lines[3]

    def test_keeps_a_reason_of_several_lines_in_one_cell(self):
        assert len(table([missing("chart", "first | line\nsecond line")]).splitlines()) == 3
        assert "first \\| line second line" in table([missing("chart", "first | line\nsecond line")])


def test_results_survive_the_file(tmp_path):
    given = result(compare("ingest", OURS, "Peer", THEIRS, "s", goal=4.0))
    given.write(tmp_path / "latest.json")
    assert Result.read(tmp_path / "latest.json") == given
    row = json.loads((tmp_path / "latest.json").read_text())["rows"][0]
    wanted = {"work", "ours", "peer", "peer_value", "unit", "ratio", "goal", "met", "repeats", "spread"}
    assert wanted <= row.keys()


class TestDocs:
    def test_are_rewritten_only_between_the_marks(self):
        text = "before\n<!-- table -->\nold\n<!-- /table -->\nafter\n"
        assert rewrite(text, "table", "new") == "before\n<!-- table -->\nnew\n<!-- /table -->\nafter\n"

    def test_without_the_mark_are_refused(self):
        with pytest.raises(SystemExit, match="table"):
            rewrite("nothing here", "table", "new")

    def test_get_every_figure_of_the_results(self, tmp_path, monkeypatch):
        page, image = tmp_path / "performance.md", tmp_path / "growth.svg"
        marks = ["machine", "table", "growth", "profile ingest"]
        page.write_text("".join(f"<!-- {mark} -->\n<!-- /{mark} -->\n" for mark in marks))
        monkeypatch.setattr(report, "DOCS", page)
        monkeypatch.setattr(report, "IMAGE", image)
        report.write_docs(result(compare("ingest", OURS, "Peer", THEIRS, "s", goal=4.0)))
        text = page.read_text()
        assert "| database | 300 | 75% |" in text
        assert "1.25" in text  # the cost at the largest size, divided by that at the smallest
        assert "ingest" in text
        assert image.read_text().startswith("<svg")

    def test_have_the_marks_that_are_written(self):
        text = report.DOCS.read_text()
        for mark in ("machine", "table", "growth", "profile ingest", "profile chart"):
            assert f"<!-- {mark} -->\n" in text
            assert f"<!-- /{mark} -->" in text
