"""The signals in use, against the tree COVESA publishes, and the checks of their values."""

import gzip
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.context import DURABLE_SIGNALS
from gateway.core.drive import EVIDENCE
from gateway.wire import vss
from gateway.wire.vss import COORDINATE_PATHS, LEAVES, Leaf, Use, check_of

SPECIFICATION = Path(__file__).parents[3] / "shared/data/devices/vss/vss_release_6.0.json.gz"

BEYOND_VSS_6 = {
    path
    for path in LEAVES
    if path.startswith("Wayside.") or path.endswith((".IsOccupied", ".WinterStatus")) or ".Row3." in path
}


def leaves_of(tree: dict[str, dict[str, object]], prefix: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    for name, node in tree.items():
        children = node.get("children")
        if isinstance(children, dict):
            yield from leaves_of(children, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", node


@pytest.mark.realdata
def test_every_signal_is_as_vss_6_has_it() -> None:
    if not SPECIFICATION.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{SPECIFICATION} is missing")
        pytest.skip(f"{SPECIFICATION} is missing")
    published = dict(leaves_of(json.loads(gzip.decompress(SPECIFICATION.read_bytes()))))
    assert BEYOND_VSS_6.isdisjoint(published)
    for path in LEAVES.keys() - BEYOND_VSS_6:
        leaf, node = LEAVES[path], published[path]
        assert (leaf.datatype, leaf.unit) == (node["datatype"], node.get("unit", "")), path
        assert list(leaf.allowed) == node.get("allowed", []), path


def test_the_engine_can_be_told_every_signal_it_decides_by() -> None:
    heard = {path for path, leaf in LEAVES.items() if leaf.use is Use.SIGNAL}
    assert DURABLE_SIGNALS | EVIDENCE.keys() | {vss.SPEED} <= heard


def test_no_coordinate_is_a_plain_signal() -> None:
    assert {p for p in LEAVES if p.endswith(("Latitude", "Longitude", "Altitude", "Polyline"))} <= COORDINATE_PATHS


@pytest.mark.parametrize(
    ("path", "value", "taken"),
    [
        ("Vehicle.IsMoving", True, True),
        ("Vehicle.Speed", 43.5, 43.5),
        ("Vehicle.Speed", 43, 43.0),
        ("Vehicle.Speed", -0.0, -0.0),
        ("Vehicle.Powertrain.Transmission.SelectedGear", 126, 126),
        ("Vehicle.Powertrain.Transmission.SelectedGear", 126.0, 126),
        ("Vehicle.Powertrain.Transmission.SelectedGear", -128, -128),
        ("Vehicle.Powertrain.FuelSystem.Range", 4_294_967_295, 4_294_967_295),
        ("Vehicle.LowVoltageSystemState", "LOCK", "LOCK"),
        ("Vehicle.Cabin.Seat.Row1.DriverSide.IsOccupied", True, "OCCUPIED"),
        ("Vehicle.Cabin.Seat.Row1.DriverSide.IsOccupied", False, "EMPTY"),
        ("Vehicle.CurrentLocation.Timestamp", "2025-10-09T08:53:20Z", "2025-10-09T08:53:20Z"),
    ],
)
def test_a_value_of_the_signals_own_is_taken(path: str, value: object, taken: object) -> None:
    answer = check_of(LEAVES[path])(value)
    assert (answer, type(answer)) == (taken, type(taken))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Vehicle.IsMoving", 1),
        ("Vehicle.IsMoving", "true"),
        ("Vehicle.IsMoving", None),
        ("Vehicle.Speed", True),
        ("Vehicle.Speed", "43"),
        ("Vehicle.Speed", math.nan),
        ("Vehicle.Speed", math.inf),
        ("Vehicle.Speed", 10**400),
        ("Vehicle.Speed", [43]),
        ("Vehicle.Powertrain.Transmission.SelectedGear", True),
        ("Vehicle.Powertrain.Transmission.SelectedGear", 126.5),
        ("Vehicle.Powertrain.Transmission.SelectedGear", 128),
        ("Vehicle.Powertrain.Transmission.SelectedGear", math.inf),
        ("Vehicle.Powertrain.Transmission.SelectedGear", math.nan),
        ("Vehicle.Powertrain.FuelSystem.Range", -1),
        ("Vehicle.LowVoltageSystemState", "lock"),
        ("Vehicle.LowVoltageSystemState", ""),
        ("Vehicle.LowVoltageSystemState", {}),
        ("Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus", True),
        ("Vehicle.Cabin.Seat.Row1.DriverSide.IsOccupied", "OCCUPIED"),
        ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.WinterStatus", "SUMMER"),
        ("Vehicle.CurrentLocation.Timestamp", "x" * 257),
    ],
)
def test_a_value_that_is_not_the_signals_own_is_not_taken(path: str, value: object) -> None:
    assert check_of(LEAVES[path])(value) is None


def test_every_older_path_is_heard_under_one_that_is_known() -> None:
    assert all(isinstance(LEAVES.get(successor), Leaf) for successor in vss.SUCCESSORS.values())


@pytest.mark.parametrize(
    ("value", "taken"), [("station-7", "station-7"), ("", None), ("the corner of 5th", None), ("a/b", None), (7, None)]
)
def test_the_fence_a_route_ends_in_is_an_id(value: object, taken: object) -> None:
    assert check_of(LEAVES["Wayside.Route.Fence"])(value) == taken
