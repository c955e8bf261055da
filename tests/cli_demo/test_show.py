"""The table says all of a scene, at any width, with and without a terminal."""

import io

import pytest
from rich.console import Console

from gateway.cli_demo.show import GrowingTable
from simulators.fuel_stop import Scene
from simulators.witness import Decided, Refused, Withdrawn

REFUSED = (
    Refused("insurance", "marketing", "driver_screen", "consent", "no_consent", "no valid consent to offer_display"),
    Refused("car_wash", "marketing", "driver_screen", "consent", "no_consent", "no valid consent to offer_display"),
)
SCENE = Scene(
    "The next stop",
    "Parked, ignition off.",
    ("FenceEntered", "TyrePressureLow"),
    (Decided("d.1", "car-1", ("Parked",), "tyre_pressure", "o.1", "P 0.90, net value +9.00", REFUSED),),
    (Withdrawn("o.0", "winter_tyres", "outranked"),),
    "Safety first.",
)
QUIET = Scene("Nothing", "It is quiet.", (), (), (), "No moment, no decision.")


def shown(*scenes: Scene, width: int = 80, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    with GrowingTable(console) as table:
        for scene in scenes:
            table.begins(scene.title)
            table.ends(scene)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_every_part_of_a_scene_is_there_and_fits(width: int) -> None:
    text = shown(SCENE, width=width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("next", "Parked", "TyrePressureLow", "tyre_pressure", "Safety", "car_wash"):
        assert word in text


def test_the_head_stands_once() -> None:
    assert shown(SCENE, QUIET).count("What happens") == 1


def test_candidates_refused_for_one_reason_are_told_together() -> None:
    text = shown(SCENE, width=132)
    assert text.count("no valid consent") == 1
    assert "not insurance, car_wash: no valid consent" in text


def test_what_was_taken_off_the_screen_is_told() -> None:
    assert "winter_tyres" in shown(SCENE)
    assert "outranked" in shown(SCENE)


def test_a_scene_without_a_decision_says_so() -> None:
    row = next(line for line in shown(QUIET).splitlines() if line.startswith("Nothing"))
    assert row.split()[1:3] == ["-", "-"]


def test_without_a_terminal_there_is_not_one_control_character() -> None:
    assert "\x1b" not in shown(SCENE, QUIET)


def test_on_a_terminal_the_scene_being_played_stands_below_and_goes() -> None:
    text = shown(SCENE, terminal=True)
    assert "\x1b[2K" in text
