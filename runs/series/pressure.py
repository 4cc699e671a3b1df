"""What happens when points come in faster than they are moved into chunks, or nobody moves them.

Requests then do that work themselves, for their own run, before they add to it: so whoever logs too fast waits a
little, nobody else does, and the log stays small even without a flusher. Only when that does not help either is a batch
refused.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from django.db import DatabaseError, connection

from projects.exceptions import Unavailable
from runs.series.flush import flush
from runs.series.pending import LogSize, count_unflushed, count_unflushed_of

logger = logging.getLogger(__name__)

HELP_FROM = 256  # rows of the run in the log
HELP_EARLY_FROM = 16  # the same, while the log of all runs is over its limit
REFUSE_FROM = 4096
LOG_ROWS = 200_000  # of all runs
RETRY_SECONDS = 10

log_size = LogSize()


def make_room(run_id: int, *, may_refuse: bool) -> None:
    """Flush the run if too much of it waits in the log. To be called now and then before points are added.

    Raises Unavailable if that fails and the run's log is full. With `may_refuse` False the batch is taken all the same:
    there are clients that drop what is refused.
    """
    count = count_unflushed(run_id)
    if _is_little(count):
        return
    try:
        flush(run_id)
    except (DatabaseError, ValueError):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        logger.exception("The points of run %d could not be flushed; they stay in the log.", run_id)
        if may_refuse and count >= REFUSE_FROM:
            raise Unavailable(
                "Too many points of this run wait to be stored; send them again later.", retry_after=RETRY_SECONDS
            ) from None


def runs_with_room(run_ids: Collection[int]) -> list[int]:
    """Those of the runs for which make_room has nothing to do."""
    return [run_id for run_id, count in count_unflushed_of(run_ids).items() if _is_little(count)]


def _is_little(count: int) -> bool:
    return count <= HELP_EARLY_FROM or (count <= HELP_FROM and not log_size.is_over(LOG_ROWS))
