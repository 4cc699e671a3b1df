"""Runs in TensorBoard's environment: write scalars with its own event file writer, once told to.

    python tensorboard_log.py FOLDER POINTS SERIES [PATH]

With PATH there is one series of that name. Prints "ready", waits for a line, writes, prints {"cpu": seconds}.
"""

import json
import random
import sys
import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def main() -> None:
    folder, points, series = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    names = [sys.argv[4]] if len(sys.argv) > 4 else [f"metrics/series_{number}" for number in range(series)]
    writer = EventFileWriter(folder)
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.process_time()
    for step in range(points // len(names)):
        for name in names:
            summary = Summary(value=[Summary.Value(tag=name, simple_value=chance.random())])
            writer.add_event(Event(step=step, wall_time=1_760_000_000 + step / 10, summary=summary))
    writer.close()
    print(json.dumps({"cpu": time.process_time() - started}), flush=True)


main()
