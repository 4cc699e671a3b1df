"""Do one thing that can't go well and print the class of the client's own exception, then its message."""

import sys
import uuid

from client import QUIET, init_run


def open_run():
    init_run(name="should not be", **QUIET)


def unknown_path():
    init_run(name="unknown path", **QUIET)["no/such/path"].fetch()


def unknown_run():
    init_run(with_id="NOPE-999999", **QUIET)


def type_conflict():
    """Two connections to one run: the second does not know that the first made `value` a number."""
    own_id = str(uuid.uuid4())
    first = init_run(name="conflict", mode="sync", custom_run_id=own_id, **QUIET)
    second = init_run(custom_run_id=own_id, mode="sync", **QUIET)
    first["value"] = 1.5
    second["value"] = "a text"


def read_only_attribute():
    init_run(name="read-only", mode="sync", **QUIET)["sys/id"] = "MINE-1"


try:
    globals()[sys.argv[1]]()
except Exception as problem:
    print("RAISED", type(problem).__name__, flush=True)
    print(" ".join(str(problem).split()), flush=True)
else:
    print("nothing was raised", flush=True)
