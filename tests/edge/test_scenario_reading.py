"""What a scenario file may not say, and what its author is told: file, line, what is wrong, and a hint."""

import re
from datetime import datetime, time
from pathlib import Path

import pytest

from gateway.core.campaign import Placement
from gateway.core.events import Outcome, Purpose
from gateway.edge.scenario.reading import ScenariosRefused, read_scenario
from gateway.edge.scenario.story import Answers, Arrives, At, Consents, Signals, Told
from gateway.edge.scenario.words import HAPPENINGS
from gateway.testing.stories import GIVEN, STORY, write_story

ARRIVES = "story:\n  - arrives: {who: anna}\n"
LINE = GIVEN.count("\n") + 2
"""The line of the story's first entry."""


def story(entry: str) -> str:
    return f"{GIVEN}story:\n  - {entry}\n"


FAULTS = [
    ("", 1, "is empty", ""),
    ("scenario: [", 1, "is no YAML", ""),
    ("- one\n", 1, "a scenario must be a mapping", ""),
    ("scenario: X\nstory: []\n", 1, "a scenario needs 'given'", ""),
    (GIVEN, 1, "a scenario needs 'story'", ""),
    (GIVEN + ARRIVES + "tale: x\n", LINE + 1, "a scenario has no 'tale'", "tells"),
    (GIVEN + ARRIVES + "but: x\n", LINE + 1, "'but' must be a list", ""),
    (GIVEN + ARRIVES + "but:\n  - {case: c}\n", LINE + 2, "a case needs `then` or `story`", "instead"),
    (
        GIVEN + ARRIVES + "but:\n  - {case: c, then: {}, story: []}\n",
        LINE + 2,
        "a story of its own goes without `then`",
        "",
    ),
    (GIVEN.replace("08:00", "8 am") + ARRIVES, 3, "'now' is no time", "write 08:00"),
    (GIVEN.replace("2026-11-19 08", "08") + ARRIVES, 3, "'now' must be a date with a time", "2026"),
    (GIVEN.replace("2026-11-19", "2026-13-19") + ARRIVES, 3, "'now' is no time", ""),
    (GIVEN.replace("Europe/Berlin", "Berlin") + ARRIVES, 4, "is no time zone", "Europe/Berlin"),
    (GIVEN.replace("kind: cafe", "kind: caff") + ARRIVES, 6, "'kind' cannot be 'caff'", "did you mean 'cafe'?"),
    (GIVEN.replace("kind: cafe, ", "") + ARRIVES, 6, "a place needs 'kind'", ""),
    (GIVEN.replace("13.4, 52.5", "52.5") + ARRIVES, 6, "'at' must be longitude and latitude", "[8.5, 47.4]"),
    (GIVEN.replace("at: [", "radius: far, at: [") + ARRIVES, 6, "'radius' must be a distance", "100 m"),
    (GIVEN.replace("units: {car-1: {kind: car}}", "units: car") + ARRIVES, 7, "must be a mapping", ""),
    (GIVEN.replace("car-1:", '"car 1":') + ARRIVES, 7, "'the name' is no name", "letters"),
    (GIVEN.replace("everything", "all") + ARRIVES, 8, "'agrees to' cannot be 'all'", "offer_display"),
    (GIVEN.replace("anna:", "corner:") + ARRIVES.replace("anna", "corner"), 3, "'corner' is the name of two", ""),
    (GIVEN.replace("anna:", "car-1:") + ARRIVES.replace("anna", "car-1"), 3, "'car-1' is the name of two", ""),
    (GIVEN + "story: now\n", LINE - 1, "'story' must be a list", ""),
    (story("come: {who: anna}"), LINE, "an entry of the story has no 'come'", "known are"),
    (story("{at: 08:00, after: 1 s}"), LINE, "'at' and 'after' exclude each other", "keep one"),
    (story("{after: soon}"), LINE, "'after' is no duration", "20 min"),
    (story("{at: Foo 08:00}"), LINE, "'at' is no time", "Wed 17:30"),
    (story("{after: 1 s, after: 2 s}"), LINE, "'after' stands twice", ""),
    (story("arrives: {who: ana}"), LINE, "there is no person called 'ana'", "did you mean 'anna'?"),
    (story("arrives: {who: guest}"), LINE, "there is no person called 'guest'", ""),
    (story("arrives: {who: [anna]}"), LINE, "'who' must be followed by a word", ""),
    (story("arrives: {unit: car-1}"), LINE, "'arrives' needs 'who'", ""),
    (story("arrives: {who: anna, as: pilot}"), LINE, "'as' cannot be 'pilot'", "driver"),
    (story("moves: {unit: car-2, into: corner}"), LINE, "there is no unit called 'car-2'", "car-1"),
    (story("moves: {into: mall}"), LINE, "there is no place called 'mall'", ""),
    (story("moves: {into: corner, past: corner}"), LINE, "a unit moves one way at a time", ""),
    (story("learns: {about: bob, facts: {a: 1}}"), LINE, "no person, place or unit called 'bob'", ""),
    (story("learns: {about: anna, facts: {Size: 1}}"), LINE, "'Size' is no name of a fact", "small letters"),
    (story("learns: {about: anna, facts: {a: yes}}"), LINE, "'a' is 'yes', which may mean two things", "quotes"),
    (story("learns: {about: anna, facts: {a: {value: 1, told: early}}}"), LINE, "'told' must say how long ago", "3 h"),
    (story("learns: {about: anna, facts: 1}"), LINE, "'facts' must be a mapping", ""),
    (story("prepares: {for: anna, list: {coffee: much}}"), LINE, "'coffee' must be a number", ""),
    (story("signals: {ignition: broken}"), LINE, "'ignition' cannot be 'broken'", "it may be: off, on"),
    (story("signals: {speed: 50 mph}"), LINE, "'speed' cannot be '50 mph'", "9 km/h"),
    (story("signals: {fuel: 9 %}"), LINE, "'signals' has no 'fuel'", "fuel"),
    (story("signals: {seats: {pilot: empty}}"), LINE, "there is no seat 'pilot'", "driver"),
    (story("signals: {seats: {driver: warm}}"), LINE, "'driver' cannot be 'warm'", "occupied"),
    (story("signals: {Vehicle.Speed: fast}"), LINE, "'Vehicle.Speed' cannot be 'fast'", "float"),
    (story("hears: {beacon: b, at: near}"), LINE, "'at' must be a distance", ""),
    (story("answers: {offer: coffee, with: liked}"), LINE, "'with' cannot be 'liked'", "did you mean"),
    (story("clock: {is: right}"), LINE, "'is' cannot be 'right'", "sure"),
    (story("then: {offered: {on: voice}}"), LINE, "an offer needs 'action'", ""),
    (story("then: {offered: a b}"), LINE, "'offered' is no name: 'a b'", ""),
    (story("then: {offered: {action: coffee, says: ''}}"), LINE, "'says' is blank", ""),
    (story("then: {withdrawn: {reason: drove_off}}"), LINE, "a withdrawal needs 'action'", ""),
    (story("then: {refused: coffee}"), LINE, "'refused' must be a mapping", ""),
    (story("then: {refused: {coffee: {stage: consent}}}"), LINE, "the refusal of 'coffee' needs 'reason'", ""),
    (story("then: {refused: {coffee: {reason: x, with: {a: no}}}}"), LINE, "'a' is 'no'", ""),
    (story("then: {noticed: Parking}"), LINE, "'noticed' cannot be 'Parking'", "did you mean 'Parked'?"),
    (story("then: {offered: {action: coffee, weighed: {value: high}}}"), LINE, "'value' must be a number", ""),
]


@pytest.mark.parametrize(("text", "line", "said", "hint"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_each_fault_is_told_with_its_line_and_a_hint(
    tmp_path: Path, text: str, line: int, said: str, hint: str
) -> None:
    path = write_story(tmp_path, text)
    with pytest.raises(ScenariosRefused) as refused:
        read_scenario(path)
    problem = next(problem for problem in refused.value.problems if said in problem.message)
    assert (problem.path, problem.line) == (path, line)
    assert hint in problem.hint


def test_all_faults_of_a_file_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = GIVEN.replace("cafe", "caff") + "story:\n  - arrives: {who: ana}\n  - moves: {into: mall}\n"
    with pytest.raises(ScenariosRefused) as refused:
        read_scenario(write_story(tmp_path, text))
    assert [int(line) for line in re.findall(r"story\.yaml:(\d+):", str(refused.value))] == [6, LINE, LINE + 1]


def test_a_file_that_is_not_there_is_said_to_be_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ScenariosRefused, match="cannot be read"):
        read_scenario(tmp_path / "none.yaml")


def test_a_case_changes_one_thing_and_keeps_the_rest(tmp_path: Path) -> None:
    text = (
        GIVEN
        + STORY
        + "but:\n"
        + "  - case: other facts\n"
        + "    given: {zone: UTC, units: {car-1: {language: de}}, people: {anna: {facts: {sweet: true}}}}\n"
        + "    meanwhile: [{after: 1 min, signals: {fuel level: 9 %}}]\n"
        + "    then: {offered: coffee}\n"
    )
    first, case = read_scenario(write_story(tmp_path, text)).cases
    assert (first.given.zone, case.given.zone) == ("Europe/Berlin", "UTC")
    assert case.given.units["car-1"].kind == first.given.units["car-1"].kind
    assert case.given.units["car-1"].language == "de"
    assert case.given.people["anna"].agrees_to == tuple(Purpose)
    assert case.given.people["anna"].facts == {"sweet": Told(value=True)}
    assert len(case.story) == len(first.story) + 1
    assert case.story[-1].happenings == first.story[-1].happenings
    assert case.story[-1].then != first.story[-1].then


def test_a_fact_that_a_case_forgets_was_never_known(tmp_path: Path) -> None:
    given = GIVEN.replace("everything}", "everything, facts: {a: 1, b: 2}}")
    text = given + STORY + "but: [{case: c, given: {people: {anna: {facts: {a: null}}}}, then: {}}]\n"
    case = read_scenario(write_story(tmp_path, text)).cases[1]
    assert case.given.people["anna"].facts == {"b": Told(2)}


def test_words_mean_what_they_say(tmp_path: Path) -> None:
    text = story(
        "\n".join(  # noqa: FLY002 -- one thing a line
            [
                "arrives: {who: anna, by: key}",
                "    at: wed 17:30:05",
                "    signals: {ignition: off, hand brake: on, fuel range: 1.5 km, tyres: summer, arrives in: 2 min}",
                "    agrees: {who: guest, to: profiling, said: 2 h ago, until: 2026-12-01 00:00}",
                "    answers: {offer: coffee, with: [presented, redeemed]}",
                "    learns:",
                "      about: anna",
                "      facts: {a: 1, b: 1.5, c: 'x', d: false, e: null, f: {value: 2, told: 1 d ago}}",
                "    then: {offered: {action: coffee, on: voice}}",
            ]
        )
    )
    (entry,) = read_scenario(write_story(tmp_path, text)).cases[0].story
    arrives, signals, agrees, answers, learns = entry.happenings
    assert entry.at == At(time(17, 30, 5), weekday=2)
    assert isinstance(arrives, Arrives)
    assert arrives.unit is None
    assert isinstance(signals, Signals)
    assert signals.values["Vehicle.LowVoltageSystemState"] == "OFF"
    assert signals.values["Vehicle.Chassis.ParkingBrake.IsEngaged"] is True
    assert signals.values["Vehicle.Powertrain.FuelSystem.Range"] == 1500
    assert signals.values["Wayside.Route.EtaS"] == 120.0
    assert len([path for path in signals.values if path.endswith("WinterStatus")]) == 4
    assert isinstance(agrees, Consents)
    assert (agrees.purposes, agrees.said_ago_ms) == ((Purpose.PROFILING,), 7_200_000)
    assert agrees.until == datetime(2026, 12, 1)  # noqa: DTZ001 -- by the clock on the wall
    assert isinstance(answers, Answers)
    assert answers.outcomes == (Outcome.PRESENTED, Outcome.REDEEMED)
    assert getattr(learns, "facts", None) == {
        "a": Told(1),
        "b": Told(1.5),
        "c": Told("x"),
        "d": Told(value=False),
        "e": Told(None),
        "f": Told(2, 86_400_000),
    }
    assert entry.then is not None
    assert entry.then.offered[0][0].on is Placement.VOICE


def test_what_happens_in_one_entry_happens_in_the_order_it_was_written(tmp_path: Path) -> None:
    words = ["moves: {into: corner}", "arrives: {who: anna}", "hears: {beacon: b, at: gone}"]
    text = story("\n    ".join(words))
    (entry,) = read_scenario(write_story(tmp_path, text)).cases[0].story
    assert [type(happening).__name__ for happening in entry.happenings] == ["Moves", "Arrives", "Hears"]
    assert {"moves", "arrives", "hears"} < HAPPENINGS.keys()
