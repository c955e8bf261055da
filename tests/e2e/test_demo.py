"""The fuel stop through the command: the story's facts, as MQTT and the ledger tell them; and how it ends early."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from gateway.cli_demo import fuel_stop
from gateway.cli_demo.fuel_stop import AT_ONCE, INTERRUPTED, TERMINATED, Unseen, play_fuel_stop, run_fuel_stop
from gateway.cli_demo.stage import GatewayEnded, find_sources
from gateway.edge.explanation import explain
from simulators.broker import embedded_broker
from simulators.unit import Address

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "gateway.cli", "demo", "fuel-stop")
WITHIN_S = 60.0

Document = dict[str, Any]


class Broker(Protocol):
    """The fixture of a real broker."""

    host: str
    port: int


def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """What `--json` printed: nothing but JSON, and nothing left behind."""
    scratch = tmp_path_factory.mktemp("scratch")
    finished = run("--json", TMPDIR=str(scratch))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert list(scratch.iterdir()) == []
    told: Document = json.loads(finished.stdout)
    return told


def refusals(document: Document, scene: str) -> dict[str, str]:
    return {each["action"]: each["reason"] for each in document["refusals"] if each["scene"] == scene}


def chosen(document: Document, scene: str) -> list[str | None]:
    return [each["chosen"] for each in document["decisions"] if each["scene"] == scene]


def fate(document: Document, action: str) -> list[tuple[str, ...]]:
    """Return for each offer of an action what was reported, and where if not in the car."""
    return [
        tuple(
            each["outcome"] if each["unit"] == "car-1" else f"{each['outcome']} at {each['unit']}"
            for each in document["outcomes"]
            if each["offer"] == offer["id"]
        )
        for offer in document["offers"]
        if offer["action"] == action
    ]


def test_at_the_red_light_the_welcome_is_refused_because_the_car_is_not_parked(document: Document) -> None:
    assert chosen(document, "The red light") == [None]
    assert refusals(document, "The red light")["station_welcome"] == "not_parked"


def test_alone_and_parked_a_pastry_is_offered_accepted_and_redeemed_at_the_till(document: Document) -> None:
    assert chosen(document, "Ignition off, alone") == ["pastry_alone"]
    assert refusals(document, "Ignition off, alone") == {
        "pastry_together": "not_eligible",
        "partner_survey": "not_eligible",
        "range_short": "not_eligible",
        "car_wash": "silence_is_better",
    }
    assert fate(document, "pastry_alone") == [("presented", "seen", "accepted", "redeemed at till-1")]


def test_the_redemption_opens_the_window_in_which_winter_tyres_beat_insurance(document: Document) -> None:
    assert chosen(document, "The till redeems it") == ["winter_tyres"]
    assert refusals(document, "The till redeems it") == {"insurance": "lower_net_value"}
    assert fate(document, "winter_tyres") == [("presented", "seen", "accepted")]


def test_a_low_tyre_outranks_the_sale_that_would_profit_from_it(document: Document) -> None:
    assert chosen(document, "A tyre loses pressure") == ["tyre_pressure"]
    assert refusals(document, "A tyre loses pressure") == {"tyre_shop": "outranked"}


def test_driving_off_clears_the_screen_and_leaves_the_fence(document: Document) -> None:
    moments = [each["moment"] for each in document["moments"] if each["scene"] == "Driving off"]
    warnings = [each for each in document["offers"] if each["action"] == "tyre_pressure"]
    assert moments == ["FenceExited", "DroveOff"]
    assert [each["withdrawn"] for each in warnings] == ["drove_off", None]


def test_without_consent_the_next_stop_brings_no_sale(document: Document) -> None:
    assert set(chosen(document, "The next stop")) == {None}
    marketing = {
        each["reason"]
        for each in document["refusals"]
        if each["scene"] == "The next stop" and each["kind"] == "marketing"
    }
    assert marketing == {"no_consent"}


def test_without_consent_a_low_tyre_is_told_all_the_same(document: Document) -> None:
    assert chosen(document, "Another tyre") == ["tyre_pressure"]
    assert refusals(document, "Another tyre") == {"tyre_shop": "no_consent"}
    assert fate(document, "tyre_pressure") == [("presented", "seen")] * 2


def test_no_other_offer_reached_anyone(document: Document) -> None:
    actions = [offer["action"] for offer in document["offers"]]
    assert actions == ["pastry_alone", "winter_tyres", "tyre_pressure", "tyre_pressure"]
    assert {offer["unit"] for offer in document["offers"]} == {"car-1"}


def test_the_ledger_tells_the_same_as_the_messages(document: Document) -> None:
    ledger = document["ledger"]
    assert [offer["id"] for offer in ledger["offers"] if offer["sent"]] == [each["id"] for each in document["offers"]]
    assert {offer["id"]: offer["withdrawn"] for offer in ledger["offers"]} == {
        each["id"]: each["withdrawn"] for each in document["offers"]
    }
    said = Counter((each["unit"], each["offer"], each["outcome"]) for each in document["outcomes"])
    assert Counter((each["unit"], each["offer"], each["outcome"]) for each in ledger["outcomes"]) == said
    assert [each["id"] for each in ledger["decisions"]] == [each["id"] for each in document["decisions"]]


def test_the_ledger_has_every_consent_and_the_withdrawal(document: Document) -> None:
    said = [(each["purpose"], each["given"]) for each in document["ledger"]["consents"]]
    given = {("location_triggers", True), ("offer_display", True), ("profiling", True)}
    assert set(said[:-1]) == given
    assert said[-1] == ("offer_display", False)


def test_it_tells_no_coordinate_and_shows_each_event(document: Document) -> None:
    text = json.dumps(document).lower()
    assert not any(word in text for word in ("latitude", "longitude", "-122.37", "47.66"))
    assert [each["scene"] for each in document["events"]] == [
        "Anna gets in",
        "The red light",
        "Ignition off, alone",
        "The till redeems it",
        "A tyre loses pressure",
        "Driving off",
        "Anna withdraws her consent",
        "The next stop",
        "Another tyre",
    ]


def test_for_people_it_fits_eighty_columns_and_needs_neither_terminal_nor_colour() -> None:
    finished = run("--fast", NO_COLOR="1", COLUMNS="80")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "\x1b" not in finished.stdout
    assert max(map(len, finished.stdout.splitlines())) <= 80
    for words in ("What happens", "pastry_alone", "TyrePressureLow", "redeemed at", "silence", "no_consent"):
        assert words in finished.stdout


def test_what_is_kept_can_be_explained(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    finished = run("--fast", "--keep", str(kept))
    assert finished.returncode == 0
    assert {"release", "gateway.toml", "gateway.log", "data"} <= {path.name for path in kept.iterdir()}
    assert explain(kept / "data" / "ledger.db", "last").decision.chosen == "tyre_pressure"
    assert f"wayside explain last --ledger {kept}/data/ledger.db" in finished.stdout


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    finished = run("--json", "--keep", str(tmp_path))
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == f"wayside demo: {tmp_path} is not empty\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(("told", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_stopped_half_way_it_leaves_nothing_running_and_no_folder(
    tmp_path: Path, told: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE
    ) as demo:
        assert demo.stdout is not None
        assert any(b"Anna gets in" in line for line in demo.stdout)
        started = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(told)
        demo.stdout.read()
        assert demo.wait(WITHIN_S) == code
    assert started != []
    assert [process for process in started if process.is_running()] == []
    assert list(tmp_path.iterdir()) == []


@contextmanager
def _sources(folder: Path, old: str, new: str) -> Iterator[Path]:
    """Yield a copy of the demo's sources in which a text is another."""
    for source in find_sources().rglob("*.*"):
        target = folder / source.relative_to(find_sources())
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(text.replace(old, new), encoding="utf-8")
    yield folder


def test_a_step_that_does_not_happen_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _sources(tmp_path, "id: tyre_shop", "id: other_shop") as sources:
        monkeypatch.setattr(fuel_stop, "find_sources", lambda: sources)
        assert run_fuel_stop(json=True, fast=True, keep=None) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        'wayside demo: "A tyre loses pressure" did not go as told: it should be that the sale was outranked'
        " (with --keep FOLDER its log and ledger stay to be looked at)\n"
    )


def test_an_offer_that_never_comes_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuel_stop, "PATIENCE_S", 3.0)
    with _sources(tmp_path, "occupants == 1", "occupants == 3") as sources:
        monkeypatch.setattr(fuel_stop, "find_sources", lambda: sources)
        assert run_fuel_stop(json=True, fast=True, keep=None) == 1
    assert (
        '"Ignition off, alone" did not go as told: waited 3 s for an offer of pastry_alone at car-1, accepted, '
        "but car-1 was offered nothing"
    ) in capsys.readouterr().err


def test_a_gateway_that_ends_by_itself_ends_the_demo(tmp_path: Path) -> None:
    class Assassin(Unseen):
        def begins(self, title: str) -> None:
            if title == "The till redeems it":
                for process in psutil.Process().children():
                    process.kill()

    with pytest.raises(GatewayEnded, match=r"the gateway ended by itself with -9: .*pastry_alone"):
        asyncio.run(play_fuel_stop(tmp_path, embedded_broker(), Assassin(), AT_ONCE))


def test_over_a_real_broker_the_story_is_the_same(tmp_path: Path, mosquitto: Broker, document: Document) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    address = Address(mosquitto.host, mosquitto.port)
    report = asyncio.run(play_fuel_stop(folder, nullcontext(address), Unseen(), AT_ONCE))
    assert report.disagreements() == []
    played = json.loads(json.dumps(report.to_json()))
    for part, facts in (
        ("decisions", ("scene", "moments", "chosen")),
        ("offers", ("action", "placement", "withdrawn")),
        ("refusals", ("scene", "action", "stage", "reason")),
    ):
        assert [[each[fact] for fact in facts] for each in played[part]] == [
            [each[fact] for fact in facts] for each in document[part]
        ]
    connected = [
        json.loads(line) for line in (folder / "gateway.log").read_text().splitlines() if '"connected"' in line
    ]
    assert [line["mqtt"] for line in connected] == ["5"]
