from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.campaign import Action, Audience, Kind
from gateway.core.consent import purposes_of
from gateway.core.errors import ReleaseError
from gateway.core.events import Purpose
from gateway.core.terms import UNLIMITED, Calendar, Cap
from gateway.core.units import DAY_MS
from gateway.wire.campaigns import CampaignsRefused, Code, check, load_campaigns, load_each
from gateway.wire.yaml_places import place_in
from tests.wire.full_campaign import ALL, FULL, OTHER, SCREEN

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "demo" / "campaigns"

PLAIN = """
campaign: c
actions:
  - id: plain
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.5}
    value: 1
    annoyance: 0
    cap: unlimited
    treatments: [{placement: driver_screen, language: en, title: A title, body: A body}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_reaches_the_action(tmp_path: Path) -> None:
    assert load_campaigns([write(tmp_path, FULL)]) == ALL


def test_what_is_left_out_has_the_defaults_of_the_core(tmp_path: Path) -> None:
    action = load_campaigns([write(tmp_path, PLAIN)]).actions[0]
    given = Action("plain", Kind.MARKETING, Audience.SUBJECT, OTHER.triggers, SCREEN, prior=0.5, campaign="c")
    assert action == given
    assert (given.value, given.annoyance) == (1.0, 0.0)


def test_unlimited_is_a_contact_policy_of_none(tmp_path: Path) -> None:
    loaded = load_campaigns([write(tmp_path, PLAIN)])
    assert (loaded.actions[0].contact, loaded.contact) == (UNLIMITED, UNLIMITED)


def test_one_cap_is_a_list_of_one(tmp_path: Path) -> None:
    listed = load_campaigns([write(tmp_path, PLAIN.replace("unlimited", "[{count: 1, each: day}]"))])
    single = load_campaigns([write(tmp_path, PLAIN.replace("unlimited", "{count: 1, each: day}"))])
    assert listed == single
    assert single.actions[0].contact.caps == (Cap(1, each=Calendar.DAY),)


def test_what_an_action_says_tells_which_purposes_it_needs(tmp_path: Path) -> None:
    (plain,) = load_campaigns([write(tmp_path, PLAIN)]).actions
    assert purposes_of(plain) == (Purpose.OFFER_DISPLAY,)
    (placed,) = load_campaigns(
        [write(tmp_path, PLAIN.replace("value: 1", "value: 1\n    suitable: place.x == 1"))]
    ).actions
    assert purposes_of(placed) == (Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS)
    (personal,) = load_campaigns([write(tmp_path, PLAIN.replace("prior: 0.5", "prepared: true"))]).actions
    assert purposes_of(personal) == (Purpose.OFFER_DISPLAY, Purpose.PROFILING)


def test_the_last_day_of_a_campaign_belongs_to_it(tmp_path: Path) -> None:
    text = FULL.replace("until: 2026-01-31", "until: 2026-01-01")
    action = load_campaigns([write(tmp_path, text)]).actions[0]
    assert (action.starts, action.ends) == (1_767_225_600_000, 1_767_225_600_000 + DAY_MS)


def test_each_file_is_a_campaign_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FULL)
    (tmp_path / "b.yaml").write_text(PLAIN)
    each = load_each([tmp_path])
    assert each["fuel-stop"] == ALL
    assert [action.id for action in each["c"].actions] == ["plain"]
    assert load_campaigns([tmp_path]) == replace(ALL, actions=(*ALL.actions, *each["c"].actions))


def test_loading_raises_with_every_problem(tmp_path: Path) -> None:
    path = write(tmp_path, FULL.replace("value: 1.2", "value: -1").replace("kind: marketing", "kind: sale", 1))
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
    text = FULL.replace("title: '  A {facts.basket_item} '", "title: &title 24").replace(
        "title: A title\n", "title: *title\n"
    )
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
