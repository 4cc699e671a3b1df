"""Train a small network on scikit-learn's digits and track it: parameters, metrics, pictures, files, checkpoints.

The file runs unchanged under both official Neptune clients; only the token and the project point to your own server:

    python -m venv env && . env/bin/activate
    pip install -r requirements-neptune-1.x.txt        # or requirements-neptune-0.16.txt
    . var/first-run.env                                # NEPTUNE_API_TOKEN, NEPTUNE_PROJECT
    python pytorch_tracking.py

It ends by reading everything back and comparing it with what was logged.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

try:  # neptune 1.x
    from neptune import init_run
    from neptune.types import File

    IS_NEW_CLIENT = True
except ImportError:  # neptune-client 0.16
    from neptune.new import init as init_run
    from neptune.new.types import File

    IS_NEW_CLIENT = False

PARAMS = {
    "epochs": 10,
    "batch_size": 32,
    "hidden_units": 128,
    "shuffle": True,
    "dataset": "digits, 8×8 pixels",
    "started": datetime.now(UTC).replace(microsecond=0),
    "optimizer": {"name": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "decay": {"gamma": 0.9}},
}
RUN = {"name": "digits, two layers", "description": "A small network on scikit-learn's digits, trained on the CPU."}
QUIET = {"capture_stdout": False, "capture_stderr": False, "capture_hardware_metrics": False, "source_files": []}
LARGE_CHECKPOINT_BYTES = 50 * 1024 * 1024


def load_data():
    """Training and test images as float tensors (n, 64) in 0..1, and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    split = train_test_split(pixels / 16.0, labels, test_size=0.25, random_state=0, stratify=labels)
    images, test_images = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
    targets, test_targets = (torch.tensor(part) for part in split[2:])
    return images, targets, test_images, test_targets


def make_network():
    hidden = PARAMS["hidden_units"]
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def start_run(custom_run_id):
    only_new = {"dependencies": "infer"} if IS_NEW_CLIENT else {}
    run = init_run(
        **RUN,
        tags=["digits", "pytorch", "draft"],
        source_files=["pytorch_tracking.py", "requirements-*.txt"],
        custom_run_id=custom_run_id,
        **only_new,
    )
    run["parameters"] = PARAMS
    run["properties/torch"] = torch.__version__
    run["properties/cpu_threads"] = torch.get_num_threads()
    run["properties/classes"] = str(list(range(10)))
    return run


def gradient_norm(network):
    return float(torch.sqrt(sum((p.grad**2).sum() for p in network.parameters())))


def train_epoch(run, network, optimizer, images, targets, logged):
    for batch in torch.randperm(len(images)).split(PARAMS["batch_size"]):
        optimizer.zero_grad()
        loss = cross_entropy(network(images[batch]), targets[batch])
        loss.backward()
        optimizer.step()
        run["metrics/train_loss"].log(loss.item())
        run["metrics/gradient_norm"].append(gradient_norm(network))
        logged["metrics/train_loss"].append(loss.item())
        logged["metrics/gradient_norm"].append(gradient_norm(network))


@torch.no_grad()
def evaluate(network, images, targets):
    scores = network(images)
    return cross_entropy(scores, targets).item(), (scores.argmax(1) == targets).float().mean().item()


def train(run, network, data, output):
    """Train for all epochs; returns every value that was logged, by path."""
    images, targets, test_images, test_targets = data
    settings = PARAMS["optimizer"]
    optimizer = torch.optim.SGD(network.parameters(), lr=settings["learning_rate"], momentum=settings["momentum"])
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings["decay"]["gamma"])
    logged = defaultdict(list)
    for epoch in range(PARAMS["epochs"]):
        train_epoch(run, network, optimizer, images, targets, logged)
        loss, accuracy = evaluate(network, test_images, test_targets)
        for name, value in {"loss": loss, "accuracy": accuracy, "learning_rate": schedule.get_last_lr()[0]}.items():
            run[f"metrics/epoch/{name}"].append(value, step=epoch)
            logged[f"metrics/epoch/{name}"].append(value)
        schedule.step()
        log_predictions(run, network, test_images, epoch)
        print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.3f}")
    torch.save(network.state_dict(), output / "network.pt")
    return logged


@torch.no_grad()
def log_predictions(run, network, images, epoch):
    """One picture of the series per epoch: the first digit, with what the network takes it for."""
    guess = network(images[:1]).argmax().item()
    picture = np.kron(images[0].numpy().reshape(8, 8), np.ones((16, 16)))
    run["images/predictions"].append(File.as_image(picture), name=f"epoch {epoch}", description=f"looks like a {guess}")


def log_pictures(run, network, test_images, test_targets, output):
    digit = test_images[0].reshape(8, 8)
    pillow = Image.fromarray((digit.numpy() * 255).astype("uint8")).resize((160, 160))
    run["images/from_pillow"].upload(File.as_image(pillow))
    run["images/from_numpy"].upload(File.as_image(np.random.default_rng(0).random((48, 64, 3))))
    run["images/from_tensor"].upload(File.as_image(digit))

    probabilities = network(test_images).softmax(1).detach().numpy()
    figures = {
        "confusion_matrix": ConfusionMatrixDisplay.from_predictions(test_targets, probabilities.argmax(1)).figure_,
        "roc": RocCurveDisplay.from_predictions(test_targets == 8, probabilities[:, 8], name="is it an 8?").figure_,
    }
    for name, figure in figures.items():
        run[f"figures/{name}"].upload(figure)
        figure.savefig(output / f"{name}.png")
        plt.close(figure)


def log_files(run, network, test_images, test_targets, output):
    guesses = network(test_images).argmax(1)
    table = pd.DataFrame({"digit": test_targets.numpy(), "guess": guesses.numpy()})
    table.to_csv(output / "predictions.csv", index=False)
    table.describe().to_html(output / "report.html")
    run["reports/table"].upload(File.as_html(table.head(20)))
    run["reports/summary"].upload(str(output / "report.html"))
    run["reports/predictions"].upload(str(output / "predictions.csv"))
    run["reports/everything"].upload_files([f"{output}/*.csv", f"{output}/*.png"])

    torch.save({"noise": torch.rand(LARGE_CHECKPOINT_BYTES // 4)}, output / "large.pt")
    run["checkpoints/network"].upload(str(output / "network.pt"))
    run["checkpoints/large"].upload(str(output / "large.pt"))


def confirm(what, is_true):
    if not is_true:
        raise SystemExit(f"NOT EQUAL: {what}")
    print(f"equal: {what}")


def same_bytes(run, path, original, output):
    copy = output / "downloads" / original.name
    copy.parent.mkdir(exist_ok=True)
    run[path].download(str(copy))
    confirm(f"{path} and {original.name}, {copy.stat().st_size} bytes", copy.read_bytes() == original.read_bytes())


def read_back(run, logged, output):
    """Everything as the server has it now, against what was logged."""
    for path, values in logged.items():
        confirm(f"{path}, {len(values)} points", run[path].fetch_values()["value"].tolist() == values)
    confirm("last accuracy", run["metrics/epoch/accuracy"].fetch_last() == logged["metrics/epoch/accuracy"][-1])
    confirm("parameters", run["parameters"].fetch() == PARAMS)
    confirm("tags", run["sys/tags"].fetch() == {"digits", "pytorch", "trained"})
    same_bytes(run, "reports/predictions", output / "predictions.csv", output)
    same_bytes(run, "reports/summary", output / "report.html", output)
    same_bytes(run, "checkpoints/network", output / "network.pt", output)
    same_bytes(run, "checkpoints/large", output / "large.pt", output)
    run["reports/everything"].download(str(output / "downloads" / "everything.zip"))
    with ZipFile(output / "downloads" / "everything.zip") as archive:
        members = [name for name in archive.namelist() if not name.endswith("/")]
        same = all(archive.read(name) == (output / Path(name).name).read_bytes() for name in members)
    confirm(f"file set of {len(members)} files", same and len(members) == 3)


def go_on(run_id, custom_run_id, logged, output):
    """Open the finished run again, by its id and by our own id, to add to it and to compare."""
    run = init_run(with_id=run_id, **QUIET)
    run["metrics/train_loss"].extend([0.5, 0.25])
    logged["metrics/train_loss"] += [0.5, 0.25]
    run["sys/tags"].remove("draft")
    run["sys/tags"].add("trained")
    run.wait()
    read_back(run, logged, output)
    run.stop()

    run = init_run(custom_run_id=custom_run_id, **RUN, **QUIET)  # the clients would name it "Untitled"
    confirm("our own id leads to the same run", run["sys/id"].fetch() == run_id)
    run["properties/reopened"] = True
    run.stop()


def track_offline():
    """Log with no connection at all; `neptune sync` sends it later."""
    run = init_run(mode="offline", name="digits, offline", tags=["digits", "offline"], **QUIET)
    run["parameters"] = PARAMS
    run["metrics/countdown"].extend([float(number) for number in range(100, 0, -1)])
    run.stop()
    command = [str(Path(sys.executable).with_name("neptune")), "sync", "--offline-only"]
    subprocess.run([*command, "--project", os.environ["NEPTUNE_PROJECT"]], check=True)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("outputs"), help="folder for what the training writes")
    parser.add_argument("--fail", action="store_true", help="end with an exception, to see its traceback on the run")
    parser.add_argument("--online-only", action="store_true", help="leave out the offline run")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    data, network, custom_run_id = load_data(), make_network(), str(uuid.uuid4())

    run = start_run(custom_run_id)
    logged = train(run, network, data, output)
    if arguments.fail:
        raise RuntimeError("the training diverged (you asked for a failure)")
    log_pictures(run, network, *data[2:], output)
    log_files(run, network, *data[2:], output)
    print("all logged, waiting for the server", file=sys.stderr)
    run.sync()
    run_id = run["sys/id"].fetch()
    run.stop()

    go_on(run_id, custom_run_id, logged, output)
    (output / "logged.json").write_text(json.dumps({"run": run_id, "custom_run_id": custom_run_id, "series": logged}))
    if not arguments.online_only:
        track_offline()


if __name__ == "__main__":
    main()
