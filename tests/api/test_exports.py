"""Files of all points: what is in them, and how they are made."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pyarrow import csv, parquet

from api.tables import Format, write_table
from runs.models import AttributeKind
from runs.operations import AppendFloats, AppendStrings, AssignValue, BatchIdentity
from runs.selectors.series import export_series
from runs.series import scan, store
from runs.series.base import FloatColumns
from runs.services.ingest import apply_operations
from tests.api.conftest import refused

START = 1_700_000_000_000


def log(run, path, values):
    count = len(values)
    steps, times = [float(n) for n in range(count)], [START + 7 * n for n in range(count)]
    kind = AppendStrings if isinstance(values[0], str) else AppendFloats
    operation = kind(path=path, values=values, steps=steps, timestamps=times)
    assert not apply_operations(run, [operation], identity=BatchIdentity()).errors


@pytest.fixture
def export(api, run):
    def get(query: str) -> bytes:
        response = api.get(f"runs/{run.uuid}/export/?{query}")
        assert response.status_code == 200, response.content
        return b"".join(response.streaming_content)

    return get


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("form", list(Format))
def test_a_file_has_every_point_of_every_float_series(export, run, monkeypatch, form: Format, flushed: bool):
    monkeypatch.setattr(scan, "PIECE_POINTS", 10_000)
    values = np.random.default_rng(1).standard_cauchy(30_000).tolist()
    log(run, "loss", values)
    log(run, "acc", [float("nan"), float("inf"), -float("inf"), 5e-324, -0.1])
    log(run, "text", ["not a number"])
    if flushed:
        store.flush(run.pk)
    data = io.BytesIO(export(f"format={form}"))
    options = csv.ConvertOptions(column_types={"step": "float64", "value": "float64"})
    table = csv.read_csv(data, convert_options=options) if form is Format.CSV else parquet.read_table(data)
    assert table.column_names == ["path", "step", "timestamp", "value"]
    assert table.column("path").to_pylist() == ["acc"] * 5 + ["loss"] * 30_000
    assert np.array_equal(table.column("value").to_numpy()[5:], np.array(values))
    odd = table.column("value").to_numpy()[:5]
    assert np.isnan(odd[0])
    assert odd[1:].tolist() == [float("inf"), -float("inf"), 5e-324, -0.1]
    assert table.column("step").to_pylist()[5:] == [float(n) for n in range(30_000)]
    times = table.column("timestamp").cast(pa.timestamp("ms", tz="UTC")).cast("int64").to_pylist()
    assert times[5:] == [START + 7 * n for n in range(30_000)]


def test_chosen_series_come_in_the_order_asked_for(export, run):
    for path in "abc":
        log(run, path, [1.0, 2.0])
    table = parquet.read_table(io.BytesIO(export("format=parquet&path=c&path=a&path=c")))
    assert table.column("path").to_pylist() == ["c", "c", "a", "a"]


FORMULAS = ["=1+1", "+1", "-1", "@x", "\tx", "\rx"]


def test_no_text_in_csv_is_a_formula_unless_asked_for(export, run):
    log(run, "out", [*FORMULAS, 'plain, "quoted"\nline', "'=x"])
    read = csv.ParseOptions(newlines_in_values=True)
    types = csv.ConvertOptions(column_types={"value": "string"})
    guarded = csv.read_csv(io.BytesIO(export("path=out")), parse_options=read, convert_options=types)
    assert guarded.column("value").to_pylist() == [*(f"'{each}" for each in FORMULAS), 'plain, "quoted"\nline', "'=x"]
    raw = csv.read_csv(io.BytesIO(export("path=out&raw=true")), parse_options=read, convert_options=types)
    assert raw.column("value").to_pylist()[:6] == FORMULAS
    whole = parquet.read_table(io.BytesIO(export("path=out&format=parquet")))
    assert whole.column("value").to_pylist()[:6] == FORMULAS


def test_a_path_that_is_a_formula_is_none_in_csv_and_numbers_stay_numbers(export, run):
    log(run, "=cmd()", [-1.5])
    assert b'"\'=cmd()",' in export("")
    assert export("").strip().endswith(b",-1.5")


@pytest.mark.parametrize("form", list(Format))
def test_a_run_without_series_gives_an_empty_table(export, form: Format):
    data = io.BytesIO(export(f"format={form}"))
    table = csv.read_csv(data) if form is Format.CSV else parquet.read_table(data)
    assert (table.num_rows, table.column_names) == (0, ["path", "step", "timestamp", "value"])


def test_the_download_is_named_after_run_and_series(api, run):
    log(run, "metrics/loss", [1.0])
    response = api.get(f"runs/{run.uuid}/export/?path=metrics/loss&format=parquet")
    assert response.headers["Content-Disposition"] == f'attachment; filename="{run.sys_id}-metrics_loss.parquet"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert api.request("HEAD", f"runs/{run.uuid}/export/").status_code == 200


def test_what_is_no_series_or_does_not_fit_is_refused(api, run):
    log(run, "loss", [1.0])
    log(run, "out", ["x"])
    apply_operations(run, [AssignValue(path="number", kind=AttributeKind.INT, value=1)], identity=BatchIdentity())
    for query in ("path=absent", "path=number", "path=loss&path=absent"):
        refused(api.get(f"runs/{run.uuid}/export/?{query}"), 404, "not_found")
    for query in ("path=loss&path=out", "format=xls", "raw=maybe", "columns=1"):
        refused(api.get(f"runs/{run.uuid}/export/?{query}"), 400, "invalid")


@pytest.mark.django_db(transaction=True)
def test_points_are_read_as_they_are_taken_and_nothing_stays_open(run, monkeypatch):
    monkeypatch.setattr(scan, "PIECE_POINTS", 8192)
    log(run, "loss", [float(n) for n in range(50_000)])
    store.flush(run.pk)
    export = export_series(run, [])
    blocks = write_table(export.pieces, Format.CSV, is_text=False)
    with CaptureQueriesContext(connection) as queries:
        next(blocks)
        started = len(queries)
        log(run, "other", [1.0])  # a writer is not held up
        store.flush(run.pk)
        before = len(queries)
        next(blocks)
        following = len(queries) - before
    assert started < 10
    assert following < 10
    assert not connection.in_atomic_block
    blocks.close()
    with CaptureQueriesContext(connection) as queries:
        assert list(blocks) == []
    assert not queries.captured_queries


def test_a_flush_between_two_pieces_neither_loses_nor_repeats_points(run, monkeypatch):
    monkeypatch.setattr(scan, "PIECE_POINTS", 1000)
    steps: list[float] = []
    for part in range(8):
        values = [float(n) for n in range(3000)]
        times = [START + 3000 * part + n for n in range(3000)]
        operation = AppendFloats(path="loss", values=values, steps=[None] * 3000, timestamps=times)
        apply_operations(run, [operation], identity=BatchIdentity())
        if part % 2:
            store.flush(run.pk)
    for piece in export_series(run, []).pieces:
        steps += [step for _, columns in piece for step in columns.steps.tolist()]
        store.flush(run.pk)
    assert steps == [float(n) for n in range(24_000)]


def test_times_beyond_what_dates_can_say_are_the_nearest_that_can():
    far = np.array([-(2**62), 0, 2**62], np.int64)
    columns = FloatColumns(np.arange(3.0), far, np.zeros(3))
    data = b"".join(write_table([[("a", columns)]], Format.CSV, is_text=False)).decode()
    assert [line.split(",")[2][:10] for line in data.splitlines()[1:]] == ["0001-01-01", "1970-01-01", "9999-12-31"]


def test_the_library_of_tables_is_not_loaded_before_it_is_needed():
    code = (
        "import django, sys; django.setup(); import tracking_platform.urls; from django.urls import resolve; "
        "resolve('/api/v1/schema/'); assert 'pyarrow' not in sys.modules"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tracking_platform.settings"}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **environment})
