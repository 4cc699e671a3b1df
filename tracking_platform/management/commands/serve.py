"""`manage.py serve`: the whole platform in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from tracking_platform.migrated import is_migrated
from tracking_platform.serving import first_run
from tracking_platform.serving.exclusive import check_port, hold_lock
from tracking_platform.serving.processes import name_process
from tracking_platform.serving.readiness import Readiness
from tracking_platform.serving.supervisor import Supervisor, say


class Command(BaseCommand):
    help = "Start the web server and the task worker as one group; Ctrl-C or SIGTERM stops them."
    requires_system_checks = []  # `make check` runs them; here they would cost a tenth of the start

    def handle(self, *args: Any, **options: Any) -> None:
        hold_lock(Path(settings.DATA_DIR))
        check_port(settings.HOST, settings.PORT)
        try:
            bring_up_to_date()
            values, is_new = first_run.prepare()
        except OperationalError as error:
            raise CommandError(f"The database can't be used: {error}") from error
        finally:
            connections.close_all()  # a connection must not be shared with the processes forked from this one
        announcement = first_run.announcement(values, is_new=is_new)
        name_process("supervisor")
        os.chdir(settings.BASE_DIR)

        from tracking_platform.serving import programs  # after what may fail: it loads the whole platform

        programs.load()
        is_ready = Readiness(own_address("/readyz"))
        Supervisor(programs.programs(), is_ready=is_ready, on_ready=lambda: say(announcement)).run()


def bring_up_to_date() -> None:
    """Apply the migrations that are missing."""
    if not is_migrated():
        say("Preparing the database…")
        call_command("migrate", interactive=False, verbosity=0)


def own_address(path: str) -> str:
    """Where this machine reaches its own web server, whatever BASE_URL says."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.TLS_CERTIFICATE else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.PORT}{path}"
