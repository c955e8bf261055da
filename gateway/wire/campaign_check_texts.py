"""What the words of an action must not be.

Too long for their place, with holes that nothing could fill, about a person in front of others, or an advert in service
and safety.
"""

from collections import Counter
from collections.abc import Iterator

from gateway.core.campaign import TEXT_LIMITS, Kind, Placement
from gateway.core.events import Outcome
from gateway.wire.campaign_grammar import TEXT_FIELDS
from gateway.wire.campaign_known import is_for_anyone, is_marketing, steps_of
from gateway.wire.campaign_rules import (
    TellingMoments,
    facts_told,
    find_placeholder_fault,
    length_of,
    price_in,
)
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code, Located


def check_texts(action: Part, fallback: str | None) -> None:
    """Note what is wrong with the words of an action. `fallback`: the language its campaign falls back to."""
    placed = Counter[tuple[Placement, str]]()
    told = _telling(action)
    for treatment in action.parts("treatments"):
        _check_flags(action, treatment)
        placement, language = treatment.get("placement", Placement), treatment.get("language", str)
        if placement and language:
            placed[placement, language] += 1
            if placed[placement, language] == 2:
                message = f"a second treatment for {placement} in {language!r}"
                hint = "keep one of them: only one can be shown"
                treatment.source.note(Code.DUPLICATE_TREATMENT, treatment.node, message, hint)
        for name, text in treatment.all_of(str, TEXT_FIELDS).items():
            _check_price(action, name, text)
            if _check_placeholders(action, name, text, told, is_personal=_is_personal(treatment)):
                _check_length(treatment, name, text)
    treatments = action.parts("treatments")
    for reward in action.parts("reward"):
        for name, text in reward.all_of(str, ("text",)).items():
            _check_placeholders(action, name, text, told, is_personal=all(map(_is_personal, treatments)))
    if fallback is not None:
        _check_fallback(action, fallback)


def _check_flags(action: Part, treatment: Part) -> None:
    if is_for_anyone(action) and treatment.get("personal", bool):
        message = "a personal treatment in an action for anyone, of whom nothing is known"
        hint = "write `audience: subject`, or word it for anyone"
        treatment.note(Code.PERSONAL_FOR_ANYONE, "personal", message, hint)
    if _has_discount(action) and not is_for_anyone(action) and not _is_personal(treatment):
        message = "a personal discount tells of a person, but the treatment is not personal"
        hint = "add `personal: true`, so that nobody else reads it"
        treatment.source.note(Code.NOT_PERSONAL, treatment.node, message, hint)
    placement = treatment.get("placement", Placement)
    if treatment.get("while_driving", bool) and placement and placement is not Placement.VOICE:
        message = f"'while_driving' is for voice only, not for {placement}"
        treatment.note(Code.WHILE_DRIVING_NOT_VOICE, "while_driving", message, "remove it")


def _check_price(action: Part, name: str, text: Located[str]) -> None:
    kind = action.get("kind", Kind)
    if kind is None or is_marketing(action):
        return
    words = price_in(text.value)
    if words:
        message = f"{name!r} of a {kind} action speaks of a price or an advert: {words!r}"
        hint = "say what is the matter, and sell nothing"
        action.source.note(Code.PRICE_NOT_MARKETING, text.node, message, hint, max(0, text.value.find(words)))


def _check_length(treatment: Part, name: str, text: Located[str]) -> None:
    placement = treatment.get("placement", Placement)
    if placement is None:
        return
    limit, length = TEXT_LIMITS[placement][TEXT_FIELDS.index(name)], length_of(text.value)
    if not limit:
        message = f"{placement} has no {name!r}"
        treatment.note(Code.TEXT_TOO_LONG, name, message, "say in the body what to do")
    elif length > limit:
        message = f"{name!r} has {length} characters; {placement} has room for {limit}"
        treatment.note(Code.TEXT_TOO_LONG, name, message, f"shorten it by {length - limit}")


def _is_personal(treatment: Part) -> bool:
    return bool(treatment.get("personal", bool) or treatment.get("private", bool))


def _check_placeholders(
    action: Part, name: str, text: Located[str], told: TellingMoments, *, is_personal: bool
) -> bool:
    """Note what is wrong with the placeholders of a text. Returns whether they can be read at all."""
    found = find_placeholder_fault(text.value, told, has_amount=_has_amount(action), has_nearest=_has_nearest(action))
    if found is not None:
        message, hint, offset = found
        action.source.note(Code.BAD_PLACEHOLDER, text.node, f"{name!r}: {message}", hint, offset)
        return False
    for placeholder, fact in facts_told(text.value):
        _check_fact(action, text, placeholder, fact, is_personal=is_personal)
    return True


def _check_fact(action: Part, text: Located[str], placeholder: str, fact: str, *, is_personal: bool) -> None:
    note, offset = action.source.note, text.value.find(f"{{{placeholder}}}")
    of_person = placeholder.startswith("facts.")
    if of_person and is_for_anyone(action):
        message = f"{{{placeholder}}} tells of a person, but the action is for anyone"
        hint = "write `audience: subject`, or word it for anyone"
        note(Code.PERSONAL_FOR_ANYONE, text.node, message, hint, offset)
        return
    if of_person and not is_personal:
        message = f"{{{placeholder}}} tells of a person, but the treatment is not personal"
        note(Code.NOT_PERSONAL, text.node, message, "add `personal: true`, so that nobody else reads it", offset)
    if fact not in _stated_facts(action):
        message = f"{{{placeholder}}} is told, but 'facts' does not say how old {fact!r} may be"
        note(Code.UNSTATED_FACT, text.node, message, f"add `{fact}: 24 h` to 'facts', or `{fact}: any`", offset)


def _stated_facts(action: Part) -> set[str]:
    """Return the facts an action states; one with a fault is stated all the same."""
    return {name for facts in action.parts("facts") for name in facts.names}


def _has_amount(action: Part) -> bool:
    return any(reward.node_of(name) is not None for reward in action.parts("reward") for name in ("cost", "discount"))


def _has_discount(action: Part) -> bool:
    return any(reward.node_of("discount") is not None for reward in action.parts("reward"))


def _has_nearest(action: Part) -> bool:
    return action.node_of("nearest") is not None


def _telling(action: Part) -> TellingMoments:
    """Return the moments by which an offer of the action can come about; None: of one trigger it is not known."""
    return tuple(_last_moments(action))


def _last_moments(action: Part) -> Iterator[str | None]:
    for trigger in action.parts("when"):
        steps = steps_of(trigger)
        if trigger.node_of("absent") is not None:
            yield ""
        else:
            yield steps[-1].get("moment", str) if steps else None
    for follows in action.parts("follows"):
        outcome = follows.get("outcome", Outcome)
        yield f"Offer{outcome.value.title()}" if outcome else None


def _check_fallback(action: Part, fallback: str) -> None:
    languages: dict[Placement, set[str]] = {}
    for treatment in action.parts("treatments"):
        placement, language = treatment.get("placement", Placement), treatment.get("language", str)
        if placement is None or language is None:
            return
        languages.setdefault(placement, set()).add(language)
    for placement, given in languages.items():
        if fallback not in given:
            message = f"no treatment for {placement} in {fallback!r}, the language the campaign falls back to"
            action.note(Code.MISSING_FALLBACK, "treatments", message, f"add one in {fallback!r}")
