import sys

from gateway.core.timers import Agenda, TimerKey

DWELL = TimerKey("dwell", "car-1", "station")
OFFER = TimerKey("offer", "o.1")


def test_an_empty_agenda_has_nothing_due() -> None:
    agenda = Agenda()
    assert agenda.next_due() is None
    assert agenda.take_due(10**15) is None


def test_a_timer_is_due_at_its_very_instant_and_not_before() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    assert agenda.take_due(999) is None
    assert agenda.take_due(1_000) == (1_000, DWELL)


def test_a_timer_fires_once() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    agenda.take_due(1_000)
    assert agenda.take_due(2_000) is None
    assert agenda.next_due() is None


def test_timers_fire_by_instant_then_by_key() -> None:
    agenda = Agenda()
    keys = [TimerKey("window", "a"), TimerKey("dwell", "b", "2"), TimerKey("dwell", "b", "1"), TimerKey("dwell", "a")]
    for key in keys:
        agenda.set(key, 1_000)
    agenda.set(OFFER, 999)
    taken = [agenda.take_due(1_000) for _ in range(5)]
    assert taken == [(999, OFFER), *((1_000, key) for key in sorted(keys))]


def test_setting_a_timer_again_moves_it_later() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    agenda.set(DWELL, 2_000)
    assert agenda.next_due() == 2_000
    assert agenda.take_due(1_999) is None
    assert agenda.take_due(2_000) == (2_000, DWELL)


def test_setting_a_timer_again_moves_it_earlier() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 2_000)
    agenda.set(DWELL, 1_000)
    assert agenda.take_due(3_000) == (1_000, DWELL)
    assert agenda.take_due(3_000) is None


def test_a_timer_that_is_set_to_the_same_instant_twice_fires_once() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    agenda.set(DWELL, 1_000)
    assert agenda.take_due(1_000) == (1_000, DWELL)
    assert agenda.take_due(1_000) is None


def test_a_timer_that_was_moved_away_and_back_fires_once() -> None:
    agenda = Agenda()
    for due in (1_000, 2_000, 1_000):
        agenda.set(DWELL, due)
    assert agenda.take_due(5_000) == (1_000, DWELL)
    assert agenda.take_due(5_000) is None


def test_a_cancelled_timer_never_fires() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    agenda.set(OFFER, 2_000)
    agenda.cancel(DWELL)
    assert agenda.next_due() == 2_000
    assert agenda.take_due(5_000) == (2_000, OFFER)


def test_a_timer_that_is_not_pending_may_be_cancelled() -> None:
    agenda = Agenda()
    agenda.cancel(DWELL)
    assert agenda.next_due() is None


def test_a_cancelled_timer_may_be_set_anew() -> None:
    agenda = Agenda()
    agenda.set(DWELL, 1_000)
    agenda.cancel(DWELL)
    agenda.set(DWELL, 1_000)
    assert agenda.take_due(1_000) == (1_000, DWELL)


def test_what_was_cancelled_behind_a_timer_that_stays_is_let_go() -> None:
    agenda = Agenda()
    agenda.set(TimerKey("parked_limit", "car-1"), 1)
    for number in range(10_000):
        agenda.set(TimerKey("window", f"s.{number}"), 2 + number)
        agenda.cancel(TimerKey("window", f"s.{number}"))
    assert sys.getsizeof(agenda._heap) < 10_000
    assert agenda.take_due(20_000) == (1, TimerKey("parked_limit", "car-1"))
    assert agenda.next_due() is None
