"""`manage.py serve`: the whole platform in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

from tracking_platform.serving import first_run
from tracking_platform.serving.exclusive import check_port, hold_lock
from tracking_platform.serving.programs import programs
from tracking_platform.serving.supervisor import Group, replace_process, say


class Command(BaseCommand):
    help = "Start the web server, the task worker and the scheduler as one group; Ctrl-C or SIGTERM stops them."

    def handle(self, *args: Any, **options: Any) -> None:
        hold_lock(Path(settings.DATA_DIR))
        check_port(settings.HOST, settings.PORT)
        try:
            bring_up_to_date()
            values, is_new = first_run.prepare()
        except OperationalError as error:
            raise CommandError(f"The database can't be used: {error}") from error
        finally:
            connections.close_all()
        announcement = first_run.announcement(values, is_new=is_new)
        replace_process(Group(programs(), own_address("/readyz"), announcement), settings.BASE_DIR)


def bring_up_to_date() -> None:
    """Apply the migrations that are missing."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Preparing the database…")
        call_command("migrate", interactive=False, verbosity=0)


def own_address(path: str) -> str:
    """Where this machine reaches its own web server, whatever BASE_URL says."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.TLS_CERTIFICATE else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.PORT}{path}"
