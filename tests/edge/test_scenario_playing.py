"""Stories are played as they are told, and what follows is compared as strictly as people would."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from gateway.core.errors import ReleaseError
from gateway.core.events import (
    BeaconSighted,
    ConsentChanged,
    FactsChanged,
    FenceReported,
    ListPrepared,
    PositionReported,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
    UnitRegistered,
)
from gateway.core.fences.geometry import Fence
from gateway.core.state import Scope
from gateway.edge.scenario.casting import KEY
from gateway.edge.scenario.playing import Played, fences_of, play, seen
from gateway.edge.scenario.reading import ScenariosRefused, read_scenario
from gateway.edge.scenario.verifying import Difference
from gateway.testing.stories import GIVEN, STORY, Bookshelf, differences, played, write_story
from gateway.wire.credentials import keyed_hash
from gateway.wire.fences import make_fence

ARRIVES = "story:\n  - arrives: {who: anna}\n"
PARKS = "  - {after: 10 s, signals: {gear: park}"


def heard(story: Played, kind: type) -> list[object]:
    calls = (*story.before, *(call for scene in story.scenes for call in scene.calls))
    return [call.event for call in calls if isinstance(call.event, kind)]


def said(folder: Path, then: str, *, more: str = "") -> list[Difference]:
    """Return the differences of a story in which anna parks, and coffee is offered."""
    return differences(folder, f"{GIVEN}{ARRIVES}{PARKS}, then: {then}}}\n{more}")


def test_a_story_that_comes_true_has_no_difference(tmp_path: Path) -> None:
    assert differences(tmp_path, GIVEN + STORY) == []


def test_an_offer_nobody_expected_is_a_difference_though_no_then_speaks_of_it(tmp_path: Path) -> None:
    (difference,) = differences(tmp_path, f"{GIVEN}{ARRIVES}{PARKS}}}\n")
    assert difference == Difference(11, "offered: nothing", "offered: coffee")


def test_a_then_that_names_no_offer_expects_none(tmp_path: Path) -> None:
    (difference,) = said(tmp_path, "{noticed: Parked}")
    assert (difference.expected, difference.found) == ("offered: nothing", "offered: coffee")


def test_what_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    assert said(tmp_path, "{offered: coffee}", more="  - {after: 1 s, then: {offered: nothing}}\n") == []


def test_what_happened_since_the_last_then_is_judged_together(tmp_path: Path) -> None:
    text = (
        f"{GIVEN}{ARRIVES}{PARKS}}}\n  - {{after: 1 s, then: {{offered: coffee, noticed: [SubjectArrived, Parked]}}}}\n"
    )
    assert differences(tmp_path, text) == []


@pytest.mark.parametrize(
    ("then", "expected", "found"),
    [
        ("{offered: cake}", "offered: cake", "offered: coffee; cake: eligibility: not_eligible"),
        ("{offered: [coffee, cake]}", "offered: coffee, cake", "offered: coffee; cake: eligibility"),
        ("{offered: {together: [coffee, cake]}}", "offered: coffee + cake", "offered: coffee; cake"),
        ("{offered: {action: coffee, on: voice}}", "coffee, on: voice", "driver_screen"),
        ("{offered: {action: coffee, to: guest}}", "coffee, to: guest", "anna"),
        ("{offered: {action: coffee, says: Cold}}", "coffee says 'Cold'", "'Coffee / Fresh and hot. / '"),
        ("{offered: {action: coffee, reward: nothing}}", "coffee, reward: nothing", "A free cup"),
        ("{offered: {action: coffee, reward: cake}}", "coffee, reward: cake", "A free cup"),
        ("{offered: {action: coffee, weighed: {net value: 0.41}}}", "coffee, net value: 0.41", "0.4000"),
        ("{offered: coffee, withdrawn: coffee}", "withdrawn: coffee", "withdrawn: nothing"),
        ("{offered: coffee, noticed: DroveOff}", "DroveOff noticed", "Parked, SubjectArrived"),
        ("{offered: coffee, unnoticed: Parked}", "Parked not noticed", "it was"),
        ("{offered: coffee, not considered: cake}", "cake does not even come up", "eligibility: not_eligible"),
        ("{offered: coffee, refused: {coffee: no_consent}}", "coffee refused: no_consent", "coffee: chosen on driver"),
        ("{offered: coffee, refused: {cake: no_consent}}", "cake refused: no_consent", "cake: eligibility: not_elig"),
        (
            "{offered: coffee, refused: {cake: {stage: consent, reason: not_eligible}}}",
            "cake refused: consent: not_eligible",
            "cake: eligibility",
        ),
        (
            "{offered: coffee, refused: {cake: {reason: not_eligible, with: {expression: x}, on: driver_screen}}}",
            "cake refused: not_eligible with expression = x on driver_screen",
            "expression = ",
        ),
        (
            "{offered: coffee, refused: {cake: {reason: not_eligible, weighed: {propensity: 0.4}}}}",
            "cake, propensity: 0.4",
            "not weighed",
        ),
        ("{offered: coffee, refused: {cake: {reason: not_eligible, on: voice}}}", "on voice", "did not come up"),
    ],
)
def test_each_way_to_be_wrong_is_told_with_what_was_found(tmp_path: Path, then: str, expected: str, found: str) -> None:
    (difference,) = said(tmp_path, then)
    assert difference.line == 11
    assert expected in difference.expected
    assert found in difference.found


def test_a_withdrawal_nobody_expected_is_a_difference(tmp_path: Path) -> None:
    (difference,) = said(tmp_path, "{offered: coffee}", more="  - {after: 1 s, signals: {gear: drive}, then: {}}\n")
    assert (difference.expected, difference.found) == ("withdrawn: nothing", "withdrawn: coffee (drove_off)")


def test_a_withdrawal_is_expected_by_its_reason(tmp_path: Path) -> None:
    more = "  - {after: 1 s, signals: {gear: drive}, then: {withdrawn: {action: coffee, reason: subject_left}}}\n"
    (difference,) = said(tmp_path, "{offered: coffee}", more=more)
    assert (difference.expected, difference.found) == (
        "withdrawn: coffee (subject_left)",
        "withdrawn: coffee (drove_off)",
    )


def test_time_passes_at_its_own_pace_and_its_moments_are_noticed(tmp_path: Path) -> None:
    more = "  - answers: {offer: coffee, with: presented}\n  - {after: 11 min, then: {noticed: OfferIgnored}}\n"
    assert said(tmp_path, "{offered: coffee}", more=more) == []
    story = played(tmp_path, f"{GIVEN}{ARRIVES}{PARKS}}}\n{more}")
    passed = [call for call in story.scenes[-1].calls if call.event is None]
    assert [story.casting.local(call.now).strftime("%H:%M:%S") for call in passed if call.effects] == ["08:10:10"]


def test_times_are_those_of_the_clock_on_the_wall(tmp_path: Path) -> None:
    given = GIVEN.replace("2026-11-19 08:00", "2026-10-24 23:00")
    text = (
        f"{given}story:\n  - {{at: Sun 01:30, arrives: {{who: anna}}}}\n  - {{at: 04:00}}\n  - {{at: 03:00}}\n"
        "  - {at: 2026-11-01 00:00}\n"
    )
    story = played(tmp_path, text)
    shown = [f"{story.casting.local(scene.now):%a %d %H:%M%z}" for scene in story.scenes]
    assert shown == ["Sun 25 01:30+0200", "Sun 25 04:00+0100", "Mon 26 03:00+0100", "Sun 01 00:00+0100"]
    offsets = [event.utc_offset_s for event in heard(story, UnitRegistered) if isinstance(event, UnitRegistered)]
    assert offsets == [7200, 3600]


def test_a_story_does_not_go_back_in_time(tmp_path: Path) -> None:
    with pytest.raises(ScenariosRefused, match=r"story\.yaml:10:1: this is earlier"):
        played(tmp_path, f"{GIVEN}story:\n  - {{at: 2026-11-19 07:00, arrives: {{who: anna}}}}\n")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("answers: {offer: coffee, with: seen}", "no offer of 'coffee' has been made"),
        ("leaves: {who: anna}", "anna is nowhere to leave from"),
        ("moves: {towards: corner}", "says nothing of how near is an `approach`"),
        ("then: {offered: cofee}", "there is no action 'cofee'"),
        ("then: {not considered: tea}", "the release has: cake, coffee"),
    ],
)
def test_what_cannot_be_is_refused_at_its_line(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(ScenariosRefused, match=rf"story\.yaml:10:1: .*{said}"):
        played(tmp_path, f"{GIVEN}story:\n  - {entry}\n")


def test_a_place_of_a_file_can_be_named_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    given = GIVEN.replace("  places:", "  fences: streets.geojson\n  places:")
    story = played(
        tmp_path, f"{given}story:\n  - moves: {{into: station}}\n  - learns: {{about: station, facts: {{a: 1}}}}\n"
    )
    assert [type(moment).__name__ for moment in seen(story.scenes[0].calls).moments] == ["FenceEntered"]
    for entry, said in (
        ("moves: {into: mall}", "no place called 'mall'"),
        ("learns: {about: mall, facts: {a: 1}}", "nothing"),
    ):
        with pytest.raises(ScenariosRefused, match=said):
            played(tmp_path, f"{given}story:\n  - {entry}\n")


def test_where_there_are_several_units_one_has_to_be_named(tmp_path: Path) -> None:
    given = GIVEN.replace("{car-1: {kind: car}}", "{car-1: {kind: car}, car-2: {kind: car}}")
    with pytest.raises(ScenariosRefused, match="say which: car-1, car-2"):
        played(tmp_path, f"{given}story:\n  - signals: {{gear: park}}\n")


def test_a_place_that_is_none_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ScenariosRefused, match=r"story\.yaml:6:1: .*opening_hours"):
        played(tmp_path, GIVEN.replace("kind: cafe", "kind: cafe, open: whenever") + STORY)


def test_a_file_of_places_that_cannot_be_read_is_refused_where_it_is_named(tmp_path: Path) -> None:
    class Torn(Bookshelf):
        def fences(self, path: Path) -> list[Fence]:
            raise ReleaseError(f"{path.name} is torn")

    path = write_story(tmp_path, GIVEN.replace("  places:", "  fences: a.gpkg\n  places:") + STORY)
    with pytest.raises(ScenariosRefused, match=r"story\.yaml:3:1: a\.gpkg is torn"):
        fences_of(path, read_scenario(path).cases[0].given, Torn())


def test_people_are_heard_of_as_units_tell_of_them(tmp_path: Path) -> None:
    given = GIVEN.replace(
        "{agrees to: everything}", "{card: '4711', household: h1, facts: {a: {value: 1, told: 1 h ago}}}"
    )
    text = (
        f"{given}story:\n  - arrives: {{who: anna}}\n  - prepares: {{for: anna, list: {{cake: 0.5}}, holds for: 1 d}}\n"
        "  - leaves: {who: anna}\n  - leaves: {who: guest}\n  - loses: {unit: car-1}\n"
    )
    story = played(tmp_path, text)
    subject = keyed_hash("4711", KEY)
    older, newer = heard(story, FactsChanged)
    assert isinstance(older, FactsChanged)
    assert isinstance(newer, FactsChanged)
    assert (older.subject, older.facts, newer.facts) == (subject, {"a": 1}, {"household": "h1"})
    assert newer.ts - older.ts == 3_600_000
    (arrived,) = heard(story, SubjectIdentified)
    assert isinstance(arrived, SubjectIdentified)
    assert (arrived.subject, arrived.method) == (subject, "card")
    assert {key.item for key in arrived.state if key.scope is Scope.SUBJECT} == {"a", "household"}
    assert story.casting.name_of(subject) == "anna"
    (prepared,) = heard(story, ListPrepared)
    assert isinstance(prepared, ListPrepared)
    assert prepared.valid_until == prepared.ts + 86_400_000
    assert len(heard(story, SubjectLeft)) == 2
    assert len(heard(story, UnitLost)) == 1


def test_who_agrees_has_been_told_of_the_withdrawals_until_then_and_an_older_word_has_not(tmp_path: Path) -> None:
    text = (
        f"{GIVEN}story:\n  - withdraws: {{who: anna, from: profiling}}\n"
        "  - {after: 1 min, agrees: {who: anna, to: profiling, said: 1 h ago}}\n"
        "  - agrees: {who: anna, to: profiling, until: 2026-12-01 00:00}\n"
    )
    story = played(tmp_path, text)
    withdrawn, late, new = heard(story, ConsentChanged)[-3:]
    assert isinstance(withdrawn, ConsentChanged)
    assert isinstance(late, ConsentChanged)
    assert isinstance(new, ConsentChanged)
    assert (late.supersedes, new.supersedes) == ((), (withdrawn.id,))
    assert new.valid_until == story.casting.instant(story.casting.local(new.valid_until or 0).replace(tzinfo=None))


def test_units_move_by_positions_that_surely_mean_what_is_said(tmp_path: Path) -> None:
    given = GIVEN.replace("52.5]", "52.5], approach: 2 km")
    text = (
        f"{given}story:\n  - moves: {{towards: corner}}\n  - {{after: 5 min, moves: {{into: corner}}}}\n"
        "  - {after: 5 min, moves: {out of: corner}}\n  - {after: 5 min, moves: {past: corner}}\n"
        "  - hears: {beacon: b, at: 2 m}\n"
    )
    story = played(tmp_path, text)
    named = [[type(moment).__name__ for moment in seen(scene.calls).moments] for scene in story.scenes]
    assert named == [["FenceApproached"], ["FenceEntered"], ["FenceExited"], ["FencePassedBy"], []]
    assert len(heard(story, PositionReported)) == 3
    assert len(heard(story, FenceReported)) == 1
    assert len(heard(story, BeaconSighted)) == 1


def test_a_unit_comes_into_areas_and_corridors_as_well(tmp_path: Path) -> None:
    square = [[13.0, 52.0], [13.01, 52.0], [13.01, 52.01], [13.0, 52.01], [13.0, 52.0]]
    area = {"type": "Polygon", "coordinates": [square]}
    street = {"type": "LineString", "coordinates": [[13.1, 52.1], [13.2, 52.1]]}

    class Drawn(Bookshelf):
        def fences(self, path: Path) -> list[Fence]:
            del path
            park = make_fence({"id": "park", "kind": "zone"}, shapely.from_geojson(json.dumps(area)))
            lane = make_fence(
                {"id": "street", "kind": "zone", "width_m": 40.0}, shapely.from_geojson(json.dumps(street))
            )
            return [park[0], lane[0]]

    text = GIVEN.replace("  places:", "  fences: drawn.geojson\n  places:") + (
        "story:\n  - moves: {into: park}\n  - {after: 1 h, moves: {out of: park}}\n"
        "  - {after: 1 h, moves: {into: street}}\n  - {after: 1 h, moves: {out of: street}}\n"
    )
    path = write_story(tmp_path, text)
    story = play(path, read_scenario(path).cases[0], Drawn())
    named = [[type(moment).__name__ for moment in seen(scene.calls).moments] for scene in story.scenes]
    assert named == [["FenceEntered"], ["FenceExited"], ["FenceEntered"], ["FenceExited"]]
    middle = heard(story, PositionReported)[2]
    assert isinstance(middle, PositionReported)
    assert (middle.position.lon, middle.position.lat) == pytest.approx((13.15, 52.1))


def test_playing_a_story_twice_gives_the_same_effects(tmp_path: Path) -> None:
    first, second = played(tmp_path), played(tmp_path)
    assert [scene.calls for scene in first.scenes] == [scene.calls for scene in second.scenes]
    assert replace(first.case, line=0) == replace(second.case, line=0)
