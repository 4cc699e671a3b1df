"""Fill our database with runs as bench/run_values.py describes them, row by row into the tables: through the interface
it would take too long. A program of its own, since it needs Django with the measured server's settings.

    DATA_DIR=… DATABASE_URL=… python -m bench.fill_runs ORGANIZATION/PROJECT COUNT
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bench.points import FIRST_MS
from bench.processes import ROOT
from bench.run_values import metric, parameter, run_values

if TYPE_CHECKING:
    from django.db.models import Model

    from projects.models import Project


def fill(environment: dict[str, str], project: str, count: int) -> None:
    """Have `count` runs in the project, in a process of its own."""
    command = [sys.executable, "-m", "bench.fill_runs", project, str(count)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project")
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    import django

    django.setup()
    from projects.models import Project
    from runs.models import Run

    organization, name = options.project.split("/")
    project = Project.objects.get(organization__name=organization, name=name)
    first = Run.objects.filter(project=project).count()
    if first < options.count:
        _fill(project, first, options.count)


def _fill(project: Project, first: int, count: int) -> None:
    from django.db import connection, transaction
    from django.db.models import F, Max
    from django.utils import timezone

    from projects.models import Project as Projects
    from runs.models import Attribute, AttributeKind, Run

    highest = Run.objects.filter(project=project).aggregate(Max("number"))["number__max"] or 0
    now, shift = timezone.now(), highest - first
    with transaction.atomic():
        series = _definitions(project, [metric(place) for place in range(20)], AttributeKind.FLOAT_SERIES)
        texts = _definitions(project, [parameter(place) for place in range(10)], AttributeKind.STRING)

        def runs() -> Iterator[dict[str, Any]]:
            for number in range(first + 1 + shift, count + 1 + shift):
                created = now - timedelta(seconds=count - number)
                yield {
                    "uuid": uuid.uuid4(),
                    "sys_id": f"{project.key}-{number}",
                    "number": number,
                    "created_at": created,
                    "touched_at": now,
                    "values_changed_at": now,  # as if they had been logged: what is held in memory goes by it
                    "finished_at": created,
                }

        _insert(Run(project=project), runs())
        ids = dict(Run.objects.filter(project=project, number__gt=highest).values_list("number", "id"))

        def attributes() -> Iterator[dict[str, Any]]:
            for values in run_values(count):
                if values.number < first:
                    continue
                run = ids[values.number + 1 + shift]
                for path, value in values.metrics.items():
                    yield _metric(run, series[path], value)
                for path, text in values.parameters.items():
                    yield {"run_id": run, "definition_id": texts[path], "text": text}

        _insert(Attribute(), attributes())
        Projects.objects.filter(pk=project.pk).update(last_run_number=F("last_run_number") + count - first)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _metric(run: int, definition: int, value: float) -> dict[str, Any]:
    """The summary of a series of one point."""
    return {
        "run_id": run,
        "definition_id": definition,
        "number": value,
        "count": 1,
        "last_step": 0.0,
        "last_ms": FIRST_MS,
        "minimum": value,
        "maximum": value,
        "total": value,
        "sum_squares": value * value,
        "finite_count": 1,
    }


def _definitions(project: Project, paths: list[str], kind: int) -> dict[str, int]:
    from runs.models import AttributeDefinition

    return {
        path: AttributeDefinition.objects.get_or_create(project=project, path=path, kind=kind)[0].pk for path in paths
    }


def _insert(template: Model, rows: Iterable[dict[str, Any]]) -> None:
    """Rows of the template's model; what a row does not name has the template's value."""
    from django.db import connection

    fields = [field for field in template._meta.concrete_fields if not field.primary_key]
    kept = {
        field.column: field.get_db_prep_save(field.pre_save(template, True), connection)
        for field in fields
        if field.name not in {"uuid", "run", "definition"}
    }
    prepare = {field.column: field.get_db_prep_save for field in fields}
    columns = [field.column for field in fields]
    postgres = connection.vendor == "postgresql"

    def prepared() -> Iterator[list[Any]]:
        for row in rows:
            values = dict(kept)
            for column, value in row.items():
                plain = isinstance(value, int | float | str)
                values[column] = value if plain or postgres else prepare[column](value, connection)
            yield [values[column] for column in columns]

    table, names = template._meta.db_table, ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if postgres:
            statement = f"COPY {table} ({names}) FROM STDIN"
            with contextlib.closing(cursor.connection.cursor()) as raw, raw.copy(statement) as copy:
                for values in prepared():
                    copy.write_row(values)
            return
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own model
        cursor.connection.cursor().executemany(statement, prepared())


if __name__ == "__main__":
    main()
