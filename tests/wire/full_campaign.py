"""A campaign that says all that can be said, as a file and as the engine has it."""

from dataclasses import replace

from gateway.core.campaign import (
    Action,
    Audience,
    Campaigns,
    FactNeed,
    Follows,
    Kind,
    Nearest,
    Placement,
    Treatment,
    Weight,
)
from gateway.core.events import Outcome
from gateway.core.steps import Absence, Challenge, Step, Trigger
from gateway.core.terms import Budget, Calendar, Cap, ContactPolicy, Discount, Group, Per, Reward, Suppression
from gateway.core.units import DAY_MS

DAY_S = 86_400

FULL = """
campaign: fuel-stop
valid: {from: 2026-01-01, until: 2026-01-31}
fallback: en
contact_policy:
  cap: [{count: 3, each: day}, {count: 10, within: 7 d, per: household}]
  cool_down: 2 h
  suppress: {ignored: 5, for: 30 d}
groups:
  - id: coffee
    cap: {count: 2, each: week, per: household}
    cool_down: 1 d
    suppress: {ignored: 3, for: 14 d}
    slate: 3
  - {id: tea, cap: unlimited}
challenges:
  - {id: three_visits, counts: {moment: FenceDwelled, fence_kind: cafe, if: moment.at > 0}, times: 3, each: week}
actions:
  - id: pastry_alone
    kind: marketing
    audience: subject
    group: coffee
    when:
      - moment: Parked
        fence_kind: fuel_station
        tag: partner
        if: moment.fence_kinds.size() == 1
      - {moment: FenceEntered, fence: station-1, times: 3, within: 7 d, per: subject}
      - sequence:
          - {moment: Parked, as: stop}
          - {moment: OfferRedeemed, action: other, if: moment.at - stop.at > 60000}
        within: 20 min
        per: unit
        unless: [{moment: FactChanged, fact: purchase}]
      - sequence: [{moment: ChallengeAdvanced, challenge: three_visits, times: 2}]
        within: 30 d
        per: subject
        absent: {moment: FenceDwelled, fence_kind: cafe, for: 10 d, if: 'moment.fence != ""'}
    follows: {action: other, outcome: redeemed, within: 3 min}
    eligible: occupants == 1 && parked
    applicable: |
      hour > 6
    suitable: "true"
    facts: {basket_item: 24 h, place.stock: 15 min, place.price: any}
    nearest: {fence_kind: bank, fact: atm_working}
    propensity: {model: coupon_propensity, category: coffee_house}
    value: 1.2
    annoyance: 4e-1
    lever: 2
    context_weight:
      - {if: occupants == 1, weight: 1.5}
      - {weight: 2}
    cap: {count: 1, within: 24 h}
    cool_down: 7 d
    suppress: {ignored: 3, for: 30 d}
    valid_for: 90 s
    redeem_within: 3600
    reward:
      id: pastry
      text: "{amount} off, {{really}}"
      currency: EUR
      discount: {risk: churn_risk, worth: customer_value, share: 0.1, step: 0.50, at_most: 5}
    budget: {total: 500.5, each: day}
    treatments:
      - placement: driver_screen
        language: pt-BR
        title: '  A {facts.basket_item} '
        body: "{place.stock} left at {nearest.name}, {nearest.distance}, told {place.stock.age} ago"
        call_to_action: Do it
        personal: true
        private: false
      - placement: driver_screen
        language: en
        title: A title
        body: A body
        private: true
      - placement: voice
        language: en
        title: A title
        body: A body
        personal: true
        while_driving: true
  - id: other
    kind: service
    audience: anyone
    when: [{moment: Parked}]
    propensity: {prior: 0.5}
    value: 1
    annoyance: 0
    context_weight: 0
    treatments: [{placement: driver_screen, language: en, title: A title, body: A body}]
  - id: listed
    kind: marketing
    audience: subject
    follows: {action: other, outcome: declined, within: 1 h}
    propensity: {prepared: true, prior: 0.05}
    value: 1
    annoyance: 0
    cap: unlimited
    reward: {id: gift, text: A gift, cost: 2.50, currency: CHF}
    budget: {total: 100}
    treatments: [{placement: driver_screen, language: en, title: A title, body: A body}]
"""

PASTRY = Action(
    id="pastry_alone",
    kind=Kind.MARKETING,
    audience=Audience.SUBJECT,
    triggers=(
        Trigger(
            (Step("Parked", fence_kind="fuel_station", tag="partner", condition="moment.fence_kinds.size() == 1"),)
        ),
        Trigger((Step("FenceEntered", fence="station-1", times=3),), within_s=7 * DAY_S, per=Per.SUBJECT),
        Trigger(
            (
                Step("Parked", bound="stop"),
                Step("OfferRedeemed", action="other", condition="moment.at - stop.at > 60000"),
            ),
            within_s=1200,
            unless=(Step("FactChanged", fact="purchase"),),
        ),
        Trigger(
            (Step("ChallengeAdvanced", challenge="three_visits", times=2),),
            within_s=30 * DAY_S,
            absence=Absence(Step("FenceDwelled", fence_kind="cafe", condition='moment.fence != ""'), for_s=10 * DAY_S),
            per=Per.SUBJECT,
        ),
    ),
    treatments=(
        Treatment(
            Placement.DRIVER_SCREEN,
            "pt-BR",
            "A {facts.basket_item}",
            "{place.stock} left at {nearest.name}, {nearest.distance}, told {place.stock.age} ago",
            "Do it",
            personal=True,
        ),
        Treatment(Placement.DRIVER_SCREEN, "en", "A title", "A body", private=True),
        Treatment(Placement.VOICE, "en", "A title", "A body", personal=True, while_driving=True),
    ),
    eligible="occupants == 1 && parked",
    applicable="hour > 6",
    suitable="true",
    model="coupon_propensity",
    category="coffee_house",
    value=1.2,
    annoyance=0.4,
    lever=2.0,
    weights=(Weight("occupants == 1", 1.5), Weight("", 2.0)),
    contact=ContactPolicy((Cap(1, DAY_S),), 7 * DAY_S, Suppression(3, 30 * DAY_S)),
    group="coffee",
    follows=Follows("other", Outcome.REDEEMED, 180),
    facts=(
        FactNeed("basket_item", of_place=False, max_age_s=DAY_S),
        FactNeed("stock", of_place=True, max_age_s=900),
        FactNeed("price", of_place=True),
    ),
    nearest=Nearest("bank", "atm_working"),
    reward=Reward(
        "pastry",
        "{amount} off, {{really}}",
        currency="EUR",
        discount=Discount("churn_risk", "customer_value", share=0.1, step_cents=50, at_most_cents=500),
    ),
    budget=Budget(50_050, Calendar.DAY),
    fallback="en",
    valid_for_s=90,
    redeem_within_s=3600,
    starts=1_767_225_600_000,
    ends=1_767_225_600_000 + 31 * DAY_MS,
    campaign="fuel-stop",
)
SCREEN = (Treatment(Placement.DRIVER_SCREEN, "en", "A title", "A body"),)
OTHER = Action(
    id="other",
    kind=Kind.SERVICE,
    audience=Audience.ANYONE,
    triggers=(Trigger((Step("Parked"),)),),
    treatments=SCREEN,
    prior=0.5,
    context_weight=0.0,
    fallback="en",
    starts=PASTRY.starts,
    ends=PASTRY.ends,
    campaign="fuel-stop",
)
LISTED = replace(
    OTHER,
    id="listed",
    kind=Kind.MARKETING,
    audience=Audience.SUBJECT,
    triggers=(),
    follows=Follows("other", Outcome.DECLINED, 3600),
    prepared=True,
    prior=0.05,
    context_weight=1.0,
    reward=Reward("gift", "A gift", cost_cents=250, currency="CHF"),
    budget=Budget(10_000),
)
ALL = Campaigns(
    actions=(PASTRY, OTHER, LISTED),
    groups=(
        Group(
            "coffee",
            ContactPolicy((Cap(2, each=Calendar.WEEK, per=Per.HOUSEHOLD),), DAY_S, Suppression(3, 14 * DAY_S)),
            slate=3,
            campaign="fuel-stop",
        ),
        Group("tea", campaign="fuel-stop"),
    ),
    challenges=(
        Challenge(
            "three_visits",
            Step("FenceDwelled", fence_kind="cafe", condition="moment.at > 0"),
            times=3,
            each=Calendar.WEEK,
            campaign="fuel-stop",
        ),
    ),
    contact=ContactPolicy(
        (Cap(3, each=Calendar.DAY), Cap(10, 7 * DAY_S, per=Per.HOUSEHOLD)), 7200, Suppression(5, 30 * DAY_S)
    ),
)
