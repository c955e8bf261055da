import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.campaign import Action, Audience, Cap, Kind, Placement, Reward, Step, Treatment, Trigger
from gateway.core.errors import ReleaseError
from gateway.core.moments import MOMENTS
from gateway.core.policy import VARIABLES
from gateway.core.units import DAY_MS
from gateway.wire import campaign_draft
from gateway.wire.campaigns import CampaignsRefused, Code, check, compile_campaign, load_campaigns, read_campaign
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.yaml_places import place_in

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo" / "campaigns"
REFERENCE = ROOT / "docs" / "reference" / "campaigns.md"

FULL = """
campaign: fuel-stop
valid: {from: 2026-01-01, until: 2026-01-31}
actions:
  - id: pastry_alone
    kind: marketing
    audience: subject
    when:
      - moment: Parked
        fence_kind: fuel_station
      - sequence: [{moment: Parked, fence: station-1}, {moment: OfferRedeemed, action: pastry_alone}]
        within: 20 min
    eligible: occupants == 1 && parked
    applicable: |
      hour > 6
    suitable: "true"
    propensity: {model: coupon_propensity, category: coffee_house}
    value: 1.2
    annoyance: 4e-1
    lever: 2
    context_weight: 0
    cap: {count: 1, within: 24 h}
    valid_for: 90 s
    redeem_within: 3600
    reward: {id: pastry, text: A free pastry}
    treatments:
      - placement: driver_screen
        language: pt-BR
        title: '  A title '
        body: A body
        call_to_action: Do it
        personal: true
        private: false
      - placement: voice
        language: en
        title: A title
        body: A body
        while_driving: true
"""

FULL_ACTION = Action(
    id="pastry_alone",
    kind=Kind.MARKETING,
    audience=Audience.SUBJECT,
    triggers=(
        Trigger((Step("Parked", fence_kind="fuel_station"),)),
        Trigger((Step("Parked", fence="station-1"), Step("OfferRedeemed", action="pastry_alone")), within_s=1200),
    ),
    treatments=(
        Treatment(Placement.DRIVER_SCREEN, "pt-BR", "A title", "A body", "Do it", personal=True),
        Treatment(Placement.VOICE, "en", "A title", "A body", while_driving=True),
    ),
    eligible="occupants == 1 && parked",
    applicable="hour > 6",
    suitable="true",
    model="coupon_propensity",
    category="coffee_house",
    value=1.2,
    annoyance=0.4,
    lever=2.0,
    context_weight=0.0,
    cap=Cap(1, 86_400),
    reward=Reward("pastry", "A free pastry"),
    valid_for_s=90,
    redeem_within_s=3600,
    starts=1_767_225_600_000,
    ends=1_767_225_600_000 + 31 * DAY_MS,
    campaign="fuel-stop",
)


def write(folder: Path, text: str) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def compiled() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(compile_campaign("fuel-stop", [FULL_ACTION])))
    return document


def test_every_field_reaches_the_action(tmp_path: Path) -> None:
    assert load_campaigns([write(tmp_path, FULL)]) == (FULL_ACTION,)


def test_what_is_left_out_has_the_defaults_of_the_core(tmp_path: Path) -> None:
    lines = [line for line in FULL.splitlines() if not re.match(r" {4}(lever|context|valid_for|redeem|applic)", line)]
    lines.remove("      hour > 6")
    lines.remove("valid: {from: 2026-01-01, until: 2026-01-31}")
    (action,) = load_campaigns([write(tmp_path, "\n".join(lines))])
    default = Action("", Kind.MARKETING, Audience.SUBJECT, (), ())
    assert (action.lever, action.context_weight) == (default.lever, default.context_weight)
    assert (action.valid_for_s, action.redeem_within_s) == (default.valid_for_s, default.redeem_within_s)
    assert (action.applicable, action.starts, action.ends) == ("", None, None)


def test_unlimited_is_a_cap_of_none(tmp_path: Path) -> None:
    (action,) = load_campaigns([write(tmp_path, FULL.replace("{count: 1, within: 24 h}", "unlimited"))])
    assert action.cap is None


def test_the_last_day_of_a_campaign_belongs_to_it(tmp_path: Path) -> None:
    text = FULL.replace("until: 2026-01-31", "until: 2026-01-01")
    (action,) = load_campaigns([write(tmp_path, text)])
    assert (action.starts, action.ends) == (1_767_225_600_000, 1_767_225_600_000 + DAY_MS)


def test_loading_raises_with_every_problem(tmp_path: Path) -> None:
    path = write(tmp_path, FULL.replace("value: 1.2", "value: -1").replace("kind: marketing", "kind: sale"))
    with pytest.raises(CampaignsRefused, match="'value' must be 0 or more") as refused:
        load_campaigns([path])
    assert [problem.code for problem in refused.value.problems] == [Code.BAD_VALUE, Code.OUT_OF_RANGE]
    assert isinstance(refused.value, ReleaseError)


def test_a_file_that_is_not_there_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    (problem,) = check([tmp_path / "none.yaml"])
    assert (problem.code, problem.line) == (Code.UNREADABLE, 0)
    assert str(problem) == f"{tmp_path}/none.yaml: cannot be read: No such file or directory [unreadable]"


def test_a_folder_without_campaigns_is_a_problem(tmp_path: Path) -> None:
    assert [problem.code for problem in check([tmp_path])] == [Code.UNREADABLE]


def test_a_file_too_large_is_not_parsed(tmp_path: Path) -> None:
    (problem,) = check([write(tmp_path, FULL + "#" * (1 << 20))])
    assert problem.code is Code.UNREADABLE


def test_an_alias_is_read_and_its_problem_told_once(tmp_path: Path) -> None:
    text = FULL.replace("title: '  A title '", "title: &title 24").replace("title: A title", "title: *title")
    assert [problem.code for problem in check([write(tmp_path, text)])] == [Code.WRONG_TYPE]


@given(st.binary(max_size=200))
def test_no_bytes_make_check_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_bytes(content)
    assert check([path]) != []


@given(st.data())
def test_no_cut_or_doubled_line_makes_check_raise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = FULL.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2, [lines[at][:-3]], [lines[at] + " *"]]))
    path = tmp_path_factory.getbasetemp() / "cut.yaml"
    path.write_text("\n".join(lines))
    for problem in check([path]):
        assert 0 <= problem.line <= len(lines) + 1


@given(st.text("ab &<>='\"\\#:!\n\té", min_size=1, max_size=40), st.sampled_from([None, "'", '"', "|", ">"]), st.data())
def test_a_character_is_found_where_it_was_written(value: str, style: str | None, data: st.DataObject) -> None:
    text = yaml.dump({"key": [value]}, default_style=style, allow_unicode=True, width=12)
    root = yaml.compose(text)
    assert root is not None
    node = root.value[0][1].value[0]
    visible = [offset for offset, char in enumerate(node.value.strip()) if not char.isspace()]
    if visible:
        offset = data.draw(st.sampled_from(visible))
        line, column = place_in(text, node, offset)
        found = text.splitlines()[line - 1][column - 1 :]
        char = node.value.strip()[offset]
        assert found.startswith(char) or yaml.safe_load(f'"{found[:2]}"') == char


@pytest.mark.parametrize(
    ("written", "offset", "column"),
    [
        (r'"a\x20\u0041 b"', 1, 12),
        (r'"a\x20\u0041 b"', 2, 12),
        (r'"a\x20\u0041 b"', 4, 19),
        ("'it''s so'", 2, 9),
        ("'it''s so'", 3, 11),
        ("&name plain", 2, 14),
        ("!!str 'quoted'", 0, 13),
    ],
)
def test_escapes_quotes_and_tags_do_not_shift_the_place(written: str, offset: int, column: int) -> None:
    text = f"key: {written}"
    root = yaml.compose(text)
    assert root is not None
    assert place_in(text, root.value[0][1], offset) == (1, column)


def test_the_demo_campaign_has_no_problem() -> None:
    assert check([DEMO]) == []


def test_a_compiled_campaign_reads_back_as_it_was() -> None:
    assert read_campaign(compiled()) == (FULL_ACTION,)


def test_the_demo_campaign_survives_its_compiled_form() -> None:
    actions = load_campaigns([DEMO])
    assert read_campaign(compile_campaign("fuel-stop", actions)) == actions


def test_an_unlimited_cap_is_written_out() -> None:
    document = compile_campaign("fuel-stop", [replace(FULL_ACTION, cap=None)])
    assert read_campaign(document)[0].cap is None
    assert '"cap": "unlimited"' in json.dumps(document)


def service(**changes: object) -> dict[str, Any]:
    document = compiled()
    plain = {"kind": "service", "audience": "subject"}
    action = {**document["actions"][0], **plain, **changes}
    for name in ("cap", "reward"):
        if name not in changes:
            del action[name]
    document["actions"] = [action]
    return document


def test_a_service_action_is_read() -> None:
    assert read_campaign(service())[0].kind is Kind.SERVICE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2 is not known"),
        ({"format": None}, "format None is not known"),
        ({"author": "me"}, "author: Extra inputs are not permitted"),
        ({"actions": []}, "actions: Tuple should have at least 1 item"),
        ({"campaign": "a b"}, "campaign: String should match"),
        ({"starts_ms": "soon"}, "starts_ms: Input should be a valid integer"),
    ],
)
def test_a_compiled_campaign_of_another_shape_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        read_campaign({**compiled(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": -1.0}, "value: Input should be greater"),
        ({"value": float("nan")}, "value"),
        ({"value": True}, "value"),
        ({"prior": 0.5}, "needs a model with a category, or a prior"),
        ({"model": None}, "needs a model with a category, or a prior"),
        ({"category": None}, "needs a model with a category, or a prior"),
        ({"cap": None}, "marketing needs a cap"),
        ({"cap": {"count": 0, "within_s": 1}}, "cap"),
        ({"kind": "advert"}, "kind: Input should be"),
        ({"eligible": "ocupants == 1"}, "unknown name 'ocupants'"),
        ({"eligible": "1 / 0 == 1"}, "can only fail"),
        ({"triggers": []}, "triggers"),
        ({"triggers": [{"steps": [{"moment": "Flown"}]}]}, "unknown moment"),
        ({"triggers": [{"steps": [{"moment": "Parked", "fence_kind": "moon"}]}]}, "unknown fence kind"),
        ({"triggers": [{"steps": [{"moment": "Parked"}, {"moment": "Parked"}]}]}, "a sequence needs within_s"),
        ({"audience": "anyone"}, "nothing personal in an action for anyone"),
    ],
)
def test_a_compiled_action_that_breaks_a_rule_is_refused(change: dict[str, object], message: str) -> None:
    document = compiled()
    document["actions"][0].update(change)
    with pytest.raises(ReleaseError, match=message):
        read_campaign(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cap": "unlimited"}, "neither reward nor cap"),
        ({"reward": {"id": "gift", "text": "A gift"}}, "neither reward nor cap"),
        (
            {"treatments": [{"placement": "voice", "language": "en", "title": "Only 5 €", "body": "Now"}]},
            "no price and no advert",
        ),
    ],
)
def test_a_compiled_service_action_that_sells_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        read_campaign(service(**change))


def test_a_compiled_action_for_anyone_reads_no_facts() -> None:
    document = compiled()
    treatment = {"placement": "voice", "language": "en", "title": "A title", "body": "A body"}
    document["actions"][0] |= {"audience": "anyone", "treatments": [treatment], "suitable": "facts.x == 1"}
    with pytest.raises(ReleaseError, match="reads of a subject"):
        read_campaign(document)


def test_the_reference_shows_a_campaign_that_may_be_released(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    assert check([write(tmp_path, example[1])]) == []


def test_the_reference_names_every_word_of_a_campaign() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    tables = [value for name, value in vars(campaign_draft).items() if name.endswith("_FIELDS")]
    fields = {field for table in tables for field in table}
    enumerated = {*Kind, *Audience, *Placement, *Code}
    words = fields | set(MOMENTS) | set(VARIABLES) | {str(word) for word in enumerated}
    assert {word for word in words if f"`{word}`" not in text} == set()
    assert {kind for kind in FENCE_KINDS if kind not in text} == set()


def test_the_reference_says_which_fields_are_required() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (required|)", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    said = {(name, required == "required") for name, required in rows}
    tables: list[Mapping[str, bool]] = [
        campaign_draft.CAMPAIGN_FIELDS,
        campaign_draft.ACTION_FIELDS,
        campaign_draft.STEP_FIELDS,
        campaign_draft.SEQUENCE_FIELDS,
        campaign_draft.MODEL_FIELDS,
        campaign_draft.PRIOR_FIELDS,
        campaign_draft.TREATMENT_FIELDS,
    ]
    assert {field for table in tables for field in table.items()} - said == set()
