"""Log until the server says stop or abort, or for a minute."""

import sys
import time

from client import QUIET, init_run

run = init_run(name=sys.argv[1], flush_period=1, **QUIET)
run["numbers"].append(1.0)
run.sync()
print("started", run["sys/id"].fetch(), flush=True)
for number in range(600):
    run["numbers"].append(float(number))
    time.sleep(0.1)
print("nobody told me to stop", flush=True)
