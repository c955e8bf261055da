"""The native dialect: from VSS signals to events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.core.events import PositionReported, SignalsReported
from gateway.core.units import Position
from gateway.wire import vss
from gateway.wire.payloads import Telemetry
from gateway.wire.telemetry import Translated, translate

TS = 1_760_000_000_000
FIX: dict[str, object] = {vss.LATITUDE: 37.77, vss.LONGITUDE: -122.42}


def translated(signals: dict[str, object]) -> Translated:
    return translate("car-7", Telemetry(ts_ms=TS, signals=signals))


def refused(signals: dict[str, object]) -> InvalidInput:
    """Return what is said of a message in which something is odd."""
    said = translated(signals).refused
    assert said is not None
    return said


def fix_of(signals: dict[str, object]) -> PositionReported:
    event = translated(FIX | signals).events[0]
    assert isinstance(event, PositionReported)
    return event


def test_the_position_comes_before_the_signals_of_its_message() -> None:
    events = translated({vss.SPEED: 0.0, **FIX, "Vehicle.LowVoltageSystemState": "OFF"}).events
    assert [type(event) for event in events] == [PositionReported, SignalsReported]


def test_no_coordinate_stays_among_the_signals() -> None:
    withheld: dict[str, object] = {
        path: "anything" for path, leaf in vss.LEAVES.items() if leaf.use is vss.Use.WITHHELD
    }
    signals = {**FIX, vss.SPEED: 1.0, **withheld}
    events, unknown, count, _ = translated(signals)
    assert events[1] == SignalsReported("car-7", TS, {vss.SPEED: 1.0})
    assert (unknown, count) == (0, len(withheld))


@pytest.mark.parametrize("half", [vss.LATITUDE, vss.LONGITUDE])
def test_half_a_position_is_refused(half: str) -> None:
    said = refused({half: 7.5, vss.SPEED: 1.0})
    assert (said.reason, "half a position" in said.detail) == ("bad_value", True)
    assert translated({half: 7.5, vss.SPEED: 1.0}).events == (SignalsReported("car-7", TS, {vss.SPEED: 1.0}),)


def test_parts_of_a_position_without_coordinates_are_withheld() -> None:
    assert translated({vss.HEADING: 90.0, vss.HORIZONTAL_ACCURACY: 4.0}) == Translated((), 0, 2)


@pytest.mark.parametrize(("lat", "lon"), [(90.1, 0), (-91, 0), (0, 180.5), (0, -181)])
def test_a_position_off_the_earth_is_refused_and_not_repeated(lat: float, lon: float) -> None:
    said = refused({vss.LATITUDE: lat, vss.LONGITUDE: lon})
    assert said.reason == "invalid_position"
    assert str(max(abs(lat), abs(lon))) not in str(said)


@pytest.mark.parametrize(("said", "heard"), [(3.5, 3.5), (4, 4.0), (0, None), (0.0, None), (-1, None)])
def test_an_accuracy_of_nothing_is_unknown(said: float, heard: float | None) -> None:
    assert fix_of({vss.HORIZONTAL_ACCURACY: said}).accuracy_m == heard


@pytest.mark.parametrize(("said", "heard"), [(0, 0.0), (271.5, 271.5), (360, 360.0), (-1, None), (361.0, None)])
def test_a_heading_outside_the_circle_is_unknown(said: float, heard: float | None) -> None:
    assert fix_of({vss.HEADING: said}).heading_deg == heard


@pytest.mark.parametrize(("kmh", "mps"), [(36.0, 10.0), (-3.6, 1.0), (0, 0.0)])
def test_a_fix_has_the_magnitude_of_the_speed_beside_it(kmh: float, mps: float) -> None:
    assert fix_of({vss.SPEED: kmh}).speed_mps == pytest.approx(mps)


def test_a_fix_without_speed_beside_it_has_none() -> None:
    assert fix_of({}) == PositionReported("car-7", TS, Position(-122.42, 37.77))


@pytest.mark.parametrize(
    ("text", "ts"),
    [
        ("2025-10-09T08:53:20Z", TS),
        ("2025-10-09T08:53:20.250Z", TS + 250),
        ("2025-10-09T08:53:20", TS),
        ("2025-10-09T10:53:20+02:00", TS),
        ("20251009T085320Z", TS),
    ],
)
def test_a_fix_has_the_instant_its_receiver_gives(text: str, ts: int) -> None:
    assert fix_of({vss.TIMESTAMP: text}).ts == ts


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-13-01T00:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:01Z", "0001-01-01T00:00+23:59"],
)
def test_a_fix_at_no_instant_is_refused(text: str) -> None:
    said = refused(FIX | {vss.TIMESTAMP: text})
    assert (said.reason, "Timestamp" in said.detail) == ("bad_value", True)
    assert translated(FIX | {vss.TIMESTAMP: text}).events == ()


def test_a_wrong_value_names_its_path_and_not_itself() -> None:
    said = refused({"Vehicle.LowVoltageSystemState": "secret"})
    assert said.detail.startswith("Vehicle.LowVoltageSystemState: expected one of UNDEFINED")
    assert "secret" not in str(said)


def test_one_odd_signal_does_not_hide_that_the_car_drives() -> None:
    driving: dict[str, object] = {"Vehicle.LowVoltageSystemState": "ON", vss.SPEED: 50.0}
    odd = {"Vehicle.Powertrain.FuelSystem.RelativeLevel": 55.5, "Vehicle.LowVoltageSystemState": "ON", vss.SPEED: 50.0}
    said = translated(odd)
    assert said.events == (SignalsReported("car-7", TS, driving),)  # type: ignore[arg-type]
    assert said.refused is not None


def test_unknown_paths_are_counted_and_change_nothing() -> None:
    assert translated({"Vehicle.No.Such.Signal": [{}], "": None, "Vehicle": 1}) == Translated((), 3, 0)


@pytest.mark.parametrize("new_first", [True, False])
def test_a_newer_path_wins_over_its_predecessor_in_either_order(*, new_first: bool) -> None:
    seat = "Vehicle.Cabin.Seat.Row1.Middle"
    pairs: list[tuple[str, object]] = [(f"{seat}.OccupancyStatus", "UNKNOWN"), (f"{seat}.IsOccupied", True)]
    (event,) = translated(dict(pairs if new_first else reversed(pairs))).events
    assert isinstance(event, SignalsReported)
    assert event.signals == {f"{seat}.OccupancyStatus": "UNKNOWN"}


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_every_position_on_earth_is_taken(lat: float, lon: float) -> None:
    assert fix_of({vss.LATITUDE: lat, vss.LONGITUDE: lon}).position == Position(lon, lat)
