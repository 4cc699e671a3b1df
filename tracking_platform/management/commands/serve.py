"""`manage.py serve`: the whole platform in the foreground."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

from tracking_platform.serving import first_run
from tracking_platform.serving.exclusive import check_port, only_one
from tracking_platform.serving.programs import programs
from tracking_platform.serving.supervisor import Supervisor, say


class Command(BaseCommand):
    help = "Start the web server, the task worker and the scheduler as one group; Ctrl-C or SIGTERM stops them."

    def handle(self, *args: Any, **options: Any) -> None:
        with only_one(Path(settings.DATA_DIR)):
            check_port(settings.HOST, settings.PORT)
            try:
                bring_up_to_date()
                values, is_new = first_run.prepare()
            except OperationalError as error:
                raise CommandError(f"The database can't be used: {error}") from error
            finally:
                connections.close_all()
            text = first_run.announcement(values, is_new=is_new)
            Supervisor(programs(), is_ready=answers, on_ready=lambda: say(text)).run()


def bring_up_to_date() -> None:
    """Apply the migrations that are missing."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("Preparing the database…")
        call_command("migrate", interactive=False, verbosity=0)


def answers() -> bool:
    """Whether the web server says that all its parts are there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared, not bound
    try:
        connection = _connection(host)
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def _connection(host: str) -> http.client.HTTPConnection:
    if not settings.TLS_CERTIFICATE:
        return http.client.HTTPConnection(host, settings.PORT, timeout=5)
    # Our own server on this machine; its certificate is for the name people use.
    context = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(host, settings.PORT, timeout=5, context=context)
