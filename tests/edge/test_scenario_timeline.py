"""A story that was played reads as it was told."""

from pathlib import Path

import pytest

from gateway.edge.scenario import schema
from gateway.edge.scenario.timeline import as_json, lines
from gateway.edge.scenario.verifying import verify
from gateway.testing.stories import GIVEN, STORY, played

TOLD = """\
  Thu 19 Nov 2026, Europe/Berlin
  given: car-1 is a car
  given: corner is a cafe
  given: anna agrees to location_triggers, profiling, offer_display, cloud_sync, model_training, third_party
  08:00:00 anna arrives at car-1
           noticed: SubjectArrived (anna, driver, app)
  08:00:10 the unit signals: gear park
           noticed: Parked
           OFFERED at car-1, driver_screen, to anna: coffee, 'Coffee'
               'Fresh and hot.', reward: A free cup
               P 0.500 x C 1 x V 1 x L 1 - (1 - P) x A 0.2 = 0.400
           not cake on driver_screen: eligibility: not eligible: "sweet" in facts with facts = personal
           as expected
  08:00:20 coffee is presented, says car-1
           recorded: coffee presented
  08:01:20 the unit signals: gear drive
           noticed: DroveOff
           WITHDRAWN at car-1: coffee (drove_off)
           DIFFERENT, line 17
               expected  withdrawn: nothing
               found     withdrawn: coffee (drove_off)
  Fri 20 Nov 2026
  08:01:20 nothing else happens
           as expected
"""

MORE = """\
  - {after: 10 s, answers: {offer: coffee, with: presented, unit: car-1}}
  - after: 1 min
    signals: {gear: drive}
    then: {}
  - {after: 1 d, then: {}}
"""


def test_the_timeline_says_when_what_and_why(tmp_path: Path) -> None:
    story = played(tmp_path, GIVEN + STORY.replace("signals: {unit: car-1,", "signals: {") + MORE)
    assert "\n".join(lines(story, verify(story))) + "\n" == TOLD


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("arrives: {who: anna, unit: car-1, as: driver, by: key}", "anna arrives at car-1 as driver, known by key"),
        ("leaves: {who: guest, unit: car-1}", "guest leaves car-1"),
        ("moves: {into: corner}", "the unit moves into corner"),
        ("hears: {beacon: b, at: 2.5 m}", "the unit hears b at 2.5 m"),
        ("hears: {unit: car-1, beacon: b, at: gone}", "car-1 hears b no longer"),
        (
            "agrees: {who: anna, to: profiling, until: 2026-12-01 00:00, said: 90 s ago}",
            "anna agrees to profiling until 2026-12-01 00:00, said 90 s ago",
        ),
        ("withdraws: {who: guest, from: offer_display}", "guest withdraws from offer_display"),
        (
            "learns: {about: anna, facts: {a: {value: true, told: 2 h ago}, b: null, c: x}}",
            "it becomes known of anna: a = yes (2 h old), b = no longer known, c = x",
        ),
        ("prepares: {for: anna, list: {cake: 0.5}}", "the centre has prepared a list for anna: cake 0.5"),
        ("loses: {unit: car-1}", "car-1 is no longer connected"),
        ("clock: {is: suspect}", "the gateway's clock cannot be believed"),
        ("clock: {is: sure}", "the gateway knows the time"),
        ("signals: {seats: {rear left: occupied}}", "the unit signals: rear left's seat occupied"),
    ],
)
def test_what_happens_is_said_in_plain_words(tmp_path: Path, entry: str, told: str) -> None:
    story = played(tmp_path, f"{GIVEN}story:\n  - {entry}\n")
    assert f"  08:00:00 {told}" in list(lines(story, verify(story)))


def test_what_is_given_is_told_with_what_is_known(tmp_path: Path) -> None:
    given = (
        GIVEN.replace("{kind: cafe,", "{kind: cafe, tags: partner, facts: {open: true},")
        .replace("{kind: car}", "{kind: car, shows offers to guests: true, facts: {rented: 3}}")
        .replace("everything}", "profiling, agrees until: 2026-12-01 00:00, facts: {a: {value: 1, told: 3 d ago}}}")
    )
    story = played(tmp_path, given + "story:\n  - arrives: {who: anna}\n")
    told = list(lines(story, verify(story)))
    assert "  given: car-1 is a car, its owner shows offers to guests; known: rented = 3" in told
    assert "  given: corner is a cafe, partner; known: open = yes" in told
    assert "  given: anna agrees to profiling until 2026-12-01 00:00; known: a = 1 (3 d old)" in told


def test_an_event_that_is_refused_or_ignored_says_so(tmp_path: Path) -> None:
    text = GIVEN.replace("{car-1: {kind: car}}", "{car-1: {kind: car}, till: {kind: kiosk}}") + STORY
    more = (
        "  - answers: {offer: coffee, with: seen, unit: till}\n  - answers: {offer: coffee, with: [seen, presented]}\n"
    )
    story = played(tmp_path, text + more)
    told = "\n".join(lines(story, verify(story)))
    assert "refused to hear it: not_shown_here" in told
    assert "ignored: outcome_not_ahead" in told


def test_for_scripts_each_scene_has_its_line_its_time_and_its_differences(tmp_path: Path) -> None:
    story = played(tmp_path, GIVEN + STORY + MORE)
    scenes = as_json(story, verify(story))
    assert [scene["line"] for scene in scenes] == [10, 11, 14, 15, 18]
    assert scenes[1]["at"] == "2026-11-19T08:00:10+01:00"
    assert scenes[3]["differences"] == [
        {"line": 17, "expected": "withdrawn: nothing", "found": "withdrawn: coffee (drove_off)"}
    ]
    assert scenes[0]["differences"] == []


def test_the_schema_names_each_word_and_what_it_means() -> None:
    described = schema.schema()
    properties = described["properties"]
    assert isinstance(properties, dict)
    assert set(properties) == {"scenario", "tells", "given", "story", "but"}
    assert properties["tells"]["description"] == "The story in plain words."
    assert described["required"] == ["scenario", "given", "story"]
