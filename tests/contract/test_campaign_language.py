"""The reference page, the JSON Schema and the reader say the same of campaign files: they are made of one grammar."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.core.campaign import TEXT_LIMITS, Audience, Kind, Placement
from gateway.core.moments import MOMENTS
from gateway.core.policy import VARIABLES
from gateway.core.terms import Calendar, Per
from gateway.wire.campaign_grammar import tables
from gateway.wire.campaign_shapes import Entry
from gateway.wire.campaigns import Code, check
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.schemas import schema

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "campaigns.md").read_text(encoding="utf-8")
BROKEN = ROOT / "tests" / "wire" / "broken_campaigns"
BLOCKS = re.findall(r"^```yaml ?(\w*)\n(.*?)^```", REFERENCE, re.DOTALL | re.MULTILINE)

SURROUNDINGS = """campaign: tried
groups:
  - {id: coffee, cap: {count: 2, each: week}}
challenges:
  - {id: three_visits, counts: {moment: FenceDwelled, fence_kind: cafe}, times: 3, each: week}
actions:
  - id: pastry
    kind: service
    audience: anyone
    when:
      - moment: Parked
    propensity: {prior: 0.3}
    value: 1
    annoyance: 0
    treatments:
      - {placement: driver_screen, language: en, title: A title, body: A body}
"""
AN_ACTION = {
    "kind": "kind: marketing",
    "audience": "audience: subject",
    "when": "when:\n  - moment: Parked",
    "propensity": "propensity: {prior: 0.3}",
    "value": "value: 1",
    "annoyance": "annoyance: 0",
    "cap": "cap: unlimited",
    "treatments": "treatments:\n  - {placement: driver_screen, language: en, title: A title, body: A body}",
}

CODES_THE_SCHEMA_KNOWS = {
    Code.UNKNOWN_FIELD,
    Code.MISSING_FIELD,
    Code.WRONG_TYPE,
    Code.BAD_VALUE,
    Code.OUT_OF_RANGE,
    Code.UNKNOWN_MOMENT,
    Code.UNKNOWN_FENCE_KIND,
    Code.UNKNOWN_PLACEMENT,
    Code.REWARD_NOT_MARKETING,
    Code.CAP_NOT_MARKETING,
    Code.CONTACT_NOT_MARKETING,
    Code.BUDGET_NOT_MARKETING,
    Code.WHILE_DRIVING_NOT_VOICE,
    Code.TEXT_TOO_LONG,
    Code.BAD_CAP,
    Code.BAD_REWARD,
}
MORE_IT_KNOWS = {"count_without_a_window", "window_without_sequence", "single_per_subject"}
LEFT_TO_CHECK = {
    "several_times_without_within": "how many moments a sequence takes",
    "sequence_without_within": "how many moments a sequence takes",
    "discount_below_one_step": "how two amounts compare",
    "money_with_three_decimals": "how many decimals a number was written with",
    "title_too_long_with_its_placeholder": "what stands for a placeholder",
    "date_that_never_was": "the calendar",
    "language_is_norwegian": "whether a word stands in quotes",
    "annoyance_is_infinite": "JSON has no such number",
    "lever_is_not_a_number": "JSON has no such number",
}
NO_JSON = {"empty", "expression_taken_for_a_tag", "key_is_no_name"}
"""What is no document, or none that JSON could hold."""


class AsEditorsRead(yaml.SafeLoader):
    """YAML 1.2, core schema, as editors and JSON have it: `no`, `10:00` and a date are text."""


AsEditorsRead.yaml_implicit_resolvers = {}
for tag, written in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
):
    AsEditorsRead.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{written})$"), None)


def read_as_editors_do(text: str) -> object:
    return yaml.load(text, AsEditorsRead)  # noqa: S506 -- a safe loader


def validator() -> Draft202012Validator:
    return Draft202012Validator(schema("campaign"))


def indented(text: str, width: int) -> str:
    return "".join(f"{' ' * width}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


def completed(kind: str, block: str) -> str:
    """Return a block of the reference as a whole campaign: fields of an action or a campaign replace those given."""
    if not kind:
        return block
    given = set(re.findall(r"^(\w+):", block, re.MULTILINE))
    if kind == "campaign":
        kept = [part for part in re.split(r"(?m)^(?=\w)", SURROUNDINGS) if part.split(":")[0] not in given]
        return "".join(kept) + block
    assert kind == "action"
    if "kind: service" in block:
        given.add("cap")
    own = "".join(f"{text}\n" for name, text in AN_ACTION.items() if name not in given)
    return f"{SURROUNDINGS}  - id: shown\n{indented(own + block, 4)}"


def row(name: str, entry: Entry) -> str:
    return f"| `{name}` | {'required' if entry.required else ''} | {entry.says} |"


def test_a_schema_of_campaigns_is_one_by_its_own_dialect() -> None:
    Draft202012Validator.check_schema(schema("campaign"))


@pytest.mark.parametrize(("kind", "block"), BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_of_the_reference_may_be_released_and_fits_the_schema(
    kind: str, block: str, tmp_path: Path
) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(completed(kind, block), encoding="utf-8")
    assert [str(problem) for problem in check([path])] == []
    validator().validate(read_as_editors_do(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: table.key)
def test_every_field_is_described_in_the_schema_and_stands_in_the_reference(table: Any) -> None:  # noqa: ANN401
    described: Mapping[str, Any] = schema("campaign")["$defs"][table.key]  # type: ignore[index]
    assert {name: part["description"] for name, part in described["properties"].items()} == {
        name: entry.says for name, entry in table.fields.items()
    }
    assert all(entry.says for entry in table.fields.values())
    assert described["required"] == [name for name, entry in table.fields.items() if entry.required]
    assert described["additionalProperties"] is False
    assert [name for name, entry in table.fields.items() if row(name, entry) not in REFERENCE] == []


def test_the_reference_has_no_row_of_a_field_that_is_none() -> None:
    rows = {row(name, entry) for table in tables() for name, entry in table.fields.items()}
    marked = re.findall(r"<!-- fields: \w+ -->\n\|.*\n\|.*\n((?:\|.*\n)*)", REFERENCE)
    assert {line for table in marked for line in table.splitlines()} == rows


def test_the_reference_names_every_word_of_a_campaign() -> None:
    words = {
        *MOMENTS,
        *VARIABLES,
        *(str(word) for of in (Kind, Audience, Placement, Calendar, Per, Code) for word in of),
    }
    assert {word for word in words if f"`{word}`" not in REFERENCE} == set()
    assert {kind for kind in FENCE_KINDS if kind not in REFERENCE} == set()


def test_the_reference_says_what_each_moment_tells() -> None:
    for name, kind in MOMENTS.items():
        own = ", ".join(f"`{field.name}`" for field in fields(kind) if field.name not in {"unit", "at"})
        assert re.search(rf"^\| `{name}` \| .+ \| .* \| {re.escape(own)} \|$", REFERENCE, re.MULTILINE), name


def test_the_reference_says_how_much_room_each_placement_has() -> None:
    for placement, limits in TEXT_LIMITS.items():
        assert f"| `{placement}` | {' | '.join(str(limit or 'none') for limit in limits)} |" in REFERENCE


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_refuses_what_it_can_know_and_nothing_else(path: Path) -> None:
    head = re.match(rb"# expect \d+:\d+ (\w+):", path.read_bytes())
    assert head is not None
    code = Code(head[1].decode())
    if code in {Code.SYNTAX, Code.UNREADABLE, Code.DUPLICATE_KEY} or path.stem in NO_JSON:
        return
    document = read_as_editors_do(path.read_text(encoding="utf-8"))
    knows = code in CODES_THE_SCHEMA_KNOWS or path.stem in MORE_IT_KNOWS
    assert validator().is_valid(document) is not (knows and path.stem not in LEFT_TO_CHECK)


def test_the_schema_takes_a_moment_that_is_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(completed("action", "when:\n  - {moment: Parked, times: 1}\n"), encoding="utf-8")
    assert check([path]) == []
    validator().validate(read_as_editors_do(path.read_text(encoding="utf-8")))
