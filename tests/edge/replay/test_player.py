import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.campaign import Placement
from gateway.core.effects import Effect, FixTold, OfferMade, Verdict
from gateway.core.errors import InvalidInput
from gateway.core.events import (
    Event,
    FactsChanged,
    FenceReported,
    PositionReported,
    Role,
    SignalsReported,
    SubjectIdentified,
    UnitLost,
)
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.scoring import Scorer
from gateway.core.state import StateKey
from gateway.core.units import Instant, Position
from gateway.edge.replay.player import Rival, Step, play, replay
from gateway.edge.replay.scores import NotReplayable
from gateway.testing.engines import (
    CAR,
    STATION,
    FixedScorer,
    a_car,
    a_fence,
    a_release,
    agreement,
    an_action,
    decisions_in,
)
from gateway.testing.samples import T0
from gateway.testing.worlds import SUBJECTS, HabitScorer, Journal, everything_agreed, journeys, world
from gateway.wire.journal import BadJournal
from gateway.wire.journal_lines import (
    ActivationLine,
    EventLine,
    HeaderLine,
    Level,
    Line,
    ScoresLine,
    StateLine,
    TornLine,
)
from tests.edge.replay.recording import Doing, Run, run

WORLD = world()
NEXT_WORLD = compile_release(
    "next-world",
    2,
    [fence for fence in WORLD.fences.values() if fence.id == "station"],
    [replace(action, value=action.value * 3) for action in WORLD.actions.values() if action.id != "tyres"],
    WORLD.models.values(),
)
ALL_AGREED = {key: value for subject in SUBJECTS for key, value in everything_agreed(subject).items()}
LEDGERS = st.sampled_from([{}, ALL_AGREED])


def effects_of(lines: Iterable[Line], *releases: Release, scorer: Scorer | None = None) -> list[Effect]:
    return [effect for step in play(lines, releases or (WORLD,), scorer) for effect in step.effects]


def busy(journal: Journal, gaps: Sequence[int]) -> list[tuple[Instant, Doing]]:
    """Return a journey on which the engine is woken before some events, and given the other release before some."""
    doings: list[tuple[Instant, Doing]] = []
    releases = [NEXT_WORLD, WORLD]
    for number, (now, event) in enumerate(journal):
        if number >= 2 and number % 7 in gaps:
            doings.append((now, None if number % 2 else releases[len(doings) % 2]))
        doings.append((now, event))
    return doings


GAPS = st.lists(st.integers(0, 6), max_size=3)


@given(journeys(), LEDGERS, GAPS)
def test_a_raw_journal_replays_to_the_same_effects_bit_for_bit(
    journal: Journal, agreed: Mapping[StateKey, object], gaps: list[int]
) -> None:
    lived = run(WORLD, busy(journal, gaps), HabitScorer(), state=agreed)
    assert effects_of(lived.lines[Level.RAW], WORLD, NEXT_WORLD) == lived.effects


@given(journeys(), LEDGERS, GAPS)
def test_both_levels_replay_to_the_same_decisions(
    journal: Journal, agreed: Mapping[StateKey, object], gaps: list[int]
) -> None:
    lived = run(WORLD, busy(journal, gaps), HabitScorer(), state=agreed)
    raw, moments = (decisions_in(effects_of(lived.lines[level], WORLD, NEXT_WORLD)) for level in Level)
    assert raw == moments == decisions_in(lived.effects)


@given(journeys(), LEDGERS, st.integers(0, 100))
def test_a_journal_goes_on_from_the_state_it_begins_with(
    journal: Journal, agreed: Mapping[StateKey, object], percent: int
) -> None:
    assume(journal)
    cut = max(2, len(journal) * percent // 100)
    before = run(WORLD, journal[:cut], HabitScorer(), state=agreed)
    began = journal[cut - 1][0]
    after = run(WORLD, journal[cut:], HabitScorer(), state=before.state, began=began)
    assert isinstance(after.lines[Level.RAW][1], StateLine)
    assert effects_of(after.lines[Level.RAW]) == after.effects


@given(journeys(), LEDGERS)
def test_asking_the_same_models_anew_changes_nothing(journal: Journal, agreed: Mapping[StateKey, object]) -> None:
    lived = run(WORLD, journal, HabitScorer(), state=agreed)
    assert effects_of(lived.lines[Level.RAW], scorer=HabitScorer()) == lived.effects


OFF: SignalsReported = SignalsReported(CAR, T0, {"Vehicle.LowVoltageSystemState": "OFF"})
TASTE = ModelSpec("taste", "1", ("visits_bar",), ("bar",))
PASTRY = replace(
    an_action("pastry", placements=(Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN)),
    prior=None,
    model="taste",
    category="bar",
)
RELEASE = a_release(fences=[a_fence()], actions=[PASTRY], models=[TASTE])


def known(subject: str, role: Role, visits: float) -> list[Event]:
    return [
        SubjectIdentified(CAR, T0, f"i-{subject}", subject, role),
        FactsChanged(CAR, T0, subject, {"visits_bar": visits}),
        *agreement(subject),
    ]


def a_stop(*people: Event, scorer: Scorer | None = None, release: Release = RELEASE) -> Run:
    """Return a run in which a car drives into the station and switches off, a second after each other."""
    events: list[Event] = [a_car(), *people, PositionReported(CAR, T0, STATION), OFF]
    times = range(T0, T0 + 1000 * len(events), 1000)
    late = [(now, replace(event, ts=now)) for now, event in zip(times, events, strict=True)]
    return run(release, late, scorer or FixedScorer(0.25))


class VisitsScorer:
    """Answers with the one feature it is asked."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        del model
        return [row[0] for row in rows]


class BrokenScorer:
    """Answers, but not always with a probability."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        del model
        return [math.nan, *(0.5 for _ in rows[1:])]


def verdicts_of(lived: Run) -> tuple[Verdict, ...]:
    (decision,) = decisions_in(lived.effects)
    return decision.verdicts


@pytest.mark.parametrize("level", Level)
def test_two_people_at_two_placements_keep_their_own_scores(level: Level) -> None:
    people = [*known("s.anna", Role.DRIVER, 0.3), *known("s.ben", Role.PASSENGER, 0.6)]
    lived = a_stop(*people, scorer=VisitsScorer())
    assert [verdict.propensity for verdict in verdicts_of(lived)] == [0.3, 0.6]
    assert decisions_in(effects_of(lived.lines[level], RELEASE)) == decisions_in(lived.effects)


def test_a_model_that_failed_fails_again_for_the_same_reason() -> None:
    lived = a_stop(*known("s.anna", Role.DRIVER, 1.0), scorer=FixedScorer(failing=["taste"]))
    refusal = verdicts_of(lived)[0].refusal
    assert refusal is not None
    assert refusal.reason == "model_unavailable"
    assert effects_of(lived.lines[Level.RAW], RELEASE) == lived.effects


def test_an_answer_that_was_no_probability_is_none_again() -> None:
    people = [*known("s.anna", Role.DRIVER, 0.3), *known("s.ben", Role.PASSENGER, 0.6)]
    lived = a_stop(*people, scorer=BrokenScorer())
    assert [verdict.propensity for verdict in verdicts_of(lived)] == [None, 0.5]
    assert effects_of(lived.lines[Level.RAW], RELEASE) == lived.effects


ANNA = known("s.anna", Role.DRIVER, 1.0)
OTHER = a_release("release-2", fences=[a_fence()], actions=[PASTRY], models=[TASTE])
PRIOR_ONLY = a_release("priors", fences=[a_fence()], actions=[an_action("pastry")])


def lines_without(kind: type[Line], lived: Run) -> list[Line]:
    return [line for line in lived.lines[Level.RAW] if not isinstance(line, kind)]


def test_scores_that_are_missing_are_an_error_unless_the_models_are_asked() -> None:
    lines = lines_without(ScoresLine, a_stop(*ANNA))
    with pytest.raises(NotReplayable, match="rescore") as caught:
        effects_of(lines, RELEASE)
    assert caught.value.reason == "scores_missing"
    assert any(isinstance(effect, OfferMade) for effect in effects_of(lines, RELEASE, scorer=FixedScorer()))


def test_another_release_with_models_needs_them_asked() -> None:
    lines = a_stop(*ANNA).lines[Level.RAW]
    with pytest.raises(NotReplayable, match="'release-1'") as caught:
        effects_of(lines, OTHER)
    assert caught.value.reason == "another_release"
    assert decisions_in(effects_of(lines, OTHER, scorer=FixedScorer()))[0].release == "release-2"


def test_a_release_of_priors_replays_any_journal() -> None:
    lines = lines_without(ScoresLine, a_stop(*ANNA))
    assert [decision.chosen for decision in decisions_in(effects_of(lines, PRIOR_ONLY))] == ["pastry"]


def test_an_activated_release_that_is_not_given_is_an_error_unless_the_models_are_asked() -> None:
    lines = [*a_stop(*ANNA).lines[Level.RAW], ActivationLine(T0 + 60_000, "release-2")]
    with pytest.raises(NotReplayable, match="'release-2', which is not given"):
        effects_of(lines, RELEASE)
    assert [step.passed_over for step in play(lines, [RELEASE], FixedScorer())][-1]
    given_both = list(play(lines, [RELEASE, OTHER]))[-1]
    assert (given_both.release, given_both.passed_over) == (OTHER, False)


@pytest.mark.parametrize("cut", ["event", "scores"])
def test_a_torn_journal_replays_as_far_as_it_tells(cut: str) -> None:
    lines = a_stop(*ANNA).lines[Level.RAW]
    told = lines if cut == "event" else lines_without(ScoresLine, a_stop(*ANNA))
    steps = list(play([*told, TornLine(99)], [RELEASE]))
    events = sum(isinstance(line, EventLine) for line in lines)
    assert len(steps) == (events if cut == "event" else events - 1)


def test_a_journal_without_a_header_is_an_error() -> None:
    with pytest.raises(BadJournal):
        next(play([], [RELEASE]))


@pytest.mark.parametrize("state", [[], [StateLine(T0, {})]])
def test_a_journal_in_which_nothing_happens_is_replayed(state: list[Line]) -> None:
    assert list(play([HeaderLine(Level.RAW, "gw-1", "e1", "release-1"), *state], [RELEASE])) == []


def test_the_report_counts_what_came_of_every_journal(tmp_path: Path) -> None:
    journals = [a_stop(*ANNA).write(tmp_path / "one.jsonl"), a_stop().write(tmp_path / "two.jsonl", Level.MOMENTS)]
    report = replay(journals, RELEASE)
    assert (report.journals, report.recorded_with, report.units) == (2, {"release-1"}, {CAR})
    assert (report.fixes, report.decisions, report.offers) == (1, 2, {"pastry": 1})
    assert report.took_s > 0


def test_a_compressed_journal_is_replayed(tmp_path: Path) -> None:
    plain = a_stop(*ANNA).write(tmp_path / "one.jsonl")
    packed = tmp_path / "one.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert replay([packed], RELEASE).decisions == 1


def test_a_replay_against_another_release_tells_the_decisions_that_differ(tmp_path: Path) -> None:
    journal = a_stop(*ANNA).write(tmp_path / "one.jsonl")
    dear = replace(PASTRY, annoyance=100.0)
    rival = Rival(a_release("release-2", fences=[a_fence()], actions=[dear], models=[TASTE]), FixedScorer(0.25))
    compared = replay([journal], RELEASE, against=rival).comparison
    assert compared is not None
    assert (compared.against, compared.same, compared.kinds) == ("release-2", 0, {"choice": 1})
    (difference,) = compared.first
    assert difference.here is not None
    assert difference.there is not None
    assert (difference.here.chosen, difference.there.chosen) == ("pastry", None)


def test_a_replay_against_itself_differs_in_nothing(tmp_path: Path) -> None:
    journal = a_stop(*ANNA).write(tmp_path / "one.jsonl")
    compared = replay([journal], RELEASE, against=Rival(RELEASE, FixedScorer(0.25))).comparison
    assert compared is not None
    assert (compared.same, compared.kinds.total()) == (1, 0)


def test_an_error_names_the_journal_it_is_in(tmp_path: Path) -> None:
    lived = a_stop(*ANNA)
    good = lived.write(tmp_path / "good.jsonl")
    bad = replace(lived, lines={Level.RAW: lines_without(ScoresLine, lived)}).write(tmp_path / "bad.jsonl")
    with pytest.raises(InvalidInput, match=r"scores_missing: bad\.jsonl: "):
        replay([good, bad], RELEASE)
    bad.write_text("spoiled\n")
    with pytest.raises(InvalidInput, match=r"bad_journal: bad\.jsonl: line 1"):
        replay([good, bad], RELEASE)


def test_a_torn_journal_and_releases_passed_over_are_reported(tmp_path: Path) -> None:
    lived = a_stop(*ANNA)
    lines = [*lived.lines[Level.RAW], ActivationLine(T0 + 60_000, "release-2")]
    journal = replace(lived, lines={Level.RAW: lines}).write(tmp_path / "one.jsonl")
    with journal.open("a") as file:
        file.write('{"now_ms":')
    report = replay([journal], RELEASE, scorer=FixedScorer())
    assert (report.torn, report.passed_over) == (1, 1)


def test_progress_goes_over_both_rounds_of_all_journals(tmp_path: Path) -> None:
    lost: list[tuple[Instant, Doing]] = [(T0, a_car()), *((T0 + 1, UnitLost(CAR, T0)) for _ in range(12_000))]
    lived = run(PRIOR_ONLY, lost, FixedScorer())
    journals = [lived.write(tmp_path / f"{number}.jsonl") for number in range(2)]
    told: list[tuple[int, int]] = []
    replay(
        journals,
        PRIOR_ONLY,
        against=Rival(PRIOR_ONLY, FixedScorer()),
        progress=lambda done, total: told.append((done, total)),
    )
    total = 2 * sum(journal.stat().st_size for journal in journals)
    assert told == sorted(told)
    assert len(told) == 8
    assert told[-1] == (total, total)


def test_a_step_says_what_it_was_decided_with() -> None:
    steps: list[Step] = list(play(a_stop(*ANNA).lines[Level.RAW], [RELEASE]))
    assert {step.release.id for step in steps} == {"release-1"}
    assert [step.event for step in steps][-1] == replace(OFF, ts=steps[-1].now)


def test_a_fix_away_from_everything_is_no_part_of_the_moments() -> None:
    fixes = [(ts, PositionReported(CAR, ts, Position(-120.0, 40.0))) for ts in (T0 + 1, T0 + 2)]
    lived = run(RELEASE, [(T0, a_car()), *fixes], FixedScorer())
    header, registered, first = lived.lines[Level.MOMENTS]
    assert [type(line) for line in (header, registered, first)] == [HeaderLine, EventLine, EventLine]
    assert isinstance(first, EventLine)
    assert first.event == FenceReported(CAR, T0 + 1, climate="north"), "all that is told of where it is"
    raw = [effect for effect in effects_of(lived.lines[Level.RAW], RELEASE) if not isinstance(effect, FixTold)]
    assert effects_of(lived.lines[Level.MOMENTS], RELEASE) == raw
