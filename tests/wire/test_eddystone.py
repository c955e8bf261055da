"""The frames of an Eddystone beacon, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.eddystone import Eid, Frame, Tlm, Uid, Url, decode

NAMESPACE = "00112233445566778899"
INSTANCE = "aabbccddeeff"


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        (f"00ee{NAMESPACE}{INSTANCE}0000", Uid(-59, NAMESPACE, INSTANCE)),
        (f"0014{NAMESPACE}{INSTANCE}", Uid(-21, NAMESPACE, INSTANCE)),
        (f"009c{NAMESPACE}{INSTANCE}", Uid(-141, NAMESPACE, INSTANCE)),
        ("10ee03" + b"goo.gl/Ab9".hex(), Url(-59, "https://goo.gl/Ab9")),
        ("10ee00" + b"example".hex() + "07", Url(-59, "http://www.example.com")),
        ("10ee01" + b"example".hex() + "01" + b"a".hex(), Url(-59, "https://www.example.org/a")),
        ("10ee02", Url(-59, "http://")),
        ("20000bb81580000000010000000a", Tlm(3_000, 21.5)),
        ("20000bb8ff80000000010000000a", Tlm(3_000, -0.5)),
        ("200000008000000000010000000a", Tlm(None, None)),
        ("2001" + "5a" * 16, Tlm(None, None)),
        ("30ee0123456789abcdef", Eid(-59, "0123456789abcdef")),
    ],
)
def test_a_frame_says_what_its_bytes_say(data: str, frame: Frame) -> None:
    assert decode(bytes.fromhex(data)) == frame


@pytest.mark.parametrize(
    "data",
    [
        "",
        "00",
        f"00ee{NAMESPACE}{INSTANCE}00",
        f"00ee{NAMESPACE}{INSTANCE[:-2]}",
        "10ee",
        "10ee0461",
        "10ee0320",
        "10ee030e",
        "10ee037f",
        "10ee03" + "61" * 18,
        "20000bb81580000000010000",
        "20020bb81580000000010000000a",
        "2001" + "5a" * 12,
        "30ee0123456789abcd",
        "40ee0123456789abcdef",
        "ffff",
    ],
)
def test_what_is_no_whole_frame_is_none(data: str) -> None:
    assert decode(bytes.fromhex(data)) is None


@given(st.binary(max_size=24))
def test_no_bytes_do_harm(data: bytes) -> None:
    frame = decode(data)
    assert frame is None or isinstance(frame, Uid | Url | Tlm | Eid)
