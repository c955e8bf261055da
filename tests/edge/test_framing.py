"""From bytes to packets, however the bytes were cut."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.framing import LONGEST_BODY, NotMqtt, PacketProtocol, PacketReader


def _packet(first: int, body: bytes) -> bytes:
    length, prefix = len(body), bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes([first, *prefix]) + body


BODIES = st.one_of(st.binary(max_size=300), st.just(b"x" * 127), st.just(b"x" * 128), st.just(b"x" * 16_384))


@given(
    packets=st.lists(st.tuples(st.integers(0, 255), BODIES), max_size=6),
    cuts=st.lists(st.integers(0, 40_000), max_size=12),
)
def test_packets_come_out_as_they_went_in_wherever_the_stream_was_cut(
    packets: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(_packet(first, body) for first, body in packets)
    taken: list[tuple[int, bytes]] = []
    reader = PacketReader(lambda first, body: taken.append((first, body)))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        reader.feed(stream[start:end])

    assert taken == packets


def test_a_packet_that_comes_byte_by_byte_comes_out_whole() -> None:
    body = b"x" * 20_000
    taken: list[tuple[int, bytes]] = []
    reader = PacketReader(lambda first, rest: taken.append((first, rest)))
    for byte in _packet(0x30, body) + _packet(0xD0, b""):
        reader.feed(bytes([byte]))

    assert taken == [(0x30, body), (0xD0, b"")]


def test_a_length_without_an_end_is_no_packet() -> None:
    with pytest.raises(NotMqtt):
        PacketReader(lambda *_: None).feed(b"\x30\xff\xff\xff\xff\x01")


class Library(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        del transport
        self.told.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(f"lost {exc}")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


@pytest.mark.parametrize("cut", [1, 100, LONGEST_BODY, LONGEST_BODY + 10])
def test_of_a_packet_that_is_too_long_only_the_start_is_kept_and_the_next_is_read(cut: int) -> None:
    stream = _packet(0x32, b"x" * (3 * LONGEST_BODY)) + _packet(0xD0, b"") + _packet(0x32, b"y" * LONGEST_BODY)
    taken: list[tuple[int, bytes]] = []
    reader = PacketReader(lambda first, body: taken.append((first, body)))
    longest = 0
    for start in range(0, cut, max(1, cut // 3)):
        reader.feed(stream[start : min(cut, start + max(1, cut // 3))])
    for start in range(cut, len(stream), 65_536):
        reader.feed(stream[start : start + 65_536])
        longest = max(longest, len(reader._rest))

    assert taken == [(0x32, b"x" * LONGEST_BODY), (0xD0, b""), (0x32, b"y" * LONGEST_BODY)]
    assert longest < LONGEST_BODY + 65_536


def test_the_library_hears_of_everything_but_bytes() -> None:
    library = Library()
    heard: list[int] = []
    lost: list[Exception | None] = []
    protocol = PacketProtocol(library, lambda *_: None, heard.append, lost.append)
    protocol.connection_made(asyncio.Transport())
    protocol.pause_writing()
    protocol.resume_writing()
    protocol.eof_received()
    protocol.data_received(b"\x30\x00")
    protocol.data_received(b"\x30\xff\xff\xff\xff\x01")
    protocol.connection_lost(None)

    assert library.told == ["made", "pause", "resume", "lost None"]
    assert heard == [2, 6]
    assert [type(cause) for cause in lost] == [NotMqtt, type(None)]
