"""A journal without a person: theirs is gone, what others said is there, and it can be replayed."""

import json

from gateway.core.events import Event, FactsChanged
from gateway.core.state import Scope
from gateway.edge.replay.player import replay
from gateway.edge.subject import journals
from gateway.testing.engines import a_release, an_action
from gateway.testing.house import ERIKA, TOM, House, journal_lines
from gateway.testing.samples import T0
from gateway.wire.journal import encode_line, read_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Level, Line, ScoresLine, StateLine

LEDGER_KNOWS = {"o.car-1.e1.1"}


def erased(house: House) -> list[Line]:
    journals.erase(house.journal, ERIKA, LEDGER_KNOWS)
    return list(read_journal(house.journal))


def events(lines: list[Line]) -> list[Event]:
    return [line.event for line in lines if isinstance(line, EventLine)]


def test_what_names_the_person_is_gone_and_what_others_said_stays(house: House) -> None:
    told = [(type(event).__name__, event.unit) for event in events(erased(house))]
    assert told == [
        ("SignalsReported", "till-1"),
        ("SubjectIdentified", "car-1"),
        ("ConsentChanged", "car-1"),
        ("FactsChanged", "till-1"),
        ("FenceReported", "car-1"),
    ]


def test_where_the_car_was_while_the_person_was_in_it_is_gone_and_where_it_was_after_is_there(house: House) -> None:
    fences = [event for event in events(erased(house)) if type(event).__name__ == "FenceReported"]
    assert [event.ts for event in fences] == [T0]
    assert b"station" in encode_line(EventLine(T0, fences[0]))
    assert b'"entered":["station"]' not in encode_line(EventLine(T0, fences[0]))


def test_what_was_decided_with_the_person_there_has_no_scores_any_more(house: House) -> None:
    scores = [line.scores for line in erased(house) if isinstance(line, ScoresLine)]
    assert scores == [{"d.till-1.e1.1": {"pastry": 0.25}}]


def test_the_state_it_began_with_is_without_the_person(house: House) -> None:
    (line,) = [line for line in erased(house) if isinstance(line, StateLine)]
    assert {key.scope for key in line.state} == {Scope.UNIT}
    presence = [value for key, value in line.state.items() if key.name == "presence"]
    assert presence == [{"subject": None, "ts": T0}]


def test_what_somebody_else_was_told_of_names_nobody(house: House) -> None:
    (facts,) = [event for event in events(erased(house)) if isinstance(event, FactsChanged)]
    assert (facts.subject, facts.facts) == (TOM, {"partner": "erased"})


def test_it_says_of_itself_that_somebody_was_erased(house: House) -> None:
    assert erased(house)[0] == HeaderLine(Level.MOMENTS, "gw-1", "e1", "r1", erased=True)
    assert next(read_journal(house.journal)) == erased(house)[0]


def test_a_header_of_before_says_nothing_of_it() -> None:
    assert encode_line(HeaderLine(Level.MOMENTS, "g", "e", "r")) == (
        b'{"journal":1,"level":"moments","gateway":"g","epoch":"e","release":"r"}\n'
    )


def test_a_journal_that_holds_nothing_of_the_person_is_found_to(house: House) -> None:
    assert journals.find(house.journal, ERIKA, LEDGER_KNOWS).lines > 0
    erased(house)
    assert journals.find(house.journal, ERIKA, LEDGER_KNOWS).lines == 0
    assert journals.find(house.journal, "p.nobody", set()).lines == 0


def test_the_persons_lines_are_what_is_handed_over(house: House) -> None:
    told = list(journals.lines_of(house.journal, ERIKA, LEDGER_KNOWS))
    assert len(told) == journals.find(house.journal, ERIKA, LEDGER_KNOWS).lines
    state = next(line["state"] for line in told if "state" in line)
    assert isinstance(state, list)
    assert all(ERIKA in json.dumps(entry) for entry in state)
    assert len(told) + len(events(erased(house))) > len(journal_lines()) - 3


def test_only_its_owner_can_read_it(house: House) -> None:
    erased(house)
    assert house.journal.stat().st_mode & 0o077 == 0
    assert [path.name for path in house.journal.parent.iterdir()] == [house.journal.name]


def test_what_an_earlier_try_left_is_no_journal(house: House) -> None:
    (house.journal.parent / f"erasing-{house.journal.name}").write_bytes(b"half")
    assert journals.journals_in(house.journal.parent) == [house.journal]
    erased(house)
    assert [path.name for path in house.journal.parent.iterdir()] == [house.journal.name]
    assert journals.journals_in(house.folder / "nowhere") == []


def test_an_erased_journal_can_be_replayed(house: House) -> None:
    erased(house)
    release = a_release(actions=[an_action("pastry")])
    report = replay([house.journal], release)
    assert report.to_json()["events"] == {
        "ConsentChanged": 1,
        "FactsChanged": 1,
        "FenceReported": 1,
        "SignalsReported": 1,
        "SubjectIdentified": 1,
    }
