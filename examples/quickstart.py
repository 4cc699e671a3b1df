"""The tutorial in five lines: needs only a client (`pip install neptune`) and NEPTUNE_API_TOKEN, NEPTUNE_PROJECT."""

import neptune

run = neptune.init_run(name="quickstart", tags=["first"])
run["parameters"] = {"learning_rate": 0.1, "optimizer": "SGD"}
for step in range(100):
    run["metrics/loss"].append(1 / (1 + step))
run.stop()
