"""Values at the edges: the run must survive them, and what can be kept must be."""

import sys

from client import QUIET, init_run

run = init_run(name=sys.argv[1], **QUIET)
for value in (1.0, float("nan"), 2.0, float("inf"), float("-inf"), 3.0):
    run["odd/series"].append(value)
run["odd/text"] = "x" * 20_000_000
run["odd/lines"].append("y" * 20_000_000)
run["odd/unicode"] = "naïve ☃ 你好 \u202e"
run["odd/empty"] = ""
run["odd/large_int"] = 2**31 - 1
run["odd/tiny"] = 5e-324
run.sync()
run["odd/after"] = "still here"
run.sync()
print("text", len(run["odd/text"].fetch()), "after", run["odd/after"].fetch(), flush=True)
run.stop()
