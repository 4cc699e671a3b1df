"""What the runs of the tables hold, so that everyone is asked the same: 20 metrics, 10 parameters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

METRICS, PARAMETERS = 20, 10
OPTIMIZERS = ("adam", "adamw", "sgd", "lion", "rmsprop")
# Of ten runs about two pass the first condition and of those one in five the second.
THRESHOLD = 0.8


@dataclass(frozen=True, slots=True)
class RunValues:
    number: int
    metrics: dict[str, float]
    parameters: dict[str, str]


def metric(number: int) -> str:
    return f"metrics/m{number}"


def parameter(number: int) -> str:
    return "parameters/optimizer" if number == 0 else f"parameters/p{number}"


@cache
def matching(count: int) -> int:
    """How many of so many runs have the two properties that are asked for."""
    return sum(
        values.metrics[metric(5)] > THRESHOLD and values.parameters[parameter(0)] == "adam"
        for values in run_values(count)
    )


def run_values(count: int) -> Iterator[RunValues]:
    chance = random.Random(7)  # noqa: S311 - reproducible data, not a secret
    for number in range(count):
        yield RunValues(
            number,
            {metric(place): chance.random() for place in range(METRICS)},
            {
                parameter(place): OPTIMIZERS[number % 5] if place == 0 else str(chance.randrange(100))
                for place in range(PARAMETERS)
            },
        )
