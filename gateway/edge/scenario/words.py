"""Every word of a scenario file: what it means, what may follow it, whether it must stand there.

`reading` reads by these tables, `schema` publishes them as JSON Schema, the reference lists them. Names of words may
hold spaces: a scenario is read aloud.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from gateway.core.campaign import Placement
from gateway.core.effects import Stage
from gateway.core.events import Outcome, Purpose, Role, UnitKind
from gateway.core.moments import MOMENTS
from gateway.edge.scenario.signals import FRIENDLY, SEAT_WORDS
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.payloads import Method
from gateway.wire.vss import LEAVES, Use

Schema: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the format.

    Attributes:
        means: What it says, as the reference has it.
        takes: The JSON Schema of what follows it.
    """

    means: str
    takes: Schema
    required: bool = False


Words: TypeAlias = Mapping[str, Word]

EVERYTHING: Final = "everything"
NOTHING: Final = "nothing"
GUEST: Final = "guest"
GONE: Final = "gone"

TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"}
NAMES: Schema = {"type": "array", "items": NAME, "minItems": 1}
SCALAR: Schema = {"type": ["string", "number", "boolean"]}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
DURATION: Schema = {"type": "string", "pattern": r"^\d+\s*(s|min|h|d)$"}
AGO: Schema = {"type": "string", "pattern": r"^\d+\s*(s|min|h|d)\s+ago$"}
DISTANCE: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(m|km)$"}
MOMENT_OF_DAY: Schema = {
    "type": "string",
    "pattern": r"^((\d{4}-\d{2}-\d{2}|Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ T]+)?\d{1,2}:\d{2}(:\d{2})?$",
}
DAY_AND_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[ T]+\d{1,2}:\d{2}(:\d{2})?$"}
POINT: Schema = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}


def one_of(*names: str) -> Schema:
    """Return the schema of one of some words."""
    return {"type": "string", "enum": list(names)}


def several(item: Schema) -> Schema:
    """Return the schema of one such thing, or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def mapping_of(words: Words) -> dict[str, object]:
    """Return the schema of a mapping with these words and no other."""
    described: dict[str, object] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**word.takes, "description": word.means} for name, word in words.items()},
    }
    required = [name for name, word in words.items() if word.required]
    return {**described, "required": required} if required else described


def named(item: Schema) -> dict[str, object]:
    """Return the schema of things by their names."""
    return {"type": "object", "propertyNames": NAME, "additionalProperties": item, "minProperties": 1}


def needed(words: Words) -> dict[str, bool]:
    """Return each word's name and whether it must stand there."""
    return {name: word.required for name, word in words.items()}


def _optional(words: Words) -> Words:
    return MappingProxyType({name: Word(word.means, word.takes) for name, word in words.items()})


_PURPOSES: Schema = {"anyOf": [one_of(EVERYTHING), several(one_of(*Purpose))]}
_PLACEMENT = one_of(*Placement)

FACT: Words = {
    "value": Word(
        "What is so; `null` (in `learns`): it is known no longer.",
        {"type": ["string", "number", "boolean"]},
        required=True,
    ),
    "told": Word("How long ago that was told: `3 h ago`. Left out: just now.", AGO),
    "holds for": Word("How long it holds, from when it was told. Left out: until something else is told.", DURATION),
}
FACTS: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,63}$"},
    "additionalProperties": {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, mapping_of(FACT)]},
    "minProperties": 1,
}

UNIT: Words = {
    "kind": Word("What it is.", one_of(*UnitKind), required=True),
    "shows on": Word("Its placements. Left out: all that a unit of its kind can have.", several(_PLACEMENT)),
    "language": Word("The language it speaks. Left out: `en`.", TEXT),
    "shows offers to guests": Word("Whether its owner lets unknown people see marketing. Left out: `false`.", FLAG),
    "facts": Word("What is known of it from elsewhere.", FACTS),
}
PLACE: Words = {
    "kind": Word("What kind of place it is.", one_of(*FENCE_KINDS), required=True),
    "at": Word("Its middle: longitude, latitude.", POINT, required=True),
    "radius": Word("How far around the middle it reaches. Left out: `100 m`.", DISTANCE),
    "name": Word("What people call it. Left out: its name here.", TEXT),
    "tags": Word("What else is said of it: `[partner]`.", several(NAME)),
    "dwell": Word("After how long inside it is a real visit. Left out: never.", DURATION),
    "approach": Word(
        "How near, or how long before arriving, whoever heads for it approaches.", {"anyOf": [DISTANCE, DURATION]}
    ),
    "beacon": Word("The beacon that speaks for it.", TEXT),
    "open": Word("Its opening hours: `Mo-Fr 08:00-18:00`.", TEXT),
    "facts": Word("What is known of it from elsewhere: stock, a price, whether its pumps work.", FACTS),
}
PERSON: Words = {
    "agrees to": Word("The purposes they have agreed to. Left out: none; what is not known is denied.", _PURPOSES),
    "agrees until": Word("When that ends. Left out: it does not.", DAY_AND_TIME),
    "facts": Word("What is known of them from elsewhere.", FACTS),
    "household": Word("The household they belong to.", NAME),
    "card": Word("The number of their card, which nobody keeps: it becomes a keyed hash.", TEXT),
}
GIVEN: Words = {
    "now": Word("When the story begins, by the clock on the wall: `2026-11-19 08:00`.", DAY_AND_TIME, required=True),
    "zone": Word("The time zone. Left out: `UTC`.", TEXT),
    "campaigns": Word("The campaign files of the release, from this file's folder.", several(TEXT), required=True),
    "fences": Word("Files of places, from this file's folder: GeoJSON, GeoPackage, CSV.", several(TEXT)),
    "places": Word("Places, by name.", named(mapping_of(PLACE))),
    "models": Word("The models of the release, by name, or by their folder from this file's folder.", several(TEXT)),
    "units": Word("Who hears and shows: cars, kiosks, beacons, by name.", named(mapping_of(UNIT)), required=True),
    "people": Word("Who comes up, by name.", named(mapping_of(PERSON))),
}
GIVEN_ANEW = _optional(
    {
        **{name: word for name, word in GIVEN.items() if name not in {"units", "places"}},
        "units": Word(GIVEN["units"].means, named(mapping_of(_optional(UNIT)))),
        "places": Word(GIVEN["places"].means, named(mapping_of(_optional(PLACE)))),
    }
)
UNIT_ANEW, PLACE_ANEW = _optional(UNIT), _optional(PLACE)

_WHICH_UNIT = Word("At which unit. Left out: where they are, or the only one there is.", NAME)
_SEATS = {
    "type": "object",
    "additionalProperties": one_of("occupied", "empty", "unknown"),
    "propertyNames": one_of(*SEAT_WORDS),
}
_RAW = {
    path: Word(f"The signal of that path, in {leaf.unit or leaf.datatype}.", SCALAR)
    for path, leaf in LEAVES.items()
    if leaf.use is Use.SIGNAL
}

ARRIVES: Words = {
    "who": Word("A person by name.", NAME, required=True),
    "unit": Word("At which unit. Left out: the only one there is.", NAME),
    "as": Word("In which role. Left out: driver of a car, customer of anything else.", one_of(*Role)),
    "by": Word("How they made themselves known. Left out: `card` if they have one, else `app`.", one_of(*Method)),
}
LEAVES_WORDS: Words = {
    "who": Word(
        "A person by name, or `guest`: whoever was there unknown has handed the unit over.", NAME, required=True
    ),
    "unit": _WHICH_UNIT,
    "as": Word("Of a guest: in which role. Left out: as in `arrives`.", one_of(*Role)),
}
SIGNALS: Words = {
    "unit": Word("Which unit. Left out: the only one there is.", NAME),
    "seats": Word("Who sits where.", _SEATS),
    **{name: Word(friendly.means, friendly.takes) for name, friendly in FRIENDLY.items()},
    **_RAW,
}
MOVES: Words = {
    "unit": Word("Which unit. Left out: the only one there is.", NAME),
    "into": Word("It has come into a place.", NAME),
    "out of": Word("It has left a place, surely.", NAME),
    "towards": Word("It heads for a place, and is as near as the place's `approach` says.", NAME),
    "past": Word("It went through a place without stopping.", NAME),
}
HEARS: Words = {
    "unit": Word("Which unit. Left out: the only one there is.", NAME),
    "beacon": Word("The beacon.", TEXT, required=True),
    "at": Word("How far away, or `gone`: no longer.", {"anyOf": [DISTANCE, one_of(GONE)]}, required=True),
}
AGREES: Words = {
    "who": Word("A person by name, or `guest`.", NAME, required=True),
    "to": Word("The purposes, or `everything`.", _PURPOSES, required=True),
    "until": Word("When it ends.", DAY_AND_TIME),
    "said": Word("When it was said: an older word may arrive late. Left out: just now.", AGO),
    "unit": _WHICH_UNIT,
}
WITHDRAWS: Words = {
    "who": Word("A person by name, or `guest`.", NAME, required=True),
    "from": Word("The purposes, or `everything`.", _PURPOSES, required=True),
    "said": AGREES["said"],
    "unit": _WHICH_UNIT,
}
LEARNS: Words = {
    "about": Word("A person, a place or a unit by name.", NAME, required=True),
    "facts": Word("What is known of it now.", FACTS, required=True),
    "unit": Word("Which unit told it. Left out: the one it is about, or the first.", NAME),
}
PREPARES: Words = {
    "for": Word("A person by name.", NAME, required=True),
    "list": Word(
        "How likely they are to accept each of these actions.",
        {"type": "object", "propertyNames": NAME, "additionalProperties": NUMBER},
        required=True,
    ),
    "holds for": FACT["holds for"],
}
ANSWERS: Words = {
    "offer": Word("The newest offer of this action.", NAME, required=True),
    "with": Word("What became of it; several in this order.", several(one_of(*Outcome)), required=True),
    "unit": Word("Who says so: a till may redeem what a car offered. Left out: the unit it was shown at.", NAME),
}
CLOCK: Words = {"is": Word("Whether the gateway knows what time it is.", one_of("sure", "suspect"), required=True)}
LOSES: Words = {"unit": Word("The unit whose own connection ended.", NAME, required=True)}

HAPPENINGS: Mapping[str, tuple[str, Words]] = MappingProxyType(
    {
        "arrives": ("A known person is there.", ARRIVES),
        "leaves": ("A person is gone.", LEAVES_WORDS),
        "signals": ("A unit says what its sensors say.", SIGNALS),
        "moves": ("A unit has moved, by its own positions.", MOVES),
        "hears": ("A unit hears a beacon.", HEARS),
        "agrees": ("A person agrees.", AGREES),
        "withdraws": ("A person withdraws what they agreed to.", WITHDRAWS),
        "learns": ("The gateway is told something that is known elsewhere.", LEARNS),
        "prepares": ("The centre has prepared a list.", PREPARES),
        "answers": ("What became of an offer.", ANSWERS),
        "loses": ("A unit is no longer connected.", LOSES),
        "clock": ("Whether the gateway's clock can be believed; at first it can.", CLOCK),
    }
)
"""What may happen, by the word for it; each may also be a list of several that happen in this order."""

FACTORS: Words = {
    "propensity": Word("P: how likely it is to be accepted.", NUMBER),
    "context weight": Word("C.", NUMBER),
    "value": Word("V.", NUMBER),
    "lever": Word("L.", NUMBER),
    "annoyance": Word("A.", NUMBER),
    "net value": Word("P x C x V x L - (1 - P) x A.", NUMBER),
}
_WEIGHED = Word("Factors of its net value, compared to as many decimals as are written.", mapping_of(FACTORS))
OFFER: Words = {
    "action": Word("The action.", NAME, required=True),
    "on": Word("The placement.", _PLACEMENT),
    "unit": Word("The unit it is shown at.", NAME),
    "to": Word("The person it is for, or `guest`.", NAME),
    "says": Word("Words that stand in its title, body or call to action.", several(TEXT)),
    "reward": Word("Words that stand in its reward, or `nothing`.", TEXT),
    "weighed": _WEIGHED,
}
_OFFER: Schema = {"anyOf": [NAME, mapping_of(OFFER)]}
SLATE: Words = {
    "together": Word(
        "Offers shown together, in this order.", {"type": "array", "items": _OFFER, "minItems": 2}, required=True
    )
}
WITHDRAWN: Words = {
    "action": OFFER["action"],
    "reason": Word("Why.", NAME),
}
REFUSAL: Words = {
    "reason": Word("The reason.", NAME, required=True),
    "stage": Word("The stage of screening.", one_of(*Stage)),
    "on": OFFER["on"],
    "unit": OFFER["unit"],
    "with": Word("Values that decided it.", {"type": "object"}),
    "weighed": _WEIGHED,
}
_MOMENTS = several(one_of(*MOMENTS))
THEN: Words = {
    "offered": Word(
        "What is offered, in this order, or `nothing`. Left out: nothing is, and an offer is a difference.",
        {"anyOf": [one_of(NOTHING), several({"anyOf": [_OFFER, mapping_of(SLATE)]})]},
    ),
    "withdrawn": Word(
        "What is taken back, or `nothing`. Left out: nothing is.", several({"anyOf": [NAME, mapping_of(WITHDRAWN)]})
    ),
    "refused": Word(
        "Actions that came up and were not chosen, each with a reason. Others may be refused too.",
        named({"anyOf": [several(NAME), several(mapping_of(REFUSAL))]}),
    ),
    "noticed": Word("Moments that are among those noticed.", _MOMENTS),
    "unnoticed": Word("Moments that are not.", _MOMENTS),
    "not considered": Word("Actions that do not even come up.", several(NAME)),
}
ENTRY: Words = {
    "at": Word("When: `08:00:00` (the next time it is so), `Wed 17:30`, `2026-11-20 08:00`.", MOMENT_OF_DAY),
    "after": Word("How long after the entry before: `10 s`, `3 min`, `10 d`. Left out, as `at` is: at once.", DURATION),
    **{name: Word(means, several(mapping_of(words))) for name, (means, words) in HAPPENINGS.items()},
    "then": Word(
        "What has followed since the last `then`: exactly these offers, and at least these reasons.", mapping_of(THEN)
    ),
}
_STORY: Schema = {"type": "array", "items": mapping_of(ENTRY), "minItems": 1}
CASE: Words = {
    "case": Word("What is different, in a few words.", TEXT, required=True),
    "given": Word("What is given otherwise, name by name, fact by fact.", mapping_of(GIVEN_ANEW)),
    "meanwhile": Word("What happens just before the story's last entry.", _STORY),
    "then": Word("What follows instead of the story's last `then`.", mapping_of(THEN)),
    "story": Word("Another story altogether.", _STORY),
}
SCENARIO: Words = {
    "scenario": Word("What it is called.", TEXT, required=True),
    "tells": Word("The story in plain words.", TEXT),
    "given": Word("What is so before anything happens.", mapping_of(GIVEN), required=True),
    "story": Word("What happens, and what follows.", _STORY, required=True),
    "but": Word(
        "The same with a difference: the cases in which something else is to follow.",
        {"type": "array", "items": mapping_of(CASE), "minItems": 1},
    ),
}
