"""The clock of the periodic tasks."""

from tracking_platform.serving.clock import LONGEST_FIRST_WAIT, Clock

SCHEDULE = {
    "often": {"task": "often", "schedule": 5.0, "options": {"expires": 10}},
    "seldom": {"task": "seldom", "schedule": 3600.0},
}


def sent_by(clock, sent, now):
    """What one tick sends."""
    before = len(sent)
    clock.tick(now)
    return sent[before:]


def test_frequent_tasks_are_sent_at_once_and_rare_ones_within_a_minute():
    sent = []
    clock = Clock(SCHEDULE, lambda task, **options: sent.append((task, options)), now=100.0)

    assert sent_by(clock, sent, 100.0) == [("often", {"expires": 10})]
    assert ("seldom", {}) in sent_by(clock, sent, 100.0 + LONGEST_FIRST_WAIT)


def test_a_tick_says_how_long_nothing_is_due():
    clock = Clock(SCHEDULE, lambda *_, **__: None, now=100.0)

    assert clock.tick(100.0) == 5.0
    assert clock.tick(102.0) == 3.0


def test_nothing_is_made_up_for_after_a_long_sleep():
    sent = []
    clock = Clock(SCHEDULE, lambda task, **_: sent.append(task), now=0.0)
    clock.tick(0.0)

    assert sorted(sent_by(clock, sent, 10_000.0)) == ["often", "seldom"]


def test_a_broker_that_is_away_costs_that_message_alone():
    sent: list[str] = []

    def send(task, **_):
        if not sent:
            sent.append("failed")
            raise ConnectionError("refused")
        sent.append(task)

    clock = Clock(SCHEDULE, send, now=0.0)

    assert clock.tick(0.0) == 5.0
    clock.tick(5.0)
    assert sent == ["failed", "often"]
