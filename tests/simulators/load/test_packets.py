"""Packets are what MQTT 3.1.1 says, and are taken apart wherever the stream was cut."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.load import packets
from simulators.load.packets import NotMqtt, Packet, Published, Stream


def test_examples_are_true() -> None:
    result = doctest.testmod(packets)
    assert (result.failed, result.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("length", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (268_435_455, "ffffff7f")],
)
def test_lengths_are_encoded_as_the_standard_shows(length: int, encoded: str) -> None:
    assert packets.remaining_length(length).hex() == encoded


@pytest.mark.parametrize("length", [-1, 268_435_456])
def test_a_length_that_no_packet_has_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="a packet has"):
        packets.remaining_length(length)


def test_a_text_that_fits_in_no_packet_is_refused() -> None:
    with pytest.raises(ValueError, match="65,535"):
        packets.text("x" * 65_536)


def test_connect_asks_for_a_clean_session_of_mqtt_3_1_1() -> None:
    assert packets.connect("ab").hex(" ") == "10 0e 00 04 4d 51 54 54 04 02 ff ff 00 02 61 62"


def test_subscribe_asks_for_qos_1() -> None:
    assert packets.subscribe(7, "a/+").hex(" ") == "82 08 00 07 00 03 61 2f 2b 01"


@given(st.text(min_size=1, max_size=20), st.binary(max_size=300), st.integers(0, 65_535))
def test_what_is_published_is_read_again(topic: str, payload: bytes, packet_id: int) -> None:
    (packet,) = Stream().feed(packets.publish(packets.text(topic), payload, packet_id))
    assert packets.read_publish(packet) == Published(topic, payload, packet_id, retained=False)


@given(st.lists(st.binary(max_size=200), max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_a_stream_gives_the_same_packets_wherever_it_was_cut(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(packets.publish(b"\0\1t", payload) for payload in payloads)
    stream, found, begin = Stream(), list[Packet](), 0
    for number in range(len(data)):
        cut = cuts[number % len(cuts)]
        found += stream.feed(data[begin : begin + cut])
        begin += cut
    assert [packets.read_publish(packet).payload for packet in found] == payloads


def test_a_retained_message_says_so() -> None:
    assert packets.read_publish(Packet(packets.PUBLISH, 1, b"\0\1tx")).retained


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\5abc", b"\0\1\xff"])
def test_a_message_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(NotMqtt):
        packets.read_publish(Packet(packets.PUBLISH, 0, body))


def test_a_message_at_qos_1_without_its_id_is_refused() -> None:
    with pytest.raises(NotMqtt):
        packets.read_publish(Packet(packets.PUBLISH, 2, b"\0\1t\0"))


def test_a_length_without_end_is_refused() -> None:
    with pytest.raises(NotMqtt):
        Stream().feed(b"\x30\xff\xff\xff\xff\x01")


def test_acknowledgements_name_what_they_acknowledge() -> None:
    puback, suback = Stream().feed(packets.puback(513) + b"\x90\x03\x00\x07\x01")
    assert (packets.acknowledged(puback), packets.acknowledged(suback)) == (513, 7)


def test_an_acknowledgement_of_nothing_is_refused() -> None:
    with pytest.raises(NotMqtt):
        packets.acknowledged(Packet(packets.PUBACK, 0, b"\0"))


def test_a_refused_subscription_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        packets.acknowledged(Packet(packets.SUBACK, 0, b"\x00\x07\x80"))
