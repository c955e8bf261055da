"""Which device speaks for which unit, and what is remembered of the few that do.

The configuration binds phones, scanners, tyre sensors and tags to units; the release says which fences there are and
which beacons speak for them. Whatever is bound to nothing is a stranger: a scanner hears every passer-by, so of
strangers nothing is kept, not even that they were there.

Remembered are the addresses under which bound beacons and tags were last heard, since "absent" names an address only,
and which tags are in range, since a tag is heard every few seconds and arrives once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.core.errors import InvalidInput
from gateway.core.events import Event, Role
from gateway.wire.topics import DeviceTopic, Dialect

_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}")
_IBEACON = re.compile(
    r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12}):([0-9]{1,5}):([0-9]{1,5})",
    re.IGNORECASE,
)
_EDDYSTONE_UID = re.compile(r"[0-9a-f]{20}:[0-9a-f]{12}", re.IGNORECASE)


class IgnoredReason(StrEnum):
    """Why a device is left unheard although nothing is wrong with what it says. Safe as a metric label."""

    UNKNOWN_DEVICE = "unknown_device"
    """It is bound to no unit."""
    UNKNOWN_FENCE = "unknown_fence"
    """A region of a phone's owner, and no fence of the release."""
    NO_DISTANCE = "no_distance"
    """A beacon was heard; nobody can tell how near it is."""
    RETAINED = "retained"
    """The broker had kept it: it is old."""
    ENCRYPTED = "encrypted"
    """The phone encrypts, and the gateway has no key: switch it off, and use TLS."""
    OTHER_TYPE = "other_type"
    """A kind of message that says nothing the engine listens to, or one that is not known here."""


class Said(NamedTuple):
    """What a device said, understood.

    Attributes:
        refused: What is wrong with a part of it that was left out; the rest counts.
    """

    dialect: Dialect
    unit: str
    events: tuple[Event, ...]
    refused: InvalidInput | None = None


class Ignored(NamedTuple):
    """A message of a device that is left unheard: counted, and nothing else."""

    reason: IgnoredReason


class Tyre(NamedTuple):
    """Where a tyre sensor is mounted.

    Attributes:
        wheel: `Row1.Left`, as VSS names wheels.
    """

    unit: str
    wheel: str


@dataclass(frozen=True)
class Bindings:
    """What the configuration says of devices. Keys are as `canonical_id` writes them.

    Attributes:
        phones: `user/device` of OwnTracks -> unit.
        scanners: A Theengs gateway -> the unit it is installed at.
        tyres: A sensor's address and wheel number (None: whatever number it says) -> where it is.
        tags: Unit -> tag -> the role its bearer has there.
    """

    phones: Mapping[str, str] = field(default_factory=dict)
    scanners: Mapping[str, str] = field(default_factory=dict)
    tyres: Mapping[tuple[str, int | None], Tyre] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, Role]] = field(default_factory=dict)


class Devices:
    """The bound devices of a gateway, and what is remembered of them."""

    def __init__(self, bindings: Bindings | None = None) -> None:
        self._bindings = bindings or Bindings()
        self._fences: frozenset[str] = frozenset()
        self._beacons: Mapping[str, str] = {}
        self._keys_at: dict[tuple[str, str], set[str]] = {}
        self._address_of: dict[tuple[str, str], str] = {}
        self._in_range: set[tuple[str, str]] = set()
        self._bearer: dict[tuple[str, Role], str] = {}

    def activate(self, fences: Iterable[str], beacons: Iterable[str]) -> None:
        """Know the fences and the beacons of a release from now on, and no others."""
        self._fences = frozenset(fences)
        self._beacons = {canonical_id(beacon): beacon for beacon in beacons}

    def unit_of(self, place: DeviceTopic) -> str | None:
        """Return the unit a phone or scanner is bound to."""
        bound = self._bindings.phones if place.dialect is Dialect.OWNTRACKS else self._bindings.scanners
        return bound.get(place.sender)

    def fence_of(self, *names: object) -> str | None:
        """Return the first of these that is a fence's id."""
        return next((name for name in names if isinstance(name, str) and name in self._fences), None)

    def beacon_of(self, key: str) -> str | None:
        """Return a beacon as its fence names it, if one does."""
        return self._beacons.get(key)

    def tyre_of(self, address: str, number: object) -> Tyre | None:
        """Return where a tyre sensor is mounted; a binding that names the number goes first."""
        tyres = self._bindings.tyres
        by_number = tyres.get((address, number)) if type(number) is int else None
        return by_number or tyres.get((address, None))

    def role_of(self, unit: str, tag: str) -> Role | None:
        """Return what the bearer of a tag is at a unit; None if the tag is not bound there."""
        return self._bindings.tags.get(unit, {}).get(tag)

    def heard(self, scanner: str, address: str, key: str) -> None:
        """Remember the address that a bound beacon or tag has now; its last one is forgotten."""
        before = self._address_of.get((scanner, key))
        if before == address:
            return
        if before is not None:
            self._release_address(scanner, before, key)
        self._address_of[scanner, key] = address
        self._keys_at.setdefault((scanner, address), set()).add(key)

    def gone(self, scanner: str, address: str) -> list[str]:
        """Return which bound beacons and tags an absent address stood for, and forget it; the address itself first."""
        keys = sorted(self._keys_at.pop((scanner, address), set()) - {address})
        for key in keys:
            self._address_of.pop((scanner, key), None)
        return [address, *keys]

    def arrives(self, unit: str, tag: str, role: Role) -> bool:
        """Return whether a tag that is heard now speaks for its role from now on.

        The one that came last does, as long as it is in range; then one that still is.
        """
        stayed = (unit, tag) in self._in_range
        self._in_range.add((unit, tag))
        if stayed and (unit, role) in self._bearer:
            return False
        self._bearer[unit, role] = tag
        return True

    def leaves(self, unit: str, tag: str, role: Role) -> bool:
        """Return whether the role is empty once a tag is out of range.

        It is not if another tag speaks for it. If none has since the start, whoever the ledger still has there leaves:
        rather a person too few than a stranger taken for them.
        """
        self._in_range.discard((unit, tag))
        if self._bearer.get((unit, role), tag) != tag:
            return False
        self._bearer.pop((unit, role), None)
        return True

    def forget(self, unit: str | None = None) -> None:
        """Let the tags at a unit, or at all, arrive anew: the engine knows of nobody there."""
        self._in_range = {at for at in self._in_range if unit is not None and at[0] != unit}
        self._bearer = {at: tag for at, tag in self._bearer.items() if unit is not None and at[0] != unit}

    def _release_address(self, scanner: str, address: str, key: str) -> None:
        keys = self._keys_at.get((scanner, address), set())
        keys.discard(key)
        if not keys:
            self._keys_at.pop((scanner, address), None)


def canonical_id(text: str) -> str:
    """Return the one way in which a device's id is written here, whoever wrote it.

    A Bluetooth address as AA:BB:CC:DD:EE:FF; an iBeacon as uuid:major:minor and an Eddystone as namespace:instance in
    lower case, the UUID with its hyphens; anything else (a URL) as it is.

    >>> canonical_id("aabbccddeeff")
    'AA:BB:CC:DD:EE:FF'
    >>> canonical_id("CA271EAE5FA84E808F082A302A95A959:1:02")
    'ca271eae-5fa8-4e80-8f08-2a302a95a959:1:2'
    """
    if _MAC.fullmatch(text):
        digits = text.replace(":", "").replace("-", "").upper()
        return ":".join(digits[start : start + 2] for start in range(0, 12, 2))
    ibeacon = _IBEACON.fullmatch(text)
    if ibeacon:
        *uuid, major, minor = ibeacon.groups()
        return f"{'-'.join(uuid).lower()}:{int(major)}:{int(minor)}"
    return text.lower() if _EDDYSTONE_UID.fullmatch(text) else text


def ibeacon_key(uuid: object, major: object, minor: object) -> str | None:
    """Return the key of an iBeacon; None if these do not name one."""
    numbers = (major, minor)
    if not isinstance(uuid, str) or not all(type(number) is int and 0 <= number <= 0xFFFF for number in numbers):
        return None
    key = f"{uuid}:{major}:{minor}"
    return canonical_id(key) if _IBEACON.fullmatch(key) else None
