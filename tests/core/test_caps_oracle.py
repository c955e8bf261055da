"""Windows against the list of all that was ever said: the plainest account there is."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import caps
from gateway.core.calendar import window_start
from gateway.core.campaign import Action
from gateway.core.context import Unit
from gateway.core.events import SESSION
from gateway.core.release import Release
from gateway.core.terms import Calendar, Cap, ContactPolicy, Per
from gateway.core.units import Instant
from tests.core.town import ANNA, BEN, CAT, NOON, TILL, UNIT, Town, campaign

WEEK_S = 7 * 24 * 3600
COUNTS, PERS = st.integers(1, 2), st.sampled_from(Per)
LENGTHS_S = [1, 3600, 12 * 3600, 24 * 3600, WEEK_S]
CAPS = st.one_of(
    st.builds(Cap, COUNTS, within_s=st.sampled_from(LENGTHS_S), per=PERS),
    st.builds(Cap, COUNTS, each=st.sampled_from(Calendar), per=PERS),
)
POLICIES = st.lists(CAPS, max_size=2).map(lambda chosen: ContactPolicy(tuple(chosen)))
RELEASES = st.builds(
    lambda cap, own, group, everything: campaign(
        replace(own, caps=(cap, *own.caps)), group=group, everything=everything
    ),
    CAPS,
    *[POLICIES] * 3,
)
# Onto an edge, or a millisecond before or after it: time begins at noon.
LATER_MS = st.builds(
    lambda length_s, around: length_s * 1000 + around, st.sampled_from([1, *LENGTHS_S]), st.sampled_from([-1, 0, 0, 1])
) | st.just(0)
HOMES = {ANNA: "h.1", BEN: "h.1", CAT: None, SESSION: None}


@dataclass(frozen=True)
class Try:
    later_ms: int
    action: str
    to: str
    unit: Unit
    is_shown: bool


TRIES = st.lists(
    st.builds(
        Try,
        LATER_MS,
        st.sampled_from(["pastry", "pastry", "cake", "tyres"]),
        st.sampled_from([ANNA, *HOMES]),
        st.builds(replace, st.sampled_from([UNIT, TILL]), utc_offset_s=st.sampled_from([0, 0, 3600, -43_200])),
        st.integers(0, 5).map(bool),
    ),
    min_size=4,
    max_size=20,
)


@dataclass(frozen=True)
class Contact:
    at: Instant
    to: str
    unit: str
    levels: tuple[str, ...]


def counted(contact: Contact, level: str, cap: Cap, asked: Try, now: Instant) -> bool:
    """Return whether a cap counts a contact: the oracle."""
    same_person = contact.to == asked.to and (asked.to != SESSION or contact.unit == asked.unit.id)
    household = HOMES[asked.to]
    whose = {
        Per.UNIT: contact.unit == asked.unit.id,
        Per.SUBJECT: same_person,
        Per.HOUSEHOLD: same_person or (household is not None and HOMES[contact.to] == household),
    }
    if cap.each is None:
        in_window = now - contact.at < cap.within_s * 1000
    else:
        in_window = contact.at >= window_start(cap.each, now, asked.unit.utc_offset_s)
    return level in contact.levels and whose[cap.per] and in_window


def full(release: Release, action: Action, contacts: list[Contact], asked: Try, now: Instant) -> list[tuple[str, int]]:
    return [
        (level, used)
        for level, rule in release.levels(action)
        for cap in rule.caps
        if (used := sum(counted(contact, level, cap, asked, now) for contact in contacts)) >= cap.count
    ]


@settings(max_examples=400)
@given(RELEASES, TRIES)
def test_never_over_a_cap_at_any_window_edge(release: Release, tries: list[Try]) -> None:
    town, contacts, now = Town(release), list[Contact](), NOON
    for asked in tries:
        now += asked.later_ms
        action = release.actions[asked.action]
        objections = town.objections(now, asked.action, to=asked.to, at=asked.unit)
        expected = full(release, action, contacts, asked, now)
        assert [(detail["level"], detail["used"]) for _, detail in objections] == expected
        if objections:
            continue
        reserved = town.offer(now, asked.action, to=asked.to, at=asked.unit)
        if asked.is_shown:
            levels = tuple(level for level, _ in release.levels(action))
            contacts.append(Contact(now, asked.to, asked.unit.id, levels))
        else:
            caps.give_back(town.memory, reserved)
