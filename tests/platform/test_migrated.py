"""Seeing whether migrations are missing."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from tracking_platform import migrated

pytestmark = pytest.mark.django_db


def test_a_database_with_every_migration_is_seen_without_loading_them(monkeypatch, django_assert_max_num_queries):
    def refuse(*_):
        raise AssertionError("the migrations were loaded")

    monkeypatch.setattr(MigrationExecutor, "__init__", refuse)

    with django_assert_max_num_queries(2):
        assert migrated.is_migrated()


def test_every_file_that_django_knows_is_looked_for():
    loaded = set(MigrationExecutor(connection).loader.disk_migrations)

    assert migrated._names() == loaded


def test_a_migration_that_is_not_recorded_is_missing():
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("runs")[0]
    MigrationRecorder(connection).record_unapplied(*newest)

    assert not migrated.is_migrated()
