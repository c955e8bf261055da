"""What campaigns must not be, beyond their grammar: names nobody knows or that stand twice, and what follows here.

Every rule notes its problem at the field that breaks it and goes on. A rule that needs a field which could not be
read says nothing: that field has its own problem already. The rules of an action are in `campaign_check_action`, of
its words in `campaign_check_texts`, of its triggers in `campaign_check_patterns`, and whether it can ever come about in
`campaign_check_reach`.
"""

from collections.abc import Iterable, Mapping, Sequence

from gateway.core.fences.geometry import Fence
from gateway.core.release import ModelSpec
from gateway.wire.campaign_build import validity
from gateway.wire.campaign_check_action import check_action, check_contact
from gateway.wire.campaign_check_patterns import check_challenge, check_triggers
from gateway.wire.campaign_check_reach import check_reachable, check_seen
from gateway.wire.campaign_check_texts import check_texts
from gateway.wire.campaign_known import Known
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code


def check_campaigns(
    campaigns: Sequence[Part], fences: Mapping[str, Fence] | None, models: Mapping[str, ModelSpec] | None
) -> None:
    """Note every problem of the campaigns, together and each by itself.

    Fences and models that are None are not known now, so nothing is said about their names.
    """
    _check_names(campaigns)
    actions = list(_each(campaigns, "actions"))
    challenges = list(_each(campaigns, "challenges"))
    groups = list(_each(campaigns, "groups"))
    known = Known(_by_id(actions), _by_id(groups), _by_id(challenges), fences, models)
    for campaign in campaigns:
        _check_campaign(campaign)
    for challenge in challenges:
        check_challenge(challenge, known)
    for group in groups:
        check_contact(group)
    for action in actions:
        check_action(action, known)
        check_triggers(action, known)
        check_seen(action)
    for campaign in campaigns:
        for action in campaign.parts("actions"):
            check_texts(action, campaign.get("fallback", str))
    check_reachable(actions, known)


def _each(campaigns: Iterable[Part], name: str) -> Iterable[Part]:
    return (part for campaign in campaigns for part in campaign.parts(name))


def _by_id(parts: Iterable[Part]) -> dict[str, Part]:
    return {name: part for part in parts if (name := part.get("id", str)) is not None}


def _check_names(campaigns: Sequence[Part]) -> None:
    """No campaign, action, group or challenge has the name of another; only one file has the overall policy."""
    named: dict[str, Part] = {}
    for campaign in campaigns:
        name = campaign.get("campaign", str)
        if name and (first := named.setdefault(name, campaign)) is not campaign:
            message = f"the campaign {name!r} stands in {first.source.path} already"
            campaign.note(Code.DUPLICATE_CAMPAIGN, "campaign", message, "give it another name")
    _check_ids(_each(campaigns, "actions"), "action", Code.DUPLICATE_ACTION)
    _check_ids(_each(campaigns, "groups"), "group", Code.DUPLICATE_GROUP)
    _check_ids(_each(campaigns, "challenges"), "challenge", Code.DUPLICATE_CHALLENGE)
    first_of_all: Part | None = None
    for campaign in campaigns:
        if campaign.node_of("contact_policy") is None:
            continue
        first_of_all = first_of_all or campaign
        if first_of_all is not campaign:
            message = f"the contact policy over all marketing stands in {first_of_all.source.path} already"
            hint = "keep it in one file, or give a group its own"
            campaign.note(Code.DUPLICATE_CONTACT_POLICY, "contact_policy", message, hint)


def _check_ids(parts: Iterable[Part], what: str, code: Code) -> None:
    placed: dict[str, Part] = {}
    for part in parts:
        name = part.get("id", str)
        if name and (other := placed.setdefault(name, part)) is not part:
            where = f"{other.source.path}, line {other.node.start_mark.line + 1}"
            part.note(code, "id", f"the {what} {name!r} stands in {where} already", "give it another id")


def _check_campaign(campaign: Part) -> None:
    starts, ends = validity(campaign)
    if starts and ends and ends.value <= starts.value:
        message = "'until' lies before 'from': the campaign is never valid"
        campaign.source.note(Code.EMPTY_VALIDITY, ends.node, message, "both days belong to it")
    for policy in campaign.parts("contact_policy"):
        check_contact(policy)
