from gateway.core.effects import Effect, OfferWithdrawn, StateChanged
from gateway.core.rewind import set_back
from gateway.core.state import Scope, StateKey
from gateway.core.units import HOUR_MS
from gateway.testing.samples import T0

DRIVE = StateKey(Scope.UNIT, "car-1", "drive")
CAP = StateKey(Scope.SUBJECT, "s.anna", "cap", "pastry/o1")
CONSENT = StateKey(Scope.SUBJECT, "s.anna", "consent", "offer_display/given/c1")
OFFER = StateKey(Scope.OFFER, "car-1", "live", "o1")
WRONG = T0 + HOUR_MS


def changes(effects: list[Effect]) -> dict[StateKey, object]:
    return {effect.key: effect.value for effect in effects if isinstance(effect, StateChanged)}


def test_what_a_wrong_clock_told_is_moved_by_as_much_as_it_was_wrong() -> None:
    drive = {"state": "parked", "since": WRONG - 5, "heard": WRONG}
    after = changes(set_back({DRIVE: drive, CAP: WRONG - 7}, T0, HOUR_MS))
    assert after == {DRIVE: {"state": "parked", "since": T0 - 5, "heard": T0}, CAP: T0 - 7}


def test_what_was_told_before_stands() -> None:
    assert set_back({DRIVE: {"state": "parked", "since": T0 - 5, "heard": T0}, CAP: T0}, T0, HOUR_MS) == []


def test_a_person_s_own_date_stands() -> None:
    said = {"purpose": "offer_display", "id": "c1", "given": True, "supersedes": [], "valid_until": WRONG}
    assert set_back({CONSENT: said, CAP: None}, T0, HOUR_MS) == []


def test_an_offer_published_with_a_wrong_expiry_is_taken_back() -> None:
    record = {
        "unit": "car-1",
        "holder": "s.anna",
        "action": "pastry",
        "state": "presented",
        "presented": True,
        "closes": WRONG + 60_000,
    }
    effects = set_back({OFFER: record}, T0, HOUR_MS)
    assert effects[-1] == OfferWithdrawn("o1", "car-1", T0, "clock_set_back")
    kept = changes(effects)[StateKey(Scope.OFFER, "car-1", "ended", "o1")]
    assert kept == {**record, "state": "withdrawn", "closes": T0 + 60_000}


def test_never_again_and_an_accepted_offer_are_moved_too() -> None:
    never = StateKey(Scope.SUBJECT, "s.anna", "never", "pastry")
    accepted = {"unit": "car-1", "state": "accepted", "closes": WRONG + 60_000}
    effects = set_back({never: WRONG, OFFER: accepted}, T0, HOUR_MS)
    assert changes(effects) == {never: T0, OFFER: {**accepted, "closes": T0 + 60_000}}
    assert len(effects) == 2
