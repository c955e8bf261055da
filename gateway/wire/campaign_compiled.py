"""Writing and reading the JSON of a compiled campaign."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields

from pydantic import ValidationError

from gateway.core.campaign import Action, Campaigns, Kind
from gateway.core.errors import ReleaseError
from gateway.core.terms import UNLIMITED, ContactPolicy
from gateway.wire.campaign_guard import breaches
from gateway.wire.campaign_model import FORMAT, CompiledCampaign
from gateway.wire.campaign_model import UNLIMITED as UNLIMITED_CAPS

_OF_CAMPAIGN = frozenset({"starts", "ends", "fallback", "campaign"})


def compile_campaign(name: str, campaign: Campaigns) -> dict[str, object]:
    """Return the JSON of one campaign, whose actions share its validity.

    Raises:
        ReleaseError: It breaks a rule.
    """
    first = campaign.actions[0]
    document = {
        "format": FORMAT,
        "campaign": name,
        "starts_ms": first.starts,
        "ends_ms": first.ends,
        "fallback": first.fallback,
        "contact": None if campaign.contact == UNLIMITED else _contact(campaign.contact),
        "groups": [
            {"id": group.id, "contact": _contact(group.contact), "slate": group.slate} for group in campaign.groups
        ],
        "challenges": [
            {name: value for name, value in asdict(challenge).items() if name != "campaign"}
            for challenge in campaign.challenges
        ],
        "actions": [_action(action) for action in campaign.actions],
    }
    return _validated(document)[0].model_dump(mode="json", exclude_none=True)


def _action(action: Action) -> dict[str, object]:
    elsewhere = _OF_CAMPAIGN | {field.name for field in fields(action) if not field.init}
    document = {name: value for name, value in asdict(action).items() if name not in elsewhere}
    is_stated = action.kind is Kind.MARKETING or action.contact != UNLIMITED
    return {**document, "contact": _contact(action.contact) if is_stated else None}


def _contact(policy: ContactPolicy) -> dict[str, object]:
    return {**asdict(policy), "caps": [asdict(cap) for cap in policy.caps] or UNLIMITED_CAPS}


def read_campaign(document: Mapping[str, object]) -> Campaigns:
    """Return what a compiled campaign says.

    Raises:
        ReleaseError: It is of another format or breaks a rule of this one.
    """
    if document.get("format") != FORMAT:
        raise ReleaseError(
            f"campaign format {document.get('format')!r} is not known; this gateway reads format {FORMAT}: "
            "build the release anew"
        )
    return _validated(document)[1]


def together(campaigns: Iterable[Campaigns]) -> Campaigns:
    """Return what several campaigns say as one.

    Raises:
        ReleaseError: Two of them have a contact policy over all marketing.
    """
    given = list(campaigns)
    policies = [campaign.contact for campaign in given if campaign.contact != UNLIMITED]
    if len(policies) > 1:
        raise ReleaseError("two campaigns have a contact policy over all marketing")
    return Campaigns(
        actions=tuple(action for campaign in given for action in campaign.actions),
        groups=tuple(group for campaign in given for group in campaign.groups),
        challenges=tuple(challenge for campaign in given for challenge in campaign.challenges),
        contact=policies[0] if policies else UNLIMITED,
    )


def _validated(document: Mapping[str, object]) -> tuple[CompiledCampaign, Campaigns]:
    try:
        compiled = CompiledCampaign.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"campaign: {where}: {first['msg']}") from error
    campaign = _to_core(compiled)
    for breach in breaches(campaign):
        raise ReleaseError(f"campaign: {breach}")
    return compiled, campaign


def _to_core(compiled: CompiledCampaign) -> Campaigns:
    name = compiled.campaign
    of_campaign = {"starts": compiled.starts_ms, "ends": compiled.ends_ms, "fallback": compiled.fallback}
    return Campaigns(
        actions=tuple(action.to_core(**of_campaign, campaign=name) for action in compiled.actions),
        groups=tuple(group.to_core(campaign=name) for group in compiled.groups),
        challenges=tuple(challenge.to_core(campaign=name) for challenge in compiled.challenges),
        contact=compiled.contact.to_core() if compiled.contact else UNLIMITED,
    )
