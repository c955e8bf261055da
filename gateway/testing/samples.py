"""An offer and the decision behind it, as the engine would make them."""

from gateway.core.campaign import Kind, Placement
from gateway.core.effects import Decision, Offer, Refusal, Stage, Verdict
from gateway.core.events import Role
from gateway.core.units import Instant

T0: Instant = 1_700_000_000_000
"""2023-11-14T22:13:20Z."""

VALID_MS = 300_000


def make_offer(number: int = 1, *, made: Instant = T0, valid_ms: int = VALID_MS) -> Offer:
    """Return a pastry on the driver's screen of `car-1`."""
    return Offer(
        id=f"o.car-1.e1.{number}",
        decision=f"d.car-1.e1.{number}",
        unit="car-1",
        holder="s.1",
        role=Role.DRIVER,
        placement=Placement.DRIVER_SCREEN,
        action="pastry",
        kind=Kind.MARKETING,
        language="en",
        title="A pastry",
        body="Warm, to the left of the till.",
        call_to_action="Yes, please",
        reward=None,
        made=made,
        expires=made + valid_ms,
    )


def make_decision(number: int = 1, *, at: Instant = T0) -> Decision:
    """Return the choice of the pastry, over tyres that had no consent."""
    chosen = Verdict(
        "pastry",
        Kind.MARKETING,
        Placement.DRIVER_SCREEN,
        "Parked",
        None,
        propensity=0.5,
        context_weight=1.0,
        value=2.0,
        lever=1.0,
        annoyance=0.1,
        net_value=0.95,
    )
    no_consent = Refusal(Stage.CONSENT, "no_consent", {"purpose": "profiling"})
    refused = Verdict("tyres", Kind.MARKETING, Placement.VOICE, "Parked", no_consent)
    return Decision(
        id=f"d.car-1.e1.{number}",
        unit="car-1",
        at=at,
        release="r1",
        holder="s.1",
        moments=("Parked",),
        verdicts=(chosen, refused),
        chosen="pastry",
        offer=f"o.car-1.e1.{number}",
        context={"hour": 7, "fences": ["station-1"], "air_temperature_c": None},
    )
