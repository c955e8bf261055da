from collections.abc import Mapping

import pytest

from gateway.core.drive import (
    EVIDENCE,
    GEAR,
    LOW_VOLTAGE,
    PARK_LOCK,
    PARKED_LIMIT_MS,
    PARKING_BRAKE,
    REORDERED_MS,
    SPEED,
    Drive,
    Driving,
    advance,
    is_news,
    lose,
)
from gateway.core.events import Scalar

UNKNOWN = Drive()
PARKED = Drive(Driving.PARKED, 10, frozenset({GEAR}), moving=False)
DRIVING = Drive(Driving.DRIVING, 10, frozenset(), moving=True)
HALF_ON = Drive(Driving.DRIVING, 10, frozenset({PARKING_BRAKE}), frozenset({PARKING_BRAKE}), moving=True)


def after(drive: Drive, *reports: Mapping[str, Scalar]) -> Driving:
    for signals in reports:
        drive = advance(drive, signals, 20)
    return drive.state


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (GEAR, 126),
        (PARK_LOCK, True),
        (PARKING_BRAKE, True),
        (LOW_VOLTAGE, "LOCK"),
        (LOW_VOLTAGE, "OFF"),
        (LOW_VOLTAGE, "ACC"),
    ],
)
def test_each_piece_of_evidence_alone_means_parked(path: str, value: Scalar) -> None:
    assert advance(UNKNOWN, {path: value}, 20) == Drive(Driving.PARKED, 20, frozenset({path}), heard=20, moved=20)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (GEAR, 0),
        (GEAR, 127),
        (GEAR, 125),
        (PARK_LOCK, False),
        (PARKING_BRAKE, False),
        (LOW_VOLTAGE, "ON"),
        (LOW_VOLTAGE, "START"),
        (LOW_VOLTAGE, "UNDEFINED"),
    ],
)
def test_anything_else_is_no_evidence(path: str, value: Scalar) -> None:
    assert advance(UNKNOWN, {path: value}, 20) == Drive(Driving.DRIVING, 20, heard=20)


@pytest.mark.parametrize("path", [PARK_LOCK, PARKING_BRAKE])
@pytest.mark.parametrize("value", [1, "true"])
def test_a_brake_is_on_only_if_it_says_true(path: str, value: Scalar) -> None:
    assert after(UNKNOWN, {path: value}) is Driving.DRIVING


def test_red_light_is_not_parked() -> None:
    assert after(UNKNOWN, {SPEED: 0.0}) is Driving.DRIVING
    assert after(DRIVING, {SPEED: 0}) is Driving.DRIVING


@pytest.mark.parametrize(
    ("speed_kmh", "state"),
    [(4.99, Driving.PARKED), (5.0, Driving.DRIVING), (-4.99, Driving.PARKED), (-5.0, Driving.DRIVING)],
)
def test_five_kilometres_an_hour_either_way_is_moving(speed_kmh: float, state: Driving) -> None:
    assert after(PARKED, {SPEED: speed_kmh}) is state


def test_park_and_motion_in_one_message_mean_driving() -> None:
    assert after(UNKNOWN, {GEAR: 126, SPEED: 40.0}) is Driving.DRIVING
    assert after(PARKED, {GEAR: 126, SPEED: 5.0}) is Driving.DRIVING


def test_a_handbrake_left_half_on_does_not_make_a_motorway_a_car_park() -> None:
    assert after(PARKED, {PARKING_BRAKE: True}, {SPEED: 120.0}) is Driving.DRIVING
    assert after(HALF_ON, {PARKING_BRAKE: True}) is Driving.DRIVING
    assert after(HALF_ON, {PARKING_BRAKE: True}, {SPEED: 119.0}) is Driving.DRIVING


def test_new_evidence_outweighs_an_older_speed() -> None:
    assert after(DRIVING, {GEAR: 126}) is Driving.PARKED
    assert after(HALF_ON, {PARKING_BRAKE: True, GEAR: 126}) is Driving.PARKED


@pytest.mark.parametrize("path", list(EVIDENCE))
def test_evidence_that_is_repeated_keeps_a_unit_parked(path: str) -> None:
    values: dict[str, Scalar] = {GEAR: 126, LOW_VOLTAGE: "OFF", PARK_LOCK: True, PARKING_BRAKE: True}
    value = values[path]
    parked = advance(UNKNOWN, {path: value}, 10)
    assert advance(parked, {path: value}, 20) == parked


def test_evidence_that_motion_has_spent_does_not_make_the_next_red_light_a_car_park() -> None:
    off, drive, stand = {LOW_VOLTAGE: "OFF"}, {SPEED: 50.0}, {SPEED: 0.0}
    assert after(HALF_ON, stand) is Driving.DRIVING
    assert after(UNKNOWN, off, drive, stand) is Driving.DRIVING
    assert after(UNKNOWN, off, drive, stand, off) is Driving.DRIVING
    assert after(UNKNOWN, off, drive, stand, {LOW_VOLTAGE: "ON"}, off) is Driving.PARKED


def test_evidence_that_is_no_news_parks_nobody() -> None:
    stale = advance(DRIVING, {LOW_VOLTAGE: "OFF"}, 20, fresh=False)
    assert stale.state is Driving.DRIVING
    switched_on = advance(PARKED, {GEAR: 127}, 9_000, ts=8_000)
    assert advance(switched_on, {GEAR: 126}, 9_001, ts=8_000 - REORDERED_MS - 1).state is Driving.DRIVING
    assert advance(switched_on, {GEAR: 126}, 9_001, ts=8_000 - REORDERED_MS).state is Driving.PARKED


def test_evidence_against_parking_counts_however_old() -> None:
    assert advance(PARKED, {GEAR: 127}, 20, ts=1, fresh=False).state is Driving.DRIVING


def test_a_park_from_the_future_hides_no_speed() -> None:
    parked = advance(DRIVING, {GEAR: 126}, 9_000, ts=60_000)
    assert advance(parked, {SPEED: 30.0}, 9_500, ts=9_400).state is Driving.DRIVING


def test_a_speed_older_than_what_last_set_it_moving_or_at_rest_says_nothing() -> None:
    at_rest = advance(DRIVING, {GEAR: 126}, 9_000, ts=8_000)
    assert advance(at_rest, {SPEED: 30.0}, 9_001, ts=7_999) == at_rest
    assert advance(at_rest, {SPEED: 30.0}, 9_001, ts=8_000).state is Driving.DRIVING


def test_a_lost_unit_keeps_in_mind_how_new_its_last_word_was() -> None:
    lost = lose(advance(PARKED, {GEAR: 127}, 9_000, ts=8_000), 9_500)
    assert lost == Drive(Driving.UNKNOWN, 9_500, heard=8_000)
    assert advance(lost, {GEAR: 126}, 9_900, ts=5_999).state is Driving.DRIVING


def test_one_contrary_signal_leaves_the_rest_of_the_evidence() -> None:
    both = advance(PARKED, {PARKING_BRAKE: True}, 20)
    assert after(both, {GEAR: 0}) is Driving.PARKED
    assert after(both, {GEAR: 0}, {PARKING_BRAKE: False}) is Driving.DRIVING


def test_evidence_and_its_contrary_in_one_message_are_both_heard() -> None:
    drive = advance(PARKED, {GEAR: 0, LOW_VOLTAGE: "OFF", PARK_LOCK: False}, 20)
    assert drive == Drive(Driving.PARKED, 10, frozenset({LOW_VOLTAGE}), heard=20, moved=20)


def test_since_is_when_the_state_began_not_when_it_was_last_heard() -> None:
    assert advance(PARKED, {PARKING_BRAKE: True}, 20).since == 10
    assert advance(PARKED, {GEAR: 127}, 20).since == 20


@pytest.mark.parametrize("signals", [{}, {"Vehicle.Exterior.AirTemperature": 4.0}, {SPEED: "fast"}])
@pytest.mark.parametrize("drive", [UNKNOWN, PARKED, DRIVING])
def test_what_says_nothing_of_motion_changes_nothing(drive: Drive, signals: Mapping[str, Scalar]) -> None:
    assert advance(drive, signals, 20) == drive
    known = None if drive == UNKNOWN else drive.to_json()
    assert not is_news(known, signals)


@pytest.mark.parametrize("path", list(EVIDENCE))
def test_every_report_of_evidence_is_news(path: str) -> None:
    assert is_news(PARKED.to_json(), {path: False})
    assert is_news(None, {path: False})


@pytest.mark.parametrize(
    ("known", "speed_kmh", "news"),
    [
        (None, 0.0, True),
        (Drive().to_json(), 0.0, True),
        (Drive().to_json(), 50.0, True),
        (PARKED.to_json(), 4.99, False),
        (PARKED.to_json(), 5.0, True),
        (PARKED.to_json(), -5.0, True),
        (DRIVING.to_json(), 5.0, False),
        (DRIVING.to_json(), 4.99, True),
        (HALF_ON.to_json(), 0, True),
    ],
)
def test_a_speed_is_news_if_it_says_what_is_not_known(
    known: Mapping[str, object] | None, speed_kmh: float, *, news: bool
) -> None:
    assert is_news(known, {SPEED: speed_kmh}) is news


@pytest.mark.parametrize("drive", [PARKED, DRIVING, HALF_ON, Drive(Driving.DRIVING, 10)])
@pytest.mark.parametrize("speed_kmh", [0.0, 4.99, 5.0, 200.0])
def test_what_is_no_news_would_change_nothing(drive: Drive, speed_kmh: float) -> None:
    signals = {SPEED: speed_kmh}
    assert is_news(drive.to_json(), signals) or advance(drive, signals, 20) == drive


def test_a_lost_unit_is_unknown_and_all_its_evidence_gone() -> None:
    assert lose(PARKED, 20) == Drive(Driving.UNKNOWN, 20)
    assert lose(HALF_ON, 20) == Drive(Driving.UNKNOWN, 20)


def test_what_is_unknown_already_stays_as_it_is() -> None:
    assert lose(Drive(Driving.UNKNOWN, 10), 20) == Drive(Driving.UNKNOWN, 10)


@pytest.mark.parametrize("drive", [UNKNOWN, PARKED, DRIVING, HALF_ON])
def test_a_drive_state_reads_back_as_it_was_written(drive: Drive) -> None:
    assert Drive.from_json(drive.to_json()) == drive


def test_a_unit_never_heard_of_is_unknown() -> None:
    assert Drive.from_json(None) == Drive(Driving.UNKNOWN, 0, frozenset(), moving=False)


def test_evidence_is_written_in_one_order() -> None:
    drive = Drive(Driving.PARKED, 10, frozenset(EVIDENCE))
    assert drive.to_json() == {"state": "parked", "since": 10, "evidence": sorted(EVIDENCE)} | {
        "spent": [],
        "moving": False,
        "heard": 0,
        "moved": 0,
    }


def test_the_latch_holds_for_half_a_day() -> None:
    assert PARKED_LIMIT_MS == 12 * 3_600_000
