"""The two addresses that say whether the platform works; nobody logs in for them."""

import requests


def test_the_live_platform_says_that_it_is_up(live_platform):
    answer = requests.get(f"{live_platform.url}/healthz", timeout=10)

    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_readiness_names_every_part_of_the_live_platform(live_platform):
    answer = requests.get(f"{live_platform.url}/readyz", timeout=10)

    assert answer.status_code == 200
    assert answer.json()["parts"] == {
        name: {"status": "ok"} for name in ("database", "migrations", "storage", "broker")
    }
