"""Log the numbers 0, 1, 2… to one series, one call each, and say when all of them are stored."""

import sys

from client import QUIET, init_run

name, count = sys.argv[1], int(sys.argv[2])
run = init_run(name=name, flush_period=1, **QUIET)
print("started", run["sys/id"].fetch(), flush=True)
series = run["numbers"]
for number in range(count):
    series.append(float(number))
run.sync()
print("points seen by the client", len(run["numbers"].fetch_values(include_timestamp=False)), flush=True)
run.stop()
