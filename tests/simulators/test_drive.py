"""A drive is data: where the car is at each second, and what it says."""

import itertools
import math

import pytest

from gateway.wire import vss
from simulators.drive import Frame, Go, Place, Road, Say, Step, Wait, frames

ROAD = Road(((8.0, 47.0), (8.0, 47.01), (8.01, 47.01)))
NORTH_M = 1111.95


def drive(*steps: Step, start: Place | None = None) -> list[Frame]:
    return list(frames(ROAD, start or Place(), steps))


def test_a_road_is_as_long_as_its_straight_parts() -> None:
    assert ROAD.length_m == pytest.approx(NORTH_M * (1 + math.cos(math.radians(47.01))), rel=1e-3)


@pytest.mark.parametrize(
    ("along_m", "point"),
    [
        (-5.0, (8.0, 47.0)),
        (0.0, (8.0, 47.0)),
        (NORTH_M / 2, (8.0, 47.005)),
        (NORTH_M, (8.0, 47.01)),
        (1e6, (8.01, 47.01)),
    ],
)
def test_a_place_on_the_road_is_a_point_and_never_beyond_its_ends(along_m: float, point: tuple[float, float]) -> None:
    assert ROAD.at(along_m) == pytest.approx(point, abs=1e-6)


def test_an_even_drive_is_sampled_every_second() -> None:
    seconds = drive(Go(100.0, 36.0), start=Place(0.0, 36.0))
    assert [round(frame.place.along_m) for frame in seconds] == list(range(10, 101, 10))


def test_braking_ends_exactly_where_and_as_fast_as_it_was_told() -> None:
    seconds = drive(Go(60.0, 0.0), start=Place(0.0, 40.0))
    assert seconds[-1].place == Place(60.0, 0.0)
    assert seconds[-1].signals[vss.SPEED] == 0.0


def test_a_car_that_brakes_never_goes_back_and_gets_slower_all_the_way() -> None:
    places = [frame.place for frame in drive(Go(60.0, 0.0), start=Place(0.0, 40.0))]
    assert all(a.along_m < b.along_m and a.kmh > b.kmh for a, b in itertools.pairwise(places))


def test_a_car_that_waits_says_so_every_second_from_the_same_place() -> None:
    assert drive(Wait(3), start=Place(50.0, 0.0)) == [drive(Wait(1), start=Place(50.0, 0.0))[0]] * 3


def test_what_is_to_be_said_is_said_once() -> None:
    gear = "Vehicle.Powertrain.Transmission.SelectedGear"
    seconds = drive(Say({gear: 126}), Wait(2))
    assert [frame.signals.get(gear) for frame in seconds] == [126, None, None]


def test_every_second_says_where_and_how_fast() -> None:
    wanted = {vss.LATITUDE, vss.LONGITUDE, vss.SPEED}
    assert all(wanted <= set(frame.signals) for frame in drive(Say({}), Go(30.0, 20.0), Wait(1)))


@pytest.mark.parametrize("step", [Go(10.0, 0.0), Go(-1.0, 10.0), Go(0.0, 10.0)])
def test_what_cannot_be_driven_is_refused(step: Step) -> None:
    with pytest.raises(ValueError, match="cannot drive"):
        drive(step)
