"""One of several processes that write to the same run, found by our own id."""

import sys

from client import QUIET, init_run

own_id, worker, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
run = init_run(custom_run_id=own_id, name="shared", **QUIET)
for step in range(count):
    run[f"worker_{worker}/loss"].append(1 / (1 + step), step=step)
    run["shared/loss"].append(float(worker))
run[f"worker_{worker}/done"] = True
run["sys/tags"].add(f"worker {worker}")
run.stop()
