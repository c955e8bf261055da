"""A gateway's folder with two people in it: one who asks, and one who stays."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.core.effects import (
    ConsentRecorded,
    DecisionRecorded,
    Effect,
    OfferMade,
    OutcomeRecorded,
    Refusal,
    Stage,
    StateChanged,
)
from gateway.core.events import (
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    Outcome,
    OutcomeReported,
    Purpose,
    Role,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
)
from gateway.core.state import Scope, StateKey
from gateway.edge.store import schema
from gateway.edge.store.rows import Recorder, Transaction
from gateway.testing.ledger import WatchedWriter
from gateway.testing.samples import T0, make_decision, make_offer
from gateway.wire.journal import create_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Level, Line, ScoresLine, StateLine, TimerLine
from gateway.wire.payloads import Consent, ConsentState, Notice
from gateway.wire.write import encode_offer

ERIKA = "p.erika-4711"
TOM = "p.tom-4712"
NOTICE = Notice(id="notice.cars", version="3", language="de")


@dataclass(frozen=True)
class House:
    """Where everything lies.

    Attributes:
        folder: The gateway's data; its configuration lies beside it.
    """

    folder: Path

    @property
    def ledger(self) -> Path:
        """The ledger."""
        return self.folder / "ledger.db"

    @property
    def journal(self) -> Path:
        """The one journal."""
        return self.folder / "journals" / "gw-1-e1-1.moments.jsonl.gz"

    @property
    def config(self) -> Path:
        """The configuration; `configure` writes it."""
        return self.folder.parent / "gateway.toml"


def _fact(owner: str, name: str, value: object) -> StateChanged:
    return StateChanged(StateKey(Scope.SUBJECT, owner, "fact", name), {"value": value, "ts": T0, "until": None})


def _said(consent: str, who: str, *, given: bool = True, at: int = T0) -> tuple[list[Effect], dict[str, str]]:
    """Return what a consent leaves in the ledger, and the payload it came in."""
    purpose, state = Purpose.OFFER_DISPLAY, ConsentState.GIVEN if given else ConsentState.WITHDRAWN
    payload = Consent(
        id=consent,
        ts_ms=at,
        holder=who,
        purpose=purpose,
        state=state,
        notice=NOTICE if given else None,
        method="screen",
    )
    entry = {"purpose": purpose, "id": consent, "given": given, "supersedes": [], "valid_until": None}
    key = StateKey(Scope.SUBJECT, who, "consent", f"{purpose}/{state}/{consent}")
    effects: list[Effect] = [ConsentRecorded(consent, "car-1", who, purpose, given, at), StateChanged(key, entry)]
    return effects, {consent: payload.encode().decode()}


def _offered(number: int, who: str, *, valid_ms: int = 300_000) -> list[Effect]:
    offer, decision = make_offer(number, valid_ms=valid_ms), replace(make_decision(number), holder=who)
    record = {"unit": "car-1", "holder": who, "action": "pastry", "state": "made", "closes": offer.expires}
    return [
        DecisionRecorded(decision),
        StateChanged(StateKey(Scope.OFFER, "car-1", "live", offer.id), record),
        OfferMade(replace(offer, holder=who, title=f"For {who}")),
    ]


def _named_by_another() -> list[Effect]:
    """Return what names Erika and is Tom's or a unit's."""
    beside = Refusal(Stage.SAFETY, "not_alone", {"others_known": [ERIKA]})
    decision = make_decision(7)
    verdicts = (decision.verdicts[0], replace(decision.verdicts[1], refusal=beside))
    present = {"subject": ERIKA, "ts": T0}
    return [
        DecisionRecorded(replace(decision, holder=TOM, verdicts=verdicts)),
        StateChanged(StateKey(Scope.UNIT, "car-1", "presence", "driver"), present),
        StateChanged(StateKey(Scope.UNIT, "car-1", "presence", "passenger"), {"subject": TOM, "ts": T0}),
        StateChanged(StateKey(Scope.UNIT, "car-1", "window", "tyres/0"), {"opened": T0}),
        _fact(TOM, "partner", ERIKA),
    ]


def _transaction(effects: list[Effect], receipts: dict[str, str]) -> Transaction:
    recorder = Recorder(encode_offer, receipts)
    recorder.add(effects)
    return recorder.transaction(T0) or Transaction(T0, ())


async def _fill(path: Path) -> None:
    watched = WatchedWriter(path)
    for number, (who, household) in enumerate([(ERIKA, "h.one"), (TOM, "h.two")], start=1):
        consented, receipts = _said(f"c-{number}", who)
        effects: list[Effect] = [
            _fact(who, "visits", 3),
            _fact(who, "household", household),
            StateChanged(StateKey(Scope.HOUSEHOLD, household, "cap", "all/o.1"), T0),
            *consented,
            *_offered(number, who),
            OutcomeRecorded(f"x-{who}", f"o.car-1.e1.{number}", "car-1", T0 + 1, Outcome.PRESENTED, f"seen by {who}"),
        ]
        await watched.commit(_transaction(effects, receipts))
    await watched.commit(_transaction(_named_by_another(), {}))
    withdrawn, receipts = _said("w-1", ERIKA, given=False, at=T0 + 5)
    await watched.commit(_transaction(withdrawn, receipts))
    await watched.writer.close()


def journal_lines() -> list[Line]:
    """Return a journal: Tom, then Erika and Tom, then Tom again."""

    def heard(at: int, event: Event) -> Line:
        return EventLine(T0 + at, event)

    state = {
        StateKey(Scope.UNIT, "car-1", "registered", ""): {"kind": "car", "placements": [], "language": "en"},
        StateKey(Scope.UNIT, "till-1", "presence", "customer"): {"subject": ERIKA, "ts": T0},
        StateKey(Scope.SUBJECT, ERIKA, "fact", "visits"): {"value": 3, "ts": T0, "until": None},
        StateKey(Scope.OFFER, "till-1", "live", "o.till-1.e0.3"): {"unit": "till-1", "holder": ERIKA},
    }
    return [
        HeaderLine(Level.MOMENTS, "gw-1", "e1", "r1"),
        StateLine(T0, state),
        heard(0, SignalsReported("till-1", T0, {"Vehicle.Speed": 1})),  # Erika is there: hers
        heard(1, SubjectLeft("till-1", T0, "i-0", Role.CUSTOMER)),  # it is she who leaves
        heard(2, SignalsReported("till-1", T0, {"Vehicle.Speed": 2})),
        heard(2, OutcomeReported("till-1", T0, "x-0", "o.till-1.e0.3", Outcome.REDEEMED)),
        heard(3, SubjectIdentified("car-1", T0, "i-1", TOM, Role.PASSENGER)),
        heard(4, SubjectIdentified("car-1", T0, "i-2", ERIKA, Role.DRIVER)),
        ScoresLine({"d.car-1.e1.1": {"pastry": 0.5}, "d.till-1.e1.1": {"pastry": 0.25}}),
        heard(5, FenceReported("car-1", T0, ("station",))),
        TimerLine(T0 + 6),
        ScoresLine({"d.car-1.e1.2": {"pastry": 0.5}}),
        heard(7, ConsentChanged("car-1", T0, "c-1", ERIKA, Purpose.PROFILING, given=True)),
        heard(7, ConsentChanged("car-1", T0, "c-2", TOM, Purpose.PROFILING, given=True)),
        heard(8, FactsChanged("till-1", T0, ERIKA, {"visits": 4})),
        heard(8, ListPrepared("till-1", T0, "f", ERIKA, {"pastry": 0.5})),
        heard(8, FactsChanged("till-1", T0, TOM, {"partner": ERIKA})),
        heard(9, OutcomeReported("car-1", T0, "x-1", "o.car-1.e1.2", Outcome.ACCEPTED)),
        heard(10, SubjectLeft("car-1", T0, "i-3", Role.DRIVER)),
        heard(11, FenceReported("car-1", T0, (), ("station",))),
        heard(12, OutcomeReported("till-1", T0, "x-2", "o.car-1.e1.1", Outcome.REDEEMED)),  # known from the ledger
    ]


def _write_journal(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    header, *rest = journal_lines()
    if isinstance(header, HeaderLine):
        with create_journal(path, header) as writer:
            for line in rest:
                writer.append(line)


def furnish(folder: Path) -> None:
    """Make the files: a ledger, a journal, and a damaged ledger that was set aside."""
    house = House(folder)
    schema.prepare(house.ledger)
    asyncio.run(_fill(house.ledger))
    _write_journal(house.journal)
    (folder / "ledger.db.bad-1").write_bytes(b"damaged page" + ERIKA.encode() + b"consent")


def configure(house: House) -> None:
    """Write the configuration."""
    house.config.write_text(_CONFIG.format(folder=house.folder), encoding="utf-8")


_CONFIG = """\
id = "gw-1"
data_dir = "{folder}"
release = "release"
[journal]
path = "{folder}/journals"
[privacy]
controller = "Example Fuel AG"
contact = "privacy@example.com"
jurisdiction = "CH"
policy = "policy-7"
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
"""
