import json
from dataclasses import replace

from gateway.core.effects import (
    DecisionRecorded,
    EventIgnored,
    EventRefused,
    MomentNoticed,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.events import FenceReported, Outcome, OutcomeReported, PositionReported, SignalsReported
from gateway.core.moments import FenceEntered, FenceExited, Parked
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.edge.replay.report import Choice, Comparison, ReplayReport, choice_of, utc
from gateway.testing.engines import a_fence, a_release
from gateway.testing.samples import T0, make_decision, make_offer

RELEASE = a_release(fences=[a_fence()])
FIX = PositionReported("car-1", T0, Position(-122.3, 47.6))
OFF = SignalsReported("car-1", T0, {"Vehicle.LowVoltageSystemState": "OFF"})
KEY = StateKey(Scope.UNIT, "car-1", "drive")


def a_report() -> ReplayReport:
    """Return a report of four calls in which everything that is counted happens."""
    report = ReplayReport("release-1", journals=1, recorded_with={"release-0"}, torn=1, passed_over=1, took_s=0.5)
    entered = MomentNoticed(FenceEntered("car-1", T0, "station", "fuel_station"))
    exited = MomentNoticed(FenceExited("car-1", T0, "station", "fuel_station", "left"))
    decision = DecisionRecorded(make_decision())
    silence = DecisionRecorded(replace(make_decision(), chosen=None))
    report.observe(T0, FIX, [StateChanged(KEY, None), entered, exited], RELEASE)
    report.observe(T0, FIX, [EventIgnored("car-1", T0, "late_fix")], RELEASE)
    parked = MomentNoticed(Parked("car-1", T0, (), ()))
    report.observe(T0 + 1, OFF, [parked, decision, silence, OfferMade(make_offer())], RELEASE)
    report.observe(T0 + 2, None, [OfferWithdrawn("o", "car-1", T0, "drove_off")], RELEASE)
    outcome = OutcomeReported("car-1", T0, "i", "o", Outcome.SEEN)
    report.observe(T0 + 3, outcome, [EventRefused("car-1", T0, "unknown_offer")], RELEASE)
    report.observe(T0 + 4, outcome, [OutcomeRecorded("i", "o", "car-1", T0, Outcome.SEEN, "")], RELEASE)
    report.observe(T0 + 5, FenceReported("car-2", T0, ("station", "elsewhere"), ("nowhere",)), [], RELEASE)
    return report


def test_every_effect_is_counted_where_it_belongs() -> None:
    report = a_report()
    assert (report.fixes, report.rejected, report.fixes_per_s) == (2, {"late_fix": 1}, 4.0)
    assert report.not_taken == {("OutcomeReported", "unknown_offer"): 1}
    crossings = report.crossings["fuel_station"]
    assert (crossings.entered, crossings.exited) == (1, 1)
    assert report.moments == {"FenceEntered": 1, "FenceExited": 1, "Parked": 1}
    assert (report.decisions, report.silences, report.offers) == (2, 1, {"pastry": 1})
    assert report.refusals == {("consent", "no_consent"): 2}
    assert (report.withdrawn, report.outcomes) == ({"drove_off": 1}, {"seen": 1})
    assert (report.first, report.last, report.units) == (T0, T0 + 5, {"car-1", "car-2"})
    assert report.strange_fences == {"elsewhere", "nowhere"}


def test_the_report_tells_people_one_fact_a_line() -> None:
    lines = [" ".join(line.split()) for line in a_report().lines()]
    for fact in (
        "release release-1; 1 journals, recorded with release-0",
        "units car-1, car-2",
        "fixes 2 read, 1 rejected: late_fix 1",
        "not taken: OutcomeReported unknown_offer 1",
        "crossings fuel_station: entered 1, exited 1",
        "moments 3: FenceEntered 1, FenceExited 1, Parked 1",
        "decisions 2: 1 offers, 1 silences",
        "offered: pastry 1",
        "refused: consent no_consent 2",
        "withdrawn: drove_off 1",
        "outcome: seen 1",
        "warning 2 fences are reported that the release does not have",
        "warning 1 activations of releases not given were passed over",
        "warning 1 journals end in the middle of a line",
        "took 0.50 s, 4 fixes/s",
    ):
        assert fact in lines


def test_the_report_for_scripts_is_json_and_holds_the_same() -> None:
    told = json.loads(json.dumps(a_report().to_json()))
    assert told["rejected"] == {"late_fix": 1}
    assert told["crossings"] == {"fuel_station": {"entered": 1, "exited": 1}}
    assert told["refusals"] == {"consent": {"no_consent": 2}}
    assert told["not_taken"] == {"OutcomeReported": {"unknown_offer": 1}}
    assert (told["decisions"], told["offers"], told["silences"]) == (2, {"pastry": 1}, 1)
    assert (told["first_ms"], told["last_ms"], told["fixes_per_s"]) == (T0, T0 + 5, 4)
    assert told["against"] is None


def test_a_report_of_nothing_can_be_told() -> None:
    report = ReplayReport("release-1")
    assert "units       none" in list(report.lines())
    assert report.to_json()["first_ms"] is None
    assert report.fixes_per_s == 0.0


PASTRY = Choice("pastry", (("pastry", "driver_screen", ""), ("tyres", "voice", "consent no_consent")), (0.5, None))
SILENCE = Choice(None, (("pastry", "driver_screen", "arbitration silence_is_better"),), (0.1,))
HERE = (T0, "car-1")


def compared(here: Choice | None, there: Choice | None) -> Comparison:
    comparison = Comparison("release-2")
    comparison.add("one.jsonl", {HERE: [here]} if here else {}, {HERE: [there]} if there else {})
    return comparison


def test_a_choice_keeps_what_two_replays_can_share() -> None:
    other_id = replace(make_decision(2), id="d.elsewhere.e9.7", context={})
    assert choice_of(make_decision()) == choice_of(other_id) == PASTRY


def test_decisions_differ_by_the_first_thing_that_differs() -> None:
    likelier = PASTRY._replace(propensities=(0.75, None))
    uneligible = PASTRY._replace(verdicts=(PASTRY.verdicts[0], ("tyres", "voice", "eligibility not_eligible")))
    assert compared(PASTRY, PASTRY).same == 1
    assert compared(PASTRY, None).kinds == {"only_here": 1}
    assert compared(None, PASTRY).kinds == {"only_there": 1}
    assert compared(PASTRY, SILENCE).kinds == {"choice": 1}
    assert compared(PASTRY, uneligible).kinds == {"reasons": 1}
    assert compared(PASTRY, likelier).kinds == {"propensity": 1}
    assert compared(PASTRY, likelier).largest_propensity_difference == 0.25


def test_several_decisions_of_one_instant_are_compared_in_order() -> None:
    comparison = Comparison("release-2")
    comparison.add("one.jsonl", {HERE: [PASTRY, SILENCE]}, {HERE: [PASTRY]})
    assert (comparison.same, comparison.kinds) == (1, {"only_here": 1})


def test_only_the_first_differences_are_kept_and_all_are_counted() -> None:
    comparison = Comparison("release-2")
    here = {(T0 + number, "car-1"): [PASTRY] for number in range(9)}
    comparison.add("one.jsonl", here, {})
    assert comparison.kinds == {"only_here": 9}
    assert [one.at - T0 for one in comparison.first] == [0, 1, 2, 3, 4]


def test_a_comparison_tells_people_what_and_why() -> None:
    comparison = compared(PASTRY, SILENCE)
    comparison.add("two.jsonl", {}, {HERE: [PASTRY]})
    text = "\n".join(ReplayReport("release-1", comparison=comparison).lines())
    assert "release-2: 0 decisions alike, 2 not: choice 1, only_there 1" in text
    assert "here  pastry (tyres on voice: consent no_consent)" in text
    assert "there silence (pastry on driver_screen: arbitration silence_is_better)" in text
    assert "here  no decision" in text


def test_a_comparison_for_scripts_is_json() -> None:
    told = json.loads(json.dumps(ReplayReport("r", comparison=compared(PASTRY, None)).to_json()))["against"]
    assert (told["release"], told["same"], told["different"]) == ("release-2", 0, {"only_here": 1})
    assert told["first"][0]["here"]["chosen"] == "pastry"
    assert told["first"][0]["there"] is None


def test_an_instant_is_told_to_the_millisecond_where_it_has_any() -> None:
    assert utc(1_211_025_600_000) == "2008-05-17T12:00:00Z"
    assert utc(1_211_025_600_007) == "2008-05-17T12:00:00.007Z"
