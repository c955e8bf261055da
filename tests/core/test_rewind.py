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


def test_what_is_known_of_contacts_money_and_chains_is_moved_too() -> None:
    keys = [
        StateKey(Scope.UNIT, "car-1", "cap", "*/o1"),
        StateKey(Scope.HOUSEHOLD, "h.1", "cap", "*/o1"),
        StateKey(Scope.SUBJECT, "s.anna", "declined", "pastry"),
        StateKey(Scope.SUBJECT, "s.anna", "followed", "pastry/accepted"),
    ]
    ignored = StateKey(Scope.SUBJECT, "s.anna", "ignored", "*")
    spent = StateKey(Scope.ENGINE, "", "spent", "pastry")
    state = {**dict.fromkeys(keys, WRONG), ignored: {"count": 2, "last": WRONG}, spent: {"opened": WRONG, "cents": 250}}
    assert changes(set_back(state, T0, HOUR_MS)) == {
        **dict.fromkeys(keys, T0),
        ignored: {"count": 2, "last": T0},
        spent: {"opened": T0, "cents": 250},
    }


def test_an_open_offer_gives_back_what_it_holds_though_that_was_counted_in_a_wrong_time() -> None:
    spent = StateKey(Scope.ENGINE, "", "spent", "pastry")
    record = {
        "unit": "car-1",
        "holder": "s.anna",
        "action": "pastry",
        "orphaned": False,
        "state": "made",
        "presented": False,
        "closes": WRONG,
        "reserved": [["subject", "s.anna", "pastry/o1"]],
        "spent_cents": 250,
        "spent_opened": WRONG,
    }
    after = changes(set_back({OFFER: record, CAP: WRONG, spent: {"opened": WRONG, "cents": 250}}, T0, HOUR_MS))
    assert after[CAP] is None
    assert after[spent] == {"opened": T0, "cents": 0}
    kept = after[StateKey(Scope.OFFER, "car-1", "ended", "o1")]
    assert kept == {**record, "state": "withdrawn", "closes": T0, "spent_opened": T0}


def test_instants_are_moved_however_deep_they_stand_and_nothing_else_is() -> None:
    challenge = StateKey(Scope.SUBJECT, "s.anna", "challenge", "three_visits")
    windows = [
        StateKey(Scope.UNIT, "car-1", "window", "pastry/0"),
        StateKey(Scope.SUBJECT, "s.anna", "window", "cake/0"),
    ]

    def window(at: int) -> dict[str, object]:
        stop = {"at": at, "unit": "car-1", "price": WRONG, "dwelled": True}
        return {"step": 1, "opened": at, "taken": [at - 1, T0 - 9], "since": at, "form": "f", "bound": {"stop": stop}}

    told: dict[StateKey, object] = {**dict.fromkeys(windows, window(WRONG)), challenge: {"opened": WRONG, "done": 2}}
    after = changes(set_back(told, T0, HOUR_MS))
    assert after == {
        **{key: {**window(T0), "taken": [T0 - 1, T0 - 9]} for key in windows},
        challenge: {"opened": T0, "done": 2},
    }


def test_a_yes_is_no_instant() -> None:
    key = StateKey(Scope.SUBJECT, "s.anna", "never", "pastry")
    assert set_back({key: True}, -1, HOUR_MS) == []
