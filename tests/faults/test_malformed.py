"""Malformed messages by the thousand, through a real broker into a real gateway: each is counted, none does harm.

What each must be counted as is known beforehand: the border is asked here, in the test's own process, what it makes of
the same bytes. So a message that vanishes on the way, is counted twice, or for another reason, is found.
"""

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import edge_models.coupon_propensity
from gateway.core.errors import InvalidInput
from gateway.core.events import Purpose, Role, UnitKind
from gateway.testing.faults import TellCount, counts
from gateway.testing.malformed import CHANNELS, Malformer
from gateway.testing.mosquitto import free_port
from gateway.testing.process import Broker, GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.stranger import Stranger
from gateway.wire.devices import Bindings, Devices, Ignored, IgnoredReason, Tyre
from gateway.wire.read import Reason, read, read_device
from gateway.wire.releases import build
from gateway.wire.topics import DEVICE_ROOTS, Channel

SEED = 1
MESSAGES = counts(full=100_000, ci=5_000)
ROUND = 250
"""After so many malformed messages a good one, which must be answered."""
DRAWN = 20
"""How many messages one example of hypothesis holds."""
GROWTH_MIB = 64.0
"""How much the gateway may have grown at the end: it has met many topics, and payloads of 300 KiB."""
PATIENCE_S = 30.0

KEY = b"k" * 32
BINDINGS = Bindings(
    phones={"anna/phone": "car-1"},
    scanners={"Car": "car-1"},
    tyres={("80:EA:CA:10:8A:78", None): Tyre("car-1", "Row1.Left")},
    tags={"car-1": {"C0:FF:EE:12:34:56": Role.DRIVER}},
)
"""As the configuration below has them."""
RECORDED = Path(__file__).parents[1] / "wire" / "recorded"
STATUS = "wayside/v1/gw-1/status"
HEARD = {f"wayside/v1/{unit}/{channel}" for unit in ("good-car", "car-1", "till-1") for channel in CHANNELS}
OFFERS = "wayside/v1/good-car/offers"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus"

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    valid_for: 5 min
    treatments: [{placement: driver_screen, language: en, title: A pastry, body: Warm.}]
"""

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
[broker]
host = "{host}"
port = {port}
[http]
port = {http}
[log]
level = "warning"
[[units]]
id = "good-car"
kind = "car"
placements = ["driver_screen"]
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
[units.devices]
owntracks = ["anna/phone"]
theengs = ["Car"]
tyres = {{"80:EA:CA:10:8A:78" = "Row1.Left"}}
tags = [{{id = "C0:FF:EE:12:34:56", role = "driver"}}]
[[units]]
id = "till-1"
kind = "kiosk"
placements = ["kiosk_screen"]
"""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@dataclass
class Expected:
    """What the border makes of what was sent.

    Attributes:
        unheard: Sent on a topic of a unit this gateway does not serve: the broker has nobody to give it to.
        understood: By channel.
        refused: By reason, messages and parts of messages.
        ignored: By reason, messages of devices.
        devices: What is remembered of them, as the gateway remembers it.
    """

    unheard: int = 0
    understood: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    devices: Devices = field(default_factory=lambda: Devices(BINDINGS))

    def add(self, topic: str, payload: bytes) -> None:
        if topic not in HEARD and not topic.startswith(DEVICE_ROOTS):
            self.unheard += 1
            return
        try:
            refused = self._add_device(topic, payload) if topic not in HEARD else self._add_unit(topic, payload)
        except InvalidInput as error:
            refused = error
        if refused is not None:
            self.refused[refused.reason] += 1

    def _add_unit(self, topic: str, payload: bytes) -> InvalidInput | None:
        received = read(topic, payload, T0, credential_key=KEY)
        self.understood[received.channel] += 1
        if received.channel is Channel.STATUS:
            self.devices.forget(received.unit)
        return received.refused

    def _add_device(self, topic: str, payload: bytes) -> InvalidInput | None:
        said = read_device(topic, payload, T0, self.devices, credential_key=KEY)
        if isinstance(said, Ignored):
            self.ignored[said.reason] += 1
            return None
        self.understood[said.dialect] += 1
        return said.refused


class Sender:
    """Sends good and bad by one connection, so that they arrive in order; keeps the account of what is expected."""

    def __init__(self, stranger: Stranger) -> None:
        self.expected = Expected()
        self._stranger = stranger
        self._said = 0

    def send(self, topic: str, payload: bytes) -> None:
        self.expected.add(topic, payload)
        self._stranger.flood(topic, payload, qos=1)

    def let_in(self) -> None:
        """Let somebody who agreed to everything take the good car's seat."""
        for purpose in Purpose:
            notice = {"id": "n1", "version": "1", "language": "en"}
            self._say("consents", {"holder": "good", "purpose": purpose, "state": "given", "notice": notice})
        self._say("identity", {"state": "present", "role": "driver", "method": "key", "subject": "good"})

    def stop_for_an_offer(self) -> None:
        """Drive, which takes the last offer back; park, and be offered something: all that was sent before is heard."""
        self._say("telemetry", {"signals": {GEAR: 127, "Vehicle.Speed": 30.0}})
        self._say("telemetry", {"signals": {GEAR: 126, "Vehicle.Speed": 0.0, SEAT: "OCCUPIED"}})
        self._stranger.expect(OFFERS, lambda message: "withdrawn" not in message.body)

    def _say(self, channel: str, body: Mapping[str, object]) -> None:
        self._said += 1
        stamped = {"id": f"g-{self._said}", "ts_ms": time.time_ns() // 1_000_000, **body}
        self.send(f"wayside/v1/good-car/{channel}", json.dumps(stamped).encode())


@pytest.fixture
def config(tmp_path: Path, mosquitto: Broker) -> Callable[[int], Path]:
    (tmp_path / "stop.yaml").write_text(CAMPAIGN)
    build(
        tmp_path / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "stop.yaml"],
        fences=[],
        models=[Path(edge_models.coupon_propensity.__file__).parent],
        unit_kinds=[UnitKind.CAR, UnitKind.KIOSK],
    )

    def write(http_port: int) -> Path:
        file = tmp_path / "gateway.toml"
        file.write_text(CONFIG.format(host=mosquitto.host, port=mosquitto.port, http=http_port))
        return file

    return write


def _recorded() -> list[dict[str, Any]]:
    files = [path for path in sorted(RECORDED.rglob("*.json")) if not path.name.startswith("out_")]
    return [json.loads(path.read_text("utf-8"))["payload"] for path in files]


def _drawn(count: int) -> Iterator[tuple[str, bytes]]:
    """Return messages that hypothesis makes: JSON of any shape, and fields of any value."""
    messages: list[tuple[str, bytes]] = []
    payloads = st.dictionaries(st.sampled_from(sorted(_field_names())) | st.text(max_size=8), JSON, max_size=6) | JSON
    example = st.lists(st.tuples(st.sampled_from(CHANNELS), payloads), min_size=DRAWN, max_size=DRAWN)

    @settings(
        max_examples=-(-count // DRAWN),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(example)
    def draw(drawn: list[tuple[str, object]]) -> None:
        for channel, payload in drawn:
            encoded = json.dumps(payload).encode("utf-8", "surrogatepass")
            messages.append((f"wayside/v1/car-1/{channel}", encoded))

    draw()
    return islice(messages, count)


def _field_names() -> set[str]:
    return {name for payload in _recorded() for name in payload}


def _metrics(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def _labelled(metrics: Mapping[str, float], name: str) -> Counter[str]:
    """Return a counter by the value of its only label."""
    start = f"wayside_{name}_total{{"
    return Counter({key.split('"')[1]: int(value) for key, value in metrics.items() if key.startswith(start) and value})


def _letters(metrics: Mapping[str, float]) -> float:
    published = sum(value for key, value in metrics.items() if 'kind="dead_letter"' in key)
    return published + metrics["wayside_dead_letters_unpublished_total"]


def _settled_metrics(port: int) -> dict[str, float]:
    """Return the metrics once every dead letter is accounted for; after a while, as they are."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        metrics = _metrics(port)
        if _letters(metrics) == _labelled(metrics, "dead_letters").total() or time.monotonic() > deadline_s:
            return metrics


def _rss_mib(gateway: GatewayProcess) -> float:
    return float(psutil.Process(gateway.pid).memory_info().rss) / 2**20


def test_every_malformed_message_is_counted_and_none_does_harm(
    mosquitto: Broker, config: Callable[[int], Path], tell_count: TellCount
) -> None:
    port = free_port()
    drawn = _drawn(MESSAGES // 5)
    messages = chain(drawn, Malformer(_recorded(), SEED).messages(MESSAGES - MESSAGES // 5))
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger,
        GatewayProcess(config(port)) as gateway,
    ):
        stranger.expect(STATUS, lambda message: message.body["state"] == "born")
        sender = Sender(stranger)
        sender.let_in()
        sender.stop_for_an_offer()
        at_start_mib, answered = _rss_mib(gateway), 1
        while some := list(islice(messages, ROUND)):
            for topic, payload in some:
                sender.send(topic, payload)
            sender.stop_for_an_offer()
            answered += 1
        at_end_mib, metrics = _rss_mib(gateway), _settled_metrics(port)
        assert gateway.terminate() == 0

    expected, counted = sender.expected, _labelled(metrics, "dead_letters")
    ignored = _labelled(metrics, "ignored")
    border = Counter({reason: counted[reason] for reason in Reason if counted[reason]})
    tell_count(
        "malformed messages",
        sent=MESSAGES,
        seed=str(SEED),
        of_units_not_served=expected.unheard,
        good_messages_answered=answered,
        understood=_labelled(metrics, "messages").total(),
        of_devices_ignored=sum(expected.ignored.values()),
        refused=", ".join(f"{reason} {count:,}" for reason, count in counted.most_common()),
        rss_at_start_mib=at_start_mib,
        rss_at_end_mib=at_end_mib,
    )
    assert _labelled(metrics, "messages") == expected.understood
    assert border == expected.refused
    assert Counter({reason: ignored[reason] for reason in IgnoredReason if ignored[reason]}) == expected.ignored
    assert _letters(metrics) == counted.total()
    assert at_end_mib - at_start_mib < GROWTH_MIB
