"""Whatever comes in from outside is fuzzed, guided by coverage: `python fuzz_parsers.py TARGET CORPUS -runs=N -seed=1`.

Each target holds what its parser promises: an answer, or the one error it documents. Anything else that escapes ends
the run with a traceback, and the input that did it is left in the folder it was started in. What follows the target is
libFuzzer's.
"""

import contextlib
import gzip
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway.wire", "gateway.edge.framing"]):
    from gateway.core.errors import InvalidInput
    from gateway.core.events import Role
    from gateway.edge.framing import NotMqtt, PacketReader
    from gateway.testing.samples import T0
    from gateway.wire.campaigns import check, compile_campaign, load_campaigns, read_campaign
    from gateway.wire.devices import Bindings, Devices, Ignored, Said, Tyre
    from gateway.wire.journal import BadJournal, encode_line, read_lines
    from gateway.wire.journal_lines import TornLine
    from gateway.wire.read import Received, read, read_device, read_offer, read_status
    from gateway.wire.reasons import Reason
    from gateway.wire.topics import parse_device_topic, parse_topic, presentable, topic_of

KEY = b"k" * 32
DEVICES = Devices(
    Bindings(
        phones={"anna/phone": "car-7"},
        scanners={"Car": "car-7"},
        tyres={("80:EA:CA:10:8A:78", None): Tyre("car-7", "Row1.Left")},
        tags={"car-7": {"C0:FF:EE:12:34:56": Role.DRIVER}},
    )
)
TOPICS = (
    *(
        f"wayside/v1/car-7/{channel}"
        for channel in ("telemetry", "identity", "outcomes", "consents", "facts", "status")
    ),
    *("owntracks/anna/phone", "owntracks/anna/phone/event", "owntracks/anna/phone/beacon"),
    *("home/Car/BTtoMQTT/C0FFEE123456", "home/Car/BTtoMQTT/80EACA108A78"),
)
"""tests/faults/test_fuzz.py counts on this order for its first inputs."""
CHUNK = 7
"""Bytes a stream is fed at a time: no divisor of anything."""


def message(data: bytes) -> None:
    """A message of a unit or a device: a byte for its topic, then its payload."""
    topic, payload = TOPICS[data[0] % len(TOPICS) if data else 0], data[1:]
    try:
        if topic.startswith("wayside/"):
            said: object = read(topic, payload, T0, credential_key=KEY)
        else:
            said = read_device(topic, payload, T0, DEVICES, credential_key=KEY)
    except InvalidInput as refusal:
        _expect(len(str(refusal)) < 400 and Reason(refusal.reason) is not None)
    else:
        _expect(isinstance(said, Received | Said | Ignored))


def topic(data: bytes) -> None:
    """A topic: what is understood names an owner that makes the same topic again."""
    text = data.decode("utf-8", "replace")
    _expect(not text.startswith("home/") or presentable(text).count("/") <= 2)
    with contextlib.suppress(InvalidInput):
        owner, channel = parse_topic(text)
        _expect(topic_of(owner, channel) == text)
    with contextlib.suppress(InvalidInput):
        parse_device_topic(text)


def published(data: bytes) -> None:
    """What a gateway publishes, as others read it."""
    for reader in (read_offer, read_status):
        with contextlib.suppress(InvalidInput):
            reader(data)


def journal(data: bytes) -> None:
    """A journal, compressed or not: what is understood is written as the same line again."""
    stream = gzip.GzipFile(fileobj=io.BytesIO(data)) if data.startswith(b"\x1f\x8b") else io.BytesIO(data)
    with contextlib.suppress(BadJournal):
        for line in read_lines(stream):
            if not isinstance(line, TornLine):
                encode_line(line)


def campaign(data: bytes) -> None:
    """A campaign file: problems or actions, and actions stand in a release as they were."""
    CAMPAIGN.write_bytes(data)
    if not check([CAMPAIGN]):
        found = load_campaigns([CAMPAIGN])
        _expect(read_campaign(compile_campaign(found.actions[0].campaign, found)) == found)


def stream(data: bytes) -> None:
    """Bytes of a broker: cut in pieces or whole, they are the same packets."""
    _expect(_packets([data]) == _packets([data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]))


def _packets(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    packets: list[tuple[int, bytes]] = []
    reader = PacketReader(lambda first, body: packets.append((first, body)))
    with contextlib.suppress(NotMqtt):
        for piece in pieces:
            reader.feed(piece)
    return packets


def _expect(holds: bool) -> None:  # noqa: FBT001 -- a claim; not assert, which -O would take out
    if not holds:
        raise RuntimeError("the parser does not keep its promise")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (message, topic, published, journal, campaign, stream)
}

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as folder:
        CAMPAIGN = Path(folder) / "fuzzed.yaml"
        atheris.Setup(sys.argv, target)
        atheris.Fuzz()
