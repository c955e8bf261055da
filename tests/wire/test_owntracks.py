"""OwnTracks: what a phone or tracker says, and what of it is not listened to."""

import json

import pytest

from gateway.core.errors import InvalidInput
from gateway.core.events import BeaconSighted, Event, FenceReported, PositionReported, SignalsReported, UnitLost
from gateway.core.units import Position
from gateway.wire.devices import Bindings, Devices, Ignored, IgnoredReason, Said
from gateway.wire.read import Reason, read_device

TST = 1_760_000_000
TS = TST * 1_000
NOW = TS + 250
BEACON = "CA271EAE-5FA8-4E80-8F08-2A302A95A959:1:2"
FIX: dict[str, object] = {"_type": "location", "tst": TST, "lat": 47.4, "lon": 8.5}
CROSSING: dict[str, object] = {"_type": "transition", "tst": TST, "event": "enter", "wtst": TST - 9, "acc": 12.5}
HEARD: dict[str, object] = {
    "_type": "beacon",
    "tst": TST,
    "uuid": "CA271EAE-5FA8-4E80-8F08-2A302A95A959",
    "major": 1,
    "minor": 2,
}


def hear(message: dict[str, object], *, level: str = "", retained: bool = False) -> Said | Ignored:
    devices = Devices(Bindings(phones={"anna/phone": "car-7"}))
    devices.activate(fences=["station", "cafe"], beacons=[BEACON])
    raw = json.dumps(message).encode()
    return read_device(f"owntracks/anna/phone{level}", raw, NOW, devices, credential_key=b"k" * 32, retained=retained)


def events(message: dict[str, object]) -> tuple[Event, ...]:
    said = hear(message)
    assert isinstance(said, Said)
    assert said.refused is None
    return said.events


def fix(**changes: object) -> PositionReported:
    first = events(FIX | changes)[0]
    assert isinstance(first, PositionReported)
    return first


def refused(message: dict[str, object]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        hear(message)
    return caught.value


def test_a_location_is_a_fix_at_its_own_instant() -> None:
    assert events(FIX | {"acc": 8, "cog": 270, "t": "p", "tid": "ap", "batt": 80, "inregions": ["Home"]}) == (
        PositionReported("car-7", TS, Position(8.5, 47.4), 8.0, None, 270.0),
    )


@pytest.mark.parametrize("acc", [{}, {"acc": 0}, {"acc": 0.0}, {"acc": -1}, {"acc": None}])
def test_accuracy_that_is_missing_or_zero_is_unknown_and_the_fix_is_kept(acc: dict[str, object]) -> None:
    assert fix(**acc).accuracy_m is None


def test_accuracy_of_kilometres_passes_through_for_the_tracker_to_judge() -> None:
    assert fix(acc=4_700.5).accuracy_m == 4_700.5


def test_speed_is_heard_in_km_per_hour() -> None:
    position, signals = events(FIX | {"vel": 72})

    assert isinstance(position, PositionReported)
    assert position.speed_mps == pytest.approx(20.0)
    assert signals == SignalsReported("car-7", TS, {"Vehicle.Speed": 72.0})


@pytest.mark.parametrize("vel", [{}, {"vel": -1}, {"vel": -1.0}])
def test_a_speed_of_minus_one_is_unknown_and_not_reversing(vel: dict[str, object]) -> None:
    assert events(FIX | vel) == (PositionReported("car-7", TS, Position(8.5, 47.4)),)


def test_a_tracker_tells_of_ignition_motion_and_fuel() -> None:
    tracked = {"ign": True, "motion": True, "flvl": 43.6, "odometer": 81_000, "rpm": 2_100, "vin": "WAY51DE"}
    assert events(FIX | tracked)[1] == SignalsReported(
        "car-7",
        TS,
        {
            "Vehicle.IsMoving": True,
            "Vehicle.LowVoltageSystemState": "ON",
            "Vehicle.Powertrain.FuelSystem.RelativeLevel": 44,
        },
    )


def test_ignition_off_is_off_and_standing_still_is_no_more_than_that() -> None:
    (_, off) = events(FIX | {"ign": False})
    (_, still) = events(FIX | {"motion": False})

    assert isinstance(off, SignalsReported)
    assert isinstance(still, SignalsReported)
    assert off.signals == {"Vehicle.LowVoltageSystemState": "OFF"}
    assert still.signals == {"Vehicle.IsMoving": False}


@pytest.mark.parametrize("odd", [{"acc": "8"}, {"vel": [1]}, {"ign": 1}, {"flvl": 300}, {"flvl": 1e300}, {"cog": "N"}])
def test_one_odd_sensor_does_not_hide_where_the_car_is(odd: dict[str, object]) -> None:
    said = hear(FIX | odd)

    assert isinstance(said, Said)
    assert said.events == (PositionReported("car-7", TS, Position(8.5, 47.4)),)
    assert said.refused is not None
    assert said.refused.reason == Reason.BAD_VALUE


@pytest.mark.parametrize("name", ["tst", "lat", "lon"])
@pytest.mark.parametrize("value", [None, "1", True, [], {}])
def test_a_location_without_instant_or_place_is_refused(name: str, value: object) -> None:
    assert refused(FIX | {name: value}).reason == Reason.BAD_PAYLOAD


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tst": TS}, Reason.BAD_VALUE),
        ({"tst": 0}, Reason.BAD_VALUE),
        ({"tst": -(10**400)}, Reason.BAD_VALUE),
        ({"lat": 90.1}, Reason.INVALID_POSITION),
        ({"lon": 1e300}, Reason.INVALID_POSITION),
    ],
)
def test_an_instant_or_place_that_cannot_be_is_refused(changes: dict[str, object], reason: Reason) -> None:
    error = refused(FIX | changes)
    assert error.reason == reason
    assert "90.1" not in str(error)


@pytest.mark.parametrize("region", [{"rid": "station"}, {"desc": "station"}, {"rid": "x1", "desc": "station"}])
def test_a_transition_crosses_the_fence_its_region_is_named_after(region: dict[str, object]) -> None:
    assert events(CROSSING | region) == (FenceReported("car-7", TS, entered=("station",)),)
    assert events(CROSSING | region | {"event": "leave"}) == (FenceReported("car-7", TS, exited=("station",)),)


def test_the_id_of_a_region_goes_before_its_description() -> None:
    assert events(CROSSING | {"rid": "cafe", "desc": "station"}) == (FenceReported("car-7", TS, entered=("cafe",)),)


@pytest.mark.parametrize("region", [{"desc": "Home"}, {}, {"rid": ["station"], "desc": 7}])
def test_a_region_that_is_no_fence_is_its_owners_own_business(region: dict[str, object]) -> None:
    assert hear(CROSSING | region, level="/event") == Ignored(IgnoredReason.UNKNOWN_FENCE)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": "pass"}, Reason.BAD_VALUE),
        ({"event": 1}, Reason.BAD_VALUE),
        ({"event": None}, Reason.BAD_VALUE),
        ({"tst": None}, Reason.BAD_PAYLOAD),
    ],
)
def test_a_transition_neither_in_nor_out_is_refused(changes: dict[str, object], reason: Reason) -> None:
    assert refused(CROSSING | {"desc": "station"} | changes).reason == reason


@pytest.mark.parametrize(
    ("told", "distance_m"),
    [
        ({"acc": 1.9, "prox": 2, "rssi": -70}, 1.9),
        ({"acc": -1, "prox": 1}, 0.5),
        ({"prox": 2}, 3.0),
        ({"acc": "x", "prox": 2}, 3.0),
    ],
)
def test_a_beacon_is_as_near_as_its_accuracy_or_proximity_says(told: dict[str, object], distance_m: float) -> None:
    assert events(HEARD | told) == (BeaconSighted("car-7", TS, BEACON, distance_m),)


@pytest.mark.parametrize("told", [{}, {"acc": -1, "prox": 0}, {"prox": 3}, {"prox": True}, {"acc": 0, "prox": 2.0}])
def test_a_beacon_far_or_who_knows_where_says_nothing(told: dict[str, object]) -> None:
    assert hear(HEARD | told, level="/beacon") == Ignored(IgnoredReason.NO_DISTANCE)


@pytest.mark.parametrize(
    "other", [{"minor": 3}, {"uuid": "x"}, {"uuid": None}, {"major": "1"}, {"major": 65_537}, {"minor": 2.0}]
)
def test_a_beacon_of_no_fence_is_a_strangers(other: dict[str, object]) -> None:
    assert hear(HEARD | {"acc": 1} | other) == Ignored(IgnoredReason.UNKNOWN_DEVICE)


def test_a_beacon_heard_at_no_instant_is_refused() -> None:
    assert refused(HEARD | {"acc": 1, "tst": "now"}).reason == Reason.BAD_PAYLOAD


def test_a_will_says_that_the_unit_is_lost_when_it_is_received() -> None:
    assert events({"_type": "lwt", "tst": TST - 86_400}) == (UnitLost("car-7", NOW),)


@pytest.mark.parametrize("kind", ["location", "lwt", "transition"])
def test_what_the_broker_had_kept_is_never_live(kind: str) -> None:
    kept = FIX | {"_type": kind, "event": "enter", "desc": "station"}
    assert hear(kept, retained=True) == Ignored(IgnoredReason.RETAINED)


def test_an_encrypted_message_is_counted_by_itself() -> None:
    assert hear({"_type": "encrypted", "data": "c2VjcmV0"}) == Ignored(IgnoredReason.ENCRYPTED)


@pytest.mark.parametrize(
    "kind", ["waypoint", "waypoints", "steps", "cmd", "card", "configuration", "status", "dump", "not_yet_known", ""]
)
def test_other_types_are_no_fault_of_the_sender(kind: str) -> None:
    assert hear({"_type": kind, "tst": "x", "lat": 47.4, "lon": 8.5}) == Ignored(IgnoredReason.OTHER_TYPE)


@pytest.mark.parametrize("message", [{}, {"_type": None}, {"_type": 1}, {"lat": 1.0, "lon": 2.0, "tst": TST}])
def test_a_message_without_a_type_is_refused(message: dict[str, object]) -> None:
    assert refused(message).reason == Reason.BAD_PAYLOAD
