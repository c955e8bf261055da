"""What docs/firmware.md tells those who build units is what the code does."""

import json
import re
from pathlib import Path

import pytest

from gateway.core.drive import EVIDENCE
from gateway.core.events import Outcome, Purpose
from gateway.testing.samples import T0
from gateway.wire import vss
from gateway.wire.payloads import Method, Role
from gateway.wire.read import read
from gateway.wire.topics import Channel

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "firmware.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\$ mosquitto_pub -q \d (-r )?-t (\S+) -m '(.*)'$", PAGE, re.MULTILINE)


def _table(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading, cell by cell."""
    lines = PAGE.partition(f"# {heading}\n")[2].partition("\n| ")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_call_of_mosquitto_on_it_is_an_example_that_is_tried() -> None:
    assert len(EXAMPLES) == PAGE.count("$ mosquitto_pub ")


@pytest.mark.parametrize(("retain", "topic", "message"), EXAMPLES)
def test_each_example_is_understood_whole(retain: str, topic: str, message: str) -> None:
    sent = message.replace("'$now'", str(T0)).encode()
    received = read(topic, sent, T0, credential_key=bytes(32), retained=bool(retain))
    assert (received.unknown_fields, received.unknown_signals, received.withheld) == (0, 0, 0)


def test_there_is_an_example_for_every_channel_a_unit_writes() -> None:
    written = {topic.rsplit("/", 1)[1] for _, topic, _ in EXAMPLES}
    assert written == set(Channel) - {Channel.OFFERS, Channel.DEADLETTER}


def test_its_channels_are_those_of_a_unit() -> None:
    assert {row[0].strip("`") for row in _table("What goes where")} == set(Channel) - {Channel.DEADLETTER}


def test_what_it_says_of_parked_is_what_parks() -> None:
    rows = {row[0].strip("`"): row[1] for row in _table("Parked, or nothing on the driver's screen")}
    assert rows.keys() == EVIDENCE.keys()
    for path, words in rows.items():
        values = [text if text.isupper() else json.loads(text) for text in re.findall(r"[A-Z]{2,}|\d+|true", words)]
        assert values
        assert all(EVIDENCE[path](value) for value in values)


def test_its_outcomes_purposes_roles_and_methods_are_all_there_are() -> None:
    assert {row[0].strip("`") for row in _table("Outcomes")} == set(Outcome)
    for word in (*Purpose, *Role, *Method):
        assert f"`{word}`" in PAGE


def test_each_reason_of_a_withdrawal_is_one_of_the_engine() -> None:
    sentence = PAGE.partition("Reasons are")[2].partition("(what")[0]
    core = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway" / "core").glob("*.py"))
    reasons = re.findall(r"`(\w+)`", sentence)
    assert len(reasons) == 7
    assert [reason for reason in reasons if f'"{reason}"' not in core] == []


def test_each_signal_it_names_is_listened_to() -> None:
    named = set(re.findall(r"Vehicle\.[A-Za-z0-9.]*[A-Za-z0-9]", PAGE)) - {"Vehicle.Occupant"}
    assert named - vss.LEAVES.keys() == set()
