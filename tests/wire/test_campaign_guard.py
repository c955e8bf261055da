"""What `wayside check` refuses to protect people, a device refuses too, whoever made the release."""

import json
import re
from pathlib import Path

import pytest

from gateway.core.errors import ReleaseError
from gateway.core.release import ModelSpec, compile_release
from gateway.wire.campaign_build import build_campaign
from gateway.wire.campaign_compiled import compile_campaign, read_campaign
from gateway.wire.campaign_grammar import CAMPAIGN
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code, open_source

BROKEN = Path(__file__).parent / "broken_campaigns"
PROTECTS = {
    Code.PERSONAL_FOR_ANYONE,
    Code.REWARD_NOT_MARKETING,
    Code.BUDGET_NOT_MARKETING,
    Code.PRICE_NOT_MARKETING,
    Code.SUSPICION_SELLS,
    Code.WHILE_DRIVING_NOT_VOICE,
    Code.TEXT_TOO_LONG,
    Code.NOT_PERSONAL,
    Code.UNSTATED_FACT,
    Code.BAD_PLACEHOLDER,
    Code.BAD_EXPRESSION,
}
MODELS = [ModelSpec("coupon", "1.0.0", ("hour", "visits_bar"), ("bar",))]


def code_of(path: Path) -> Code:
    head = re.match(rb"# expect \d+:\d+ (\w+):", path.read_bytes())
    assert head is not None
    return Code(head[1].decode())


FAULTY = [path for path in sorted(BROKEN.glob("*.yaml")) if code_of(path) in PROTECTS]


def test_each_rule_that_protects_people_has_a_campaign_that_breaks_it() -> None:
    assert {code_of(path) for path in FAULTY} == PROTECTS


@pytest.mark.parametrize("path", FAULTY, ids=lambda path: path.stem)
def test_a_campaign_that_nobody_checked_is_refused_by_the_device(path: Path) -> None:
    source, root = open_source(path)
    assert root is not None
    campaign = CAMPAIGN.read(source, root, "campaign")
    with pytest.raises(ReleaseError):
        activate(campaign)


def activate(campaign: Part) -> None:
    """Do with a campaign what a builder that checks nothing and then a device would do."""
    document = compile_campaign(campaign.need("campaign", str), build_campaign(campaign))
    said = read_campaign(json.loads(json.dumps(document)))
    compile_release("r-1", 1, [], said.actions, MODELS, groups=said.groups, challenges=said.challenges)
