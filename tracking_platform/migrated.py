"""Whether the database has every migration of this version."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def is_migrated() -> bool:
    """Nearly always the names of the files are in the table, which is cheap to see. Otherwise Django is asked: a
    migration that others were squashed into, for one, may be missing there."""
    recorded = MigrationRecorder(connections[DEFAULT_DB_ALIAS]).applied_migrations()
    if _names() <= recorded.keys():
        return True
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _names() -> set[tuple[str, str]]:
    """(app, name) of every migration in the installed apps, without importing it."""
    names: set[tuple[str, str]] = set()
    for config in apps.get_app_configs():
        module, _ = MigrationLoader.migrations_module(config.label)
        try:
            folders = import_module(module).__path__ if module else []
        except ModuleNotFoundError:
            continue
        files = (file for folder in folders for file in Path(folder).glob("[!_~]*.py"))
        names.update((config.label, file.stem) for file in files)
    return names
