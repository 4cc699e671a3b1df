"""The example under each client: it ends well, and what it logged is what the server has, seen from both sides."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Client
from tests.e2e.environments import EXAMPLES
from tests.e2e.native import NativeApi
from tests.e2e.output import trouble_in
from tests.servers.platform import Platform
from tests.servers.waiting import wait_for


@pytest.fixture
def checkout(client: Client) -> Client:
    """The client's folder as a user's git checkout of the examples."""
    for file in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.txt")]:
        shutil.copy(file, client.folder)
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Add the training"]):
        subprocess.run(["git", *command], cwd=client.folder, check=True)
    return client


def commit_of(folder: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def only(attributes: dict[str, dict[str, object]], ending: str) -> str:
    """The path with that ending; neptune 1.x puts a hash of the process into monitoring paths."""
    found = [path for path in attributes if path.startswith("monitoring/") and path.endswith(ending)]
    assert found, f"no attribute ends with {ending}: {sorted(attributes)}"
    return found[0]


@pytest.mark.timeout(400)
def test_the_example_ends_well_and_everything_it_logged_is_on_the_server(
    checkout: Client, native: NativeApi, live_platform: Platform
) -> None:
    status, output = checkout.run(checkout.folder / "pytorch_tracking.py")
    assert status == 0, output
    assert not trouble_in(output), output
    assert "NOT EQUAL" not in output
    assert output.count("equal: ") >= 13

    told = json.loads((checkout.folder / "outputs/logged.json").read_text())
    run = native.find_run(sys_id=told["run"])
    attributes = native.attributes(run["uuid"])
    check_series(native, run["uuid"], told["series"])
    check_values(attributes, told, checkout)
    check_monitoring(native, run["uuid"], attributes)
    check_files(native, run["uuid"], checkout.folder / "outputs")
    check_offline_run(native)
    check_table_rows(live_platform, run["uuid"], told["series"])


def check_series(native: NativeApi, run: str, logged: dict[str, list[float]]) -> None:
    for path, values in logged.items():
        series = native.series(run, path)
        assert series["values"] == values
        assert series["steps"] == list(range(len(values)))


def check_values(attributes: dict[str, dict[str, object]], told: dict[str, object], client: Client) -> None:
    values = {path: row["value"] for path, row in attributes.items()}
    assert values["parameters/epochs"] == 10
    assert values["parameters/shuffle"] is True
    assert values["parameters/optimizer/learning_rate"] == 0.1
    assert values["parameters/optimizer/decay/gamma"] == 0.9
    assert values["parameters/dataset"] == "digits, 8×8 pixels"
    assert attributes["parameters/started"]["kind"] == "datetime"
    assert values["sys/name"] == "digits, two layers"
    assert set(values["sys/tags"]) == {"digits", "pytorch", "trained"}  # type: ignore[call-overload]
    assert values["sys/custom_run_id"] == told["custom_run_id"]
    assert values["sys/failed"] is False
    assert values["properties/reopened"] is True
    assert values["source_code/entrypoint"] == "pytorch_tracking.py"
    assert commit_of(client.folder) in json.dumps(attributes["source_code/git"])
    assert client.is_old or attributes["source_code/requirements"]["kind"] == "file"


def check_monitoring(native: NativeApi, run: str, attributes: dict[str, dict[str, object]]) -> None:
    printed = "".join(native.lines(run, only(attributes, "stdout")))
    assert "epoch 9: loss" in printed
    assert "all logged, waiting for the server" in "".join(native.lines(run, only(attributes, "stderr")))
    assert attributes[only(attributes, "/cpu")]["kind"] == "float_series"
    assert attributes[only(attributes, "/memory")]["kind"] == "float_series"


def check_files(native: NativeApi, run: str, outputs: Path) -> None:
    originals = {
        "reports/predictions": "predictions.csv",
        "reports/summary": "report.html",
        "checkpoints/network": "network.pt",
        "checkpoints/large": "large.pt",
    }
    for path, name in originals.items():
        assert native.content(run, path) == (outputs / name).read_bytes(), path
    for path in ("images/from_pillow", "images/from_numpy", "images/from_tensor", "figures/roc"):
        assert native.content(run, path).startswith(b"\x89PNG"), path
    pictures = native.get(f"/runs/{run}/images/", path="images/predictions", limit=100)["results"]
    assert [picture["name"] for picture in pictures] == [f"epoch {epoch}" for epoch in range(10)]
    members = {file["name"] for file in native.files(run, "reports/everything", inside="outputs")}
    assert members == {"predictions.csv", "roc.png", "confusion_matrix.png"}
    source = {file["name"] for file in native.files(run, "source_code/files")}
    assert {"pytorch_tracking.py", "requirements-neptune-1.x.txt"} <= source


def check_offline_run(native: NativeApi) -> None:
    rows = native.get(f"/projects/{native.project}/runs/", limit=100)["results"]
    newest = next(row for row in rows if row["name"] == "digits, offline")
    countdown = native.series(newest["uuid"], "metrics/countdown")
    assert countdown["values"] == [float(number) for number in range(100, 0, -1)]
    assert native.attributes(newest["uuid"])["parameters/optimizer/momentum"]["value"] == 0.9


def check_table_rows(platform: Platform, run: str, logged: dict[str, list[float]]) -> None:
    """The database's own rows, without any of our code: each series counts its points once they are flushed."""
    if "DATABASE_URL" in platform.environment:
        return
    query = """
        select count from runs_attribute join runs_run on runs_run.id = run_id
        join runs_attributedefinition on runs_attributedefinition.id = definition_id
        where replace(uuid, '-', '') = ? and path = ?
    """
    with sqlite3.connect(f"file:{platform.data_dir / 'database.sqlite3'}?mode=ro", uri=True) as database:
        for path, values in logged.items():
            arguments = (run.replace("-", ""), path)
            wait_for(lambda: database.execute(query, arguments).fetchone() == (len(values),), what=path)  # noqa: B023


def test_a_failure_of_the_script_leaves_its_traceback_on_the_run(checkout: Client, native: NativeApi) -> None:
    script = checkout.folder / "pytorch_tracking.py"
    text = script.read_text().replace('"digits, two layers"', '"digits, failing"')
    script.write_text(text.replace('"epochs": 10', '"epochs": 1'))
    status, output = checkout.run(script, "--fail")
    assert status == 1, output
    rows = native.get(f"/projects/{native.project}/runs/", limit=100)["results"]
    run = next(row for row in rows if row["name"] == "digits, failing")
    attributes = native.attributes(run["uuid"])
    assert attributes["sys/failed"]["value"] is True
    assert "the training diverged" in "".join(native.lines(run["uuid"], only(attributes, "traceback")))
