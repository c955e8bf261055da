"""Eddystone: what a beacon says in the service data of UUID 0xFEAA.

The frames are those of Google's Eddystone protocol specification. Multi-byte numbers are big-endian. A beacon states
its power at 0 m, which is 41 dB more than at 1 m.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

LOSS_OF_FIRST_METRE_DB = 41

_SCHEMES = ("http://www.", "https://www.", "http://", "https://")
_ENDINGS = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
_EXPANSIONS = (*(f"{ending}/" for ending in _ENDINGS), *_ENDINGS)


@dataclass(frozen=True, slots=True)
class Uid:
    """Frame 0x00: which beacon it is, for ever."""

    power_1m_dbm: int
    namespace: str
    instance: str


@dataclass(frozen=True, slots=True)
class Url:
    """Frame 0x10: an address of the web, which is all it is known by."""

    power_1m_dbm: int
    url: str


@dataclass(frozen=True, slots=True)
class Tlm:
    """Frame 0x20: how the beacon is. It does not say which one.

    Attributes:
        battery_mv: None: not measured, or encrypted.
        temperature_c: None: not measured, or encrypted.
    """

    battery_mv: int | None
    temperature_c: float | None


@dataclass(frozen=True, slots=True)
class Eid:
    """Frame 0x30: an id that changes, and means something only to whoever registered the beacon."""

    power_1m_dbm: int
    ephemeral: str


Frame: TypeAlias = Uid | Url | Tlm | Eid


def decode(data: bytes) -> Frame | None:
    """Return the frame that service data holds; None if it holds none that is whole.

    >>> decode(bytes.fromhex("00e7" + "00112233445566778899" + "aabbccddeeff" + "0000"))
    Uid(power_1m_dbm=-66, namespace='00112233445566778899', instance='aabbccddeeff')
    """
    match data[:1]:
        case b"\x00" if len(data) in {18, 20}:  # with or without the two reserved bytes
            return Uid(_power(data), data[2:12].hex(), data[12:18].hex())
        case b"\x10" if 3 <= len(data) <= 20:
            return _url(data)
        case b"\x20" if len(data) in {14, 18}:
            return _tlm(data)
        case b"\x30" if len(data) == 10:
            return Eid(_power(data), data[2:].hex())
    return None


def _power(data: bytes) -> int:
    (power_0m_dbm,) = struct.unpack_from(">b", data, 1)
    return int(power_0m_dbm) - LOSS_OF_FIRST_METRE_DB


def _url(data: bytes) -> Url | None:
    if data[2] >= len(_SCHEMES):
        return None
    written = [_SCHEMES[data[2]]]
    for byte in data[3:]:
        if byte < len(_EXPANSIONS):
            written.append(_EXPANSIONS[byte])
        elif 0x20 < byte < 0x7F:
            written.append(chr(byte))
        else:
            return None
    return Url(_power(data), "".join(written))


def _tlm(data: bytes) -> Tlm | None:
    """Version 0 is plain; version 1 is encrypted for whoever registered the beacon."""
    version = data[1]
    if version == 1 and len(data) == 18:
        return Tlm(None, None)
    if version != 0 or len(data) != 14:
        return None
    battery_mv, temperature = struct.unpack_from(">Hh", data, 2)
    # 8.8 fixed point; -128 degrees says that there is no thermometer, 0 mV that there is no battery.
    return Tlm(battery_mv or None, None if temperature == -0x8000 else temperature / 256)
