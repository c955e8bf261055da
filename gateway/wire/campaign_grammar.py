"""The grammar of campaign files: every table, every field, and what each says.

Files are read by these tables, the JSON Schema is written from them, and the rows of docs/reference/campaigns.md are
what they say. Rules that need more than one field are in `gateway.wire.campaign_check`.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import yaml

from gateway.core.campaign import TEXT_LIMITS, Audience, Kind, Placement
from gateway.core.events import Outcome
from gateway.core.moments import MOMENTS
from gateway.core.terms import Calendar, Per
from gateway.wire import campaign_forms as form
from gateway.wire.campaign_shapes import Entry, ListOf, OneOf, Table
from gateway.wire.campaign_source import Code, has_key
from gateway.wire.fences import FENCE_KINDS

UNLIMITED = "unlimited"
EXPRESSION_FIELDS = ("eligible", "applicable", "suitable")
TEXT_FIELDS = ("title", "body", "call_to_action")
MARKETING_FIELDS = ("cap", "cool_down", "suppress", "reward", "budget")
"""What service and safety do not have."""

FENCE_KIND = form.words({kind: kind for kind in FENCE_KINDS}, Code.UNKNOWN_FENCE_KIND)
MOMENT = form.words({name: name for name in MOMENTS}, Code.UNKNOWN_MOMENT)
WHOSE_MOMENTS = form.members((Per.UNIT, Per.SUBJECT))
ANSWERS = form.members((Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED))


def _form_of_limits(node: yaml.Node) -> int:
    return 0 if isinstance(node, yaml.ScalarNode) else 2 if isinstance(node, yaml.SequenceNode) else 1


def _form_of_trigger(node: yaml.Node) -> int:
    return 1 if has_key(node, "sequence") else 0


def _form_of_propensity(node: yaml.Node) -> int:
    return 2 if has_key(node, "prepared") else 1 if has_key(node, "prior") else 0


def _form_of_weight(node: yaml.Node) -> int:
    return 1 if isinstance(node, yaml.SequenceNode) else 0


VALID = Table(
    "valid",
    "'valid'",
    {
        "from": Entry(form.DAY, "The first day, as `2026-01-31`. Left out: from ever."),
        "until": Entry(form.DAY, "The last day, which still belongs to it. Left out: for ever."),
    },
)
CAP = Table(
    "cap",
    "a cap",
    {
        "count": Entry(form.COUNT, "At most so many offers.", required=True),
        "within": Entry(form.DURATION, "In any such time: a sliding window. Either this or `each`."),
        "each": Entry(
            form.members(Calendar),
            "In each `hour`, `day`, `week` (from Monday) or `month` of the unit's local time: a fixed window.",
        ),
        "per": Entry(
            form.members(Per),
            "Whose offers are counted: of one `subject` (if left out), at one `unit`, or in one `household`.",
        ),
    },
    {"oneOf": [{"required": ["within"]}, {"required": ["each"]}]},
)
LIMITS = OneOf(_form_of_limits, (form.words({UNLIMITED: UNLIMITED}), CAP, ListOf(CAP)))
SUPPRESS = Table(
    "suppress",
    "'suppress'",
    {
        "ignored": Entry(
            form.COUNT, "After so many offers in a row that were shown and left unanswered,", required=True
        ),
        "for": Entry(form.DURATION, "none to that person for so long.", required=True),
    },
)
COOL_DOWN = "After one was declined or dismissed, none to that person for so long."
CONTACT_POLICY = Table(
    "contact_policy",
    "a contact policy",
    {
        "cap": Entry(LIMITS, "How often: one cap, a list of which all hold, or `unlimited`."),
        "cool_down": Entry(form.DURATION, COOL_DOWN),
        "suppress": Entry(SUPPRESS, "Until when to stay silent to whoever does not answer."),
    },
)
GROUP = Table(
    "group",
    "a group",
    {
        "id": Entry(form.ID, "Unique in a release.", required=True),
        **CONTACT_POLICY.fields,
        "slate": Entry(form.COUNT, "Up to so many of its actions are shown together; 1 if left out."),
    },
)

_FILTERS: Final[Mapping[str, Entry]] = {
    "fence_kind": Entry(FENCE_KIND, f"Only in a fence of this kind: {', '.join(FENCE_KINDS)}."),
    "fence": Entry(form.ID, "Only in the fence with this id."),
    "tag": Entry(form.TAG, "Only in a fence with this tag."),
    "action": Entry(form.ID, "Only of an offer of this action."),
    "fact": Entry(form.FACT, "Only of the fact with this name."),
    "challenge": Entry(form.ID, "Only of this challenge."),
}
_STEP: Final[Mapping[str, Entry]] = {
    "moment": Entry(MOMENT, "What must be noticed: one of the moments below.", required=True),
    **_FILTERS,
    "if": Entry(form.EXPRESSION, "Only if this holds: an expression over `moment` and the moments bound before it."),
}
COUNTED = Table("counted", "what a challenge counts", _STEP)
SINGLE = Table(
    "moment",
    "a moment to wait for",
    {
        **_STEP,
        "times": Entry(form.COUNT, "Only when it comes for the so-many-th time; 1 if left out. Needs `within`."),
        "within": Entry(form.DURATION, "The longest time from the first to the last. Only with `times`."),
        "per": Entry(WHOSE_MOMENTS, "Only with `times`: as in a sequence."),
    },
    {
        "if": {"required": ["times"], "properties": {"times": {"minimum": 2}}},
        "then": {"required": ["within"]},
        "else": {"properties": {"within": False, "per": False}},
    },
)
STEP = Table(
    "step",
    "a step",
    {
        **_STEP,
        "as": Entry(form.BOUND, "The name by which the conditions of later steps call this moment."),
        "times": Entry(form.COUNT, "How many such moments the step takes; 1 if left out."),
    },
)
UNDOING = Table("unless", "what undoes a sequence", _STEP)
ABSENT = Table(
    "absent",
    "what must not happen",
    {**_STEP, "for": Entry(form.DURATION, "For so long after the last step.", required=True)},
)
SEQUENCE = Table(
    "sequence",
    "a sequence",
    {
        "sequence": Entry(ListOf(STEP), "The moments, in this order.", required=True),
        "within": Entry(
            form.DURATION,
            "The longest time from the first to the last. Required unless there is only one moment, once.",
        ),
        "per": Entry(
            WHOSE_MOMENTS,
            "`unit` (if left out): moments at one unit, while the same people are there. `subject`: moments that a "
            "known person had part in, at any unit, remembered from visit to visit.",
        ),
        "unless": Entry(ListOf(UNDOING), "Any of these moments, while it is under way, undoes it."),
        "absent": Entry(ABSENT, "It matches when, after the last step, this has not happened for so long."),
    },
)
CHALLENGE = Table(
    "challenge",
    "a challenge",
    {
        "id": Entry(form.ID, "Unique in a release.", required=True),
        "counts": Entry(COUNTED, "Which moments count: those of a known person, at any unit.", required=True),
        "times": Entry(form.COUNT, "How many of them meet it.", required=True),
        "each": Entry(form.members(Calendar), "In each `hour`, `day`, `week` or `month`, anew.", required=True),
    },
)
FOLLOWS = Table(
    "follows",
    "'follows'",
    {
        "action": Entry(form.ID, "The action that came before.", required=True),
        "outcome": Entry(ANSWERS, "What became of its offer: `accepted`, `redeemed` or `declined`.", required=True),
        "within": Entry(form.DURATION, "For so long afterwards.", required=True),
    },
)
NEAREST = Table(
    "nearest",
    "'nearest'",
    {
        "fence_kind": Entry(FENCE_KIND, "Of which kind.", required=True),
        "fact": Entry(form.FACT, "The fact of the fence that must be known to be true.", required=True),
    },
)
MODEL = Table(
    "model",
    "a propensity, unless it is a prior,",
    {
        "model": Entry(form.ID, "The model to ask.", required=True),
        "category": Entry(form.ID, "What it is asked about: one of the model's categories.", required=True),
    },
)
PRIOR = Table("prior", "a prior", {"prior": Entry(form.PROBABILITY, "The propensity itself, 0 to 1.", required=True)})
PREPARED = Table(
    "prepared",
    "a prepared propensity",
    {
        "prepared": Entry(form.TRUE, "`true`: what the centre's list for this person says.", required=True),
        "prior": Entry(form.PROBABILITY, "For whom no list holds; left out: not offered to them."),
    },
)
WEIGHT = Table(
    "weight",
    "a context weight",
    {
        "if": Entry(form.EXPRESSION, "Where this holds: an expression. Left out, everywhere."),
        "weight": Entry(form.FACTOR, "The factor: 0 or more.", required=True),
    },
)
DISCOUNT = Table(
    "discount",
    "a discount",
    {
        "risk": Entry(
            form.FACT, "The fact of the person that says how likely they are to walk away, 0 to 1.", required=True
        ),
        "worth": Entry(form.FACT, "The fact that says what they are worth, in the reward's currency.", required=True),
        "share": Entry(form.SHARE, "How much of risk times worth is given: above 0, up to 1.", required=True),
        "step": Entry(form.MONEY, "Rounded down to steps of this amount.", required=True),
        "at_most": Entry(form.MONEY, "Never more than this amount: `step` or more.", required=True),
    },
)
REWARD = Table(
    "reward",
    "a reward",
    {
        "id": Entry(form.ID, "What it is called on the voucher.", required=True),
        "text": Entry(form.TEXT, "What it is, in words; may hold placeholders.", required=True),
        "cost": Entry(form.MONEY, "What one costs, as `2.50`. Not with a discount, whose amount is its cost."),
        "currency": Entry(form.CURRENCY, "By ISO 4217, as `EUR`. Required with `cost` or `discount`, else not there."),
        "discount": Entry(DISCOUNT, "A personal amount, instead of a fixed `cost`."),
    },
    {
        "dependentRequired": {"cost": ["currency"], "discount": ["currency"]},
        "dependentSchemas": {"currency": {"oneOf": [{"required": ["cost"]}, {"required": ["discount"]}]}},
    },
)
BUDGET = Table(
    "budget",
    "a budget",
    {
        "total": Entry(form.MONEY, "What all its rewards may cost at this gateway.", required=True),
        "each": Entry(form.members(Calendar), "In each `hour`, `day`, `week` or `month`. Left out: in all."),
    },
)
_TREATMENT: Final[Mapping[str, Entry]] = {
    "placement": Entry(
        form.members(Placement, Code.UNKNOWN_PLACEMENT),
        "`driver_screen`, `passenger_screen`, `kiosk_screen`, `voice` or `phone`.",
        required=True,
    ),
    "language": Entry(
        form.LANGUAGE, "`en`, `de`, `pt-BR`. One treatment for each placement and language.", required=True
    ),
    "title": Entry(form.TEXT, "The first line; may hold placeholders, as may the next two.", required=True),
    "body": Entry(form.TEXT, "What there is to say.", required=True),
    "call_to_action": Entry(form.TEXT, "What the button says. Not for voice."),
    "personal": Entry(
        form.FLAG,
        "`true`: it tells something about its reader, and is shown only where nobody else reads it. Not for anyone.",
    ),
    "private": Entry(
        form.FLAG, "`true`: only its reader can see this placement, so `personal` needs no privacy around it."
    ),
    "while_driving": Entry(
        form.FLAG, "`true`, voice only: it may be said while driving, to a person who opted in to that."
    ),
}


def _room(placement: Placement) -> dict[str, object]:
    """Return what the schema says of the texts at a placement; of those with placeholders it cannot tell."""
    texts: dict[str, object] = {
        name: {"if": {"pattern": "^[^{}]*$"}, "then": {"maxLength": limit}} if limit else False
        for name, limit in zip(TEXT_FIELDS, TEXT_LIMITS[placement], strict=True)
    }
    if placement is not Placement.VOICE:
        texts["while_driving"] = {"const": False}
    return {"if": {"properties": {"placement": {"const": placement.value}}}, "then": {"properties": texts}}


TREATMENT = Table("treatment", "a treatment", _TREATMENT, {"allOf": [_room(placement) for placement in Placement]})
ACTION = Table(
    "action",
    "an action",
    {
        "id": Entry(form.ID, "Unique in a release, across all campaigns.", required=True),
        "kind": Entry(
            form.members(Kind),
            "`marketing`, `service` or `safety`. Safety goes before service before marketing, whatever the values. "
            "Service and safety need no consent and no cap, and carry no price, reward or advert.",
            required=True,
        ),
        "audience": Entry(
            form.members(Audience),
            "`subject`: a known person. `anyone`: also whoever is there unknown, of whom nothing may be read.",
            required=True,
        ),
        "group": Entry(form.ID, "The group it belongs to, of this campaign or another."),
        "when": Entry(
            ListOf(OneOf(_form_of_trigger, (SINGLE, SEQUENCE))),
            "What it waits for: any of a list. Required unless it `follows` another action.",
        ),
        "follows": Entry(FOLLOWS, "Only for some time after an offer of another action was answered."),
        "eligible": Entry(
            form.EXPRESSION, "Whether it may be offered at all: an expression. Left out, it always holds."
        ),
        "applicable": Entry(form.EXPRESSION, "Whether it makes sense now: an expression."),
        "suitable": Entry(form.EXPRESSION, "Whether it is kind to offer it now: an expression."),
        "facts": Entry(form.FACT_NEEDS, "The facts it rests on, each with the greatest age it may have, or `any`."),
        "nearest": Entry(NEAREST, "The place it points to."),
        "propensity": Entry(
            OneOf(_form_of_propensity, (MODEL, PRIOR, PREPARED)), "How likely it is to be accepted, P.", required=True
        ),
        "value": Entry(form.FACTOR, "What an acceptance is worth, V: 0 or more.", required=True),
        "annoyance": Entry(form.FACTOR, "What being bothered in vain costs, A: 0 or more.", required=True),
        "lever": Entry(form.FACTOR, "L: 0 or more; 1 if left out. For whoever steers priorities."),
        "context_weight": Entry(
            OneOf(_form_of_weight, (form.FACTOR, ListOf(WEIGHT))),
            "C: 0 or more; 1 if left out. Or a list of factors, multiplied where they hold.",
        ),
        "cap": Entry(
            LIMITS, "How often: one cap, a list of which all hold, or `unlimited`. Required of marketing; else refused."
        ),
        "cool_down": Entry(form.DURATION, f"{COOL_DOWN} Marketing only."),
        "suppress": Entry(SUPPRESS, "Until when to stay silent to whoever does not answer. Marketing only."),
        "valid_for": Entry(form.DURATION, "How long an offer of it may be shown; 5 min if left out."),
        "redeem_within": Entry(form.DURATION, "How long after acceptance it may be redeemed; 1 h if left out."),
        "reward": Entry(REWARD, "What is given on acceptance. Marketing only."),
        "budget": Entry(BUDGET, "What its rewards may cost. Marketing only; needs a reward with an amount."),
        "treatments": Entry(ListOf(TREATMENT), "The words, for each place it may be shown.", required=True),
    },
    {
        "anyOf": [{"required": ["when"]}, {"required": ["follows"]}],
        "if": {"properties": {"kind": {"const": Kind.MARKETING.value}}},
        "then": {"required": ["cap"]},
        "else": {"properties": dict.fromkeys(MARKETING_FIELDS, False)},
    },
)
CAMPAIGN = Table(
    "campaign",
    "a campaign",
    {
        "campaign": Entry(form.ID, "Its id. Unique in a release.", required=True),
        "valid": Entry(VALID, "The days between which its actions may be offered, in UTC."),
        "fallback": Entry(
            form.LANGUAGE,
            "The language to use where there is no treatment in the unit's own; left out: the first that is given.",
        ),
        "contact_policy": Entry(
            CONTACT_POLICY, "How often people are bothered by all marketing together. In at most one file."
        ),
        "groups": Entry(ListOf(GROUP), "Actions that share a contact policy, or are shown together."),
        "challenges": Entry(ListOf(CHALLENGE), "What people can reach by doing something several times."),
        "actions": Entry(ListOf(ACTION), "At least one.", required=True),
    },
)


def tables() -> Iterator[Table]:
    """Yield every table of the grammar once, outer ones first."""
    found: dict[str, Table] = {}
    waiting = [CAMPAIGN]
    while waiting:
        table = waiting.pop(0)
        if table.key not in found:
            found[table.key] = table
            waiting += [inner for entry in table.fields.values() for inner in entry.shape.tables()]
    yield from found.values()
