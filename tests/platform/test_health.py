"""The two addresses that say whether the platform works; nobody logs in for them."""

import pytest
import requests
from django.db import OperationalError

from tests.servers.waiting import wait_for
from tracking_platform import health

PARTS = ("database", "migrations", "storage", "broker")


def test_the_live_platform_says_that_it_is_up(live_platform):
    answer = requests.get(f"{live_platform.url}/healthz", timeout=10)

    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_readiness_names_every_part_of_the_live_platform(live_platform):
    answer = requests.get(f"{live_platform.url}/readyz", timeout=10)

    assert answer.status_code == 200
    assert answer.json()["parts"] == {name: {"status": "ok"} for name in PARTS}


def test_readiness_tells_when_a_task_last_ran(live_platform):
    def last_seen() -> float | None:
        seconds: float | None = requests.get(f"{live_platform.url}/readyz", timeout=10).json()["tasks"][
            "last_seen_seconds"
        ]
        return seconds

    wait_for(lambda: last_seen() is not None, seconds=60, what="a periodic task")


@pytest.mark.django_db
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_fails_makes_the_platform_not_ready_and_tells_no_secret(client, monkeypatch, name):
    def fail() -> None:
        raise OperationalError("connection to postgres://root:hunter2@db failed")

    monkeypatch.setitem(health.CHECKS, name, fail)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["parts"][name] == {"status": "down"}
    assert {part["status"] for other, part in answer.json()["parts"].items() if other != name} == {"ok"}
    assert b"hunter2" not in answer.content


@pytest.mark.django_db
def test_a_missing_migration_is_noticed(monkeypatch):
    monkeypatch.setattr(health, "is_migrated", lambda: False)
    health._require_no_migration.cache_clear()

    with pytest.raises(RuntimeError, match="migrations are missing"):
        health.check_migrations()


def test_health_is_read_only(client):
    assert client.post("/healthz").status_code == 405
