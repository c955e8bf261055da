import shapely

from gateway.core import nearest
from gateway.core.campaign import Nearest
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence, centre_of
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Position
from gateway.testing.engines import CAR, a_release
from gateway.testing.samples import T0

WANTED = Nearest("bank", "atm_working")


def bank(id_: str, lon: float, kind: str = "bank") -> Fence:
    return Fence(id_, kind, id_.title(), Circle(Position(lon, 47.0), 50.0))


class Street:
    """A street of banks, in the first of which the unit is."""

    def __init__(self, *more: Fence) -> None:
        self.release: Release = a_release(fences=[bank("here", 8.0), bank("near", 8.01), bank("far", 8.02), *more])
        self.memory = Memory()
        self.enters("here")

    def enters(self, fence: str) -> None:
        visit = {"since": T0, "dwelled": False, "kind": self.release.fences[fence].kind}
        self.memory.put(StateKey(Scope.UNIT, CAR, "fence", fence), visit)

    def works(self, fence: str, *, value: object = True, until: int | None = None) -> None:
        known = {"value": value, "ts": T0, "until": until}
        self.memory.put(StateKey(Scope.FENCE, fence, "fact", "atm_working"), known)

    def found(self) -> str | None:
        nearby = nearest.find(self.memory, self.release, CAR, WANTED, T0)
        return None if nearby is None else nearby.fence.id


def test_the_nearest_place_that_works_is_found_with_its_distance() -> None:
    street = Street()
    street.works("near")
    street.works("far")
    nearby = nearest.find(street.memory, street.release, CAR, WANTED, T0)
    assert nearby is not None
    assert nearby.fence.id == "near"
    assert 755 < nearby.distance_m < 765


def test_what_does_not_work_or_is_not_known_to_is_passed_over() -> None:
    street = Street(bank("shop", 8.001, "store"), bank("old", 8.002), bank("text", 8.003))
    street.works("near", value=False)
    street.works("shop")
    street.works("old", until=T0)
    street.works("text", value="yes")
    assert street.found() is None
    street.works("far")
    assert street.found() == "far"


def test_the_place_one_is_in_is_not_meant() -> None:
    street = Street()
    street.works("here")
    assert street.found() is None


def test_a_place_that_the_release_does_not_have_is_not_meant() -> None:
    street = Street()
    street.works("gone")
    assert street.found() is None


def test_who_is_in_no_fence_is_nowhere_to_measure_from() -> None:
    street = Street()
    street.works("near")
    street.memory.drop(StateKey(Scope.UNIT, CAR, "fence", "here"))
    assert street.found() is None


def test_of_two_places_as_near_the_first_by_name_is_taken() -> None:
    street = Street(bank("b", 8.005), bank("a", 8.005))
    street.works("b")
    street.works("a")
    assert street.found() == "a"


def test_every_shape_has_a_middle() -> None:
    square = shapely.box(8.0, 47.0, 8.2, 47.2)
    line = shapely.LineString([(8.0, 47.0), (8.2, 47.0)])
    for shape, lat in ((Circle(Position(8.1, 47.1), 5.0), 47.1), (Area(square), 47.1), (Corridor(line, 10.0), 47.0)):
        middle = centre_of(shape)
        assert (round(middle.lon, 9), round(middle.lat, 9)) == (8.1, lat)
