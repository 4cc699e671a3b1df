"""Fill a running server with a believable project, through the real client: `make demo`, or

    . var/first-run.env
    python examples/demo.py

Made are: a search over hyper-parameters with curves, pictures and checkpoints; a run whose loss became NaN; one that
failed with a traceback; one with a long series; and one that goes on in the background for ten minutes. The curves
are drawn from formulas, so nothing is trained and a minute is enough.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from itertools import product
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import neptune
import numpy as np
from neptune.types import File

EPOCHS = 15
BATCHES_PER_EPOCH = 80
CLASSES = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
SEARCH = [
    {"optimizer": optimizer, "learning_rate": rate, "batch_size": size}
    for (optimizer, rate), size in product([("SGD", 0.1), ("SGD", 0.01), ("Adam", 0.001)], [64, 256])
]


def noise_for(name: str) -> np.random.Generator:
    """The same name always draws the same curves."""
    return np.random.default_rng(sum(name.encode()))


def start_run(name: str, parameters: dict[str, object], tags: list[str], **options: object) -> neptune.Run:
    settings = {
        "capture_hardware_metrics": True,
        "source_files": [__file__],
        "description": "Made by examples/demo.py.",
    }
    run = neptune.init_run(name=name, tags=["demo", *tags], **{**settings, **options})
    run["parameters"] = {
        **parameters,
        "epochs": EPOCHS,
        "model": {"name": "resnet18", "dropout": 0.2, "pretrained": False},
    }
    run["dataset/name"] = "ten kinds of pictures"
    run["dataset/classes"] = ", ".join(CLASSES)
    return run


def falling(count: int, start: float, end: float, speed: float, noise: np.random.Generator) -> np.ndarray:
    """A loss: falls from `start` to `end`, ever slower, with noise that shrinks."""
    progress = np.linspace(0, 1, count)
    return end + (start - end) * np.exp(-speed * progress) * (1 + 0.15 * noise.standard_normal(count))


def log_curves(run: neptune.Run, noise: np.random.Generator, quality: float) -> None:
    """Per batch the training loss, per epoch losses and accuracies; `quality` in 0..1 says how well it goes."""
    batches = EPOCHS * BATCHES_PER_EPOCH
    run["train/batch/loss"].extend(falling(batches, 2.3, 0.6 - 0.5 * quality, 4 + 3 * quality, noise).tolist())
    run["train/batch/gradient_norm"].extend(falling(batches, 9, 1, 3, noise).tolist())
    for epoch in range(EPOCHS):
        progress = 1 - math.exp(-(2 + 2 * quality) * (epoch + 1) / EPOCHS)
        wobble = noise.normal(0, 0.008)
        run["train/accuracy"].append((0.5 + 0.48 * quality) * progress + wobble / 2, step=epoch)
        run["validation/accuracy"].append((0.45 + 0.47 * quality) * progress + wobble, step=epoch)
        run["validation/loss"].append(2.3 - (1.4 + 0.6 * quality) * progress + wobble, step=epoch)
        run["learning_rate"].append(0.1 * 0.5 * (1 + math.cos(math.pi * epoch / EPOCHS)), step=epoch)
        print(f"epoch {epoch + 1}/{EPOCHS}: validation accuracy {(0.45 + 0.47 * quality) * progress + wobble:.3f}")


def picture(noise: np.random.Generator, size: int = 96) -> np.ndarray:
    """A smooth coloured pattern in 0..1, shape (size, size, 3)."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(2 * math.pi * (noise.uniform(1, 4) * rows + noise.uniform(1, 4) * columns)) for _ in range(3)]
    return np.stack(waves, axis=-1) / 2 + 0.5


def log_pictures(run: neptune.Run, noise: np.random.Generator, quality: float) -> None:
    for step in range(12):
        guess, truth = CLASSES[noise.integers(10)], CLASSES[step % 10]
        description = f"guess {guess}, truth {truth}"
        run["validation/pictures"].append(
            File.as_image(picture(noise)), name=f"example {step}", description=description
        )
    counts = np.rint(noise.uniform(0, 12 * (1 - quality) + 1, (10, 10)) + np.diag(np.full(10, 100 * quality + 20)))
    figure, axes = plt.subplots(figsize=(6, 5))
    axes.imshow(counts, cmap="Blues")
    axes.set(xticks=range(10), yticks=range(10), xlabel="guess", ylabel="truth", title="Confusion matrix")
    axes.set_xticklabels(CLASSES, rotation=90)
    axes.set_yticklabels(CLASSES)
    figure.tight_layout()
    run["validation/confusion_matrix"].upload(figure)
    plt.close(figure)


def log_files(run: neptune.Run, noise: np.random.Generator, folder: Path) -> None:
    for epoch in (5, 10, 15):
        checkpoint = folder / f"epoch_{epoch}.npz"
        np.savez(checkpoint, weights=noise.standard_normal(200_000).astype("float32"), epoch=epoch)
        run[f"checkpoints/epoch_{epoch}"].upload(str(checkpoint))
    rows = [
        "class,precision,recall",
        *(f"{name},{noise.uniform(0.6, 1):.3f},{noise.uniform(0.6, 1):.3f}" for name in CLASSES),
    ]
    run["validation/per_class"].upload(File.from_content("\n".join(rows), extension="csv"))
    run["validation/report"].upload(File.from_content("<h1>Report</h1><p>All classes were seen.</p>", extension="html"))


def search() -> None:
    """Six runs with different hyper-parameters, the best of them tagged."""
    for number, parameters in enumerate(SEARCH):
        name = "{optimizer}, rate {learning_rate}, batch {batch_size}".format(**parameters)
        quality, noise = 0.35 + 0.12 * number, noise_for(name)
        run = start_run(name, parameters, ["search"])
        log_curves(run, noise, quality)
        log_pictures(run, noise, quality)
        with tempfile.TemporaryDirectory() as folder:
            log_files(run, noise, Path(folder))
            if number == len(SEARCH) - 1:
                run["sys/tags"].add("best")
            run.stop()


def long_series(points: int = 200_000) -> None:
    run = start_run("a long training", {"optimizer": "Adam", "learning_rate": 1e-4}, ["long"])
    values = falling(points, 4, 0.2, 6, noise_for("long"))
    for start in range(0, points, 10_000):
        run["train/loss"].extend(values[start : start + 10_000].tolist())
    run.stop()


def with_nan() -> None:
    """neptune 1.x leaves NaN out before it sends anything, so these points go through the platform's own API."""
    run = start_run("diverged: rate 3.0", {"optimizer": "SGD", "learning_rate": 3.0}, ["search", "diverged"])
    uid = run._id  # the only place where the client keeps the run's uuid
    run.sync()
    values: list[object] = [
        *falling(60, 2.3, 1.9, 1, noise_for("nan")).tolist(),
        *[7.5, 90.0, "Infinity"],
        *["NaN"] * 20,
    ]
    now = int(time.time() * 1000)
    operation = {"op": "append", "path": "train/batch/loss", "values": values, "steps": list(range(len(values)))}
    operation["timestamps"] = [now + step for step in range(len(values))]
    post(f"/api/v1/runs/{uid}/operations/", {"writer": str(uuid.uuid4()), "seq": 1, "operations": [operation]})
    run.stop()


def post(path: str, body: object) -> None:
    token = os.environ["NEPTUNE_API_TOKEN"]
    server = json.loads(base64.b64decode(token))["api_address"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(server + path, json.dumps(body).encode(), headers)  # noqa: S310 - our own server
    urllib.request.urlopen(request).close()  # noqa: S310


def failing() -> None:
    run = start_run("out of memory", {"optimizer": "Adam", "learning_rate": 0.001, "batch_size": 4096}, ["search"])
    run["train/batch/loss"].extend(falling(40, 2.3, 2.0, 1, noise_for("failing")).tolist())
    print("epoch 1 begins", file=sys.stderr)
    raise MemoryError("could not allocate 18.2 GiB for the activations of layer4")


def running(seconds: float) -> None:
    """Log for as long as asked, a few points per second, as a training that goes on does."""
    run = start_run("still training", {"optimizer": "AdamW", "learning_rate": 3e-4}, ["live"])
    noise, end = noise_for("running"), time.monotonic() + seconds
    step = 0
    while time.monotonic() < end:
        run["train/batch/loss"].append(0.3 + 2 / (1 + step / 60) + noise.normal(0, 0.05))
        if step % 20 == 0:
            run["validation/accuracy"].append(0.9 - 0.8 / (1 + step / 100), step=step)
            print(f"step {step}")
        step += 1
        time.sleep(0.25)
    run.stop()


def in_background(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", choices=["failing", "running"], help="make just this run")
    parser.add_argument("--live-seconds", type=float, default=600, help="how long the live run goes on (0: none)")
    arguments = parser.parse_args()
    if arguments.only == "failing":
        return failing()
    if arguments.only == "running":
        return running(arguments.live_seconds)
    failed = in_background("--only", "failing")
    if arguments.live_seconds > 0:
        live = in_background("--only", "running", "--live-seconds", str(arguments.live_seconds))
        print(f"process {live.pid} logs to the run “still training” for {arguments.live_seconds:g} seconds")
    search()
    with_nan()
    long_series()
    failed.wait()
    return None


if __name__ == "__main__":
    main()
