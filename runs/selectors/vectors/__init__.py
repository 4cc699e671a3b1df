"""Tables of many runs, answered from columns that are held in memory.

A condition that holds for most of 100,000 runs makes the database look up each of them; from a column in memory the
answer takes a millisecond. `columns.py` has what is held, `table.py` keeps it true, `masks.py` evaluates conditions,
`pages.py` the order, and `answers.py` decides when all that is worth it. The answers are those of
runs/selectors/compiled.py and runs/selectors/ordering.py, to the letter: a random test compares them.
"""

from runs.selectors.vectors.answers import Answer, answer_from_memory, forget_vectors

__all__ = ["Answer", "answer_from_memory", "forget_vectors"]
