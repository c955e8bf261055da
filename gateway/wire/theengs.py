"""The dialect of Theengs: what a scanner of Bluetooth advertisements hears at its unit.

    TPMS, bound     pressure (bar), temperature and alarm of a tyre       -> SignalsReported, of the unit it is bound to
    a bound tag     whoever bears it is there, or no longer               -> SubjectIdentified, SubjectLeft
    a fence's       iBeacon or Eddystone, and how near; or heard no more  -> BeaconSighted

A message tells no time: what it says is true when it is received. A tag's id is a credential: it becomes a keyed hash
here. Everything else that is heard belongs to strangers, and is nobody's business.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.core.errors import InvalidInput
from gateway.core.events import BeaconSighted, Event, SubjectIdentified, SubjectLeft
from gateway.core.units import Instant
from gateway.wire import eddystone, telemetry
from gateway.wire.credentials import keyed_hash
from gateway.wire.devices import Devices, Ignored, IgnoredReason, Said, Tyre, canonical_id, ibeacon_key
from gateway.wire.payloads import Method, Telemetry
from gateway.wire.reasons import Reason
from gateway.wire.strict import is_number
from gateway.wire.topics import Dialect

PATH_LOSS_EXPONENT = 2.0
"""Free space (Friis). Bodies and walls weaken more, which makes a beacon seem farther, never nearer."""
ASSUMED_POWER_1M_DBM = -59.0
"""Of a beacon that does not state its power: what iBeacons are delivered with."""

Fields = Mapping[str, object]
_KPA_PER_BAR = 100
_LARGEST_BAR = 1e6
"""What is more is no pressure, and may be more than a number holds once it is multiplied."""
_EDDYSTONE_UUIDS = frozenset({"feaa", "0xfeaa"})


class Scanner(NamedTuple):
    """A Theengs gateway, and the unit it is installed at."""

    name: str
    unit: str


class _Beacon(NamedTuple):
    """What a beacon says it is, and how strongly it says it is heard at 1 m."""

    key: str
    power_1m_dbm: float


def translate(
    scanner: Scanner, fields: Fields, received: Instant, devices: Devices, credential_key: bytes
) -> Said | Ignored:
    """Return what a scanner heard, if it heard something that is bound.

    Raises:
        InvalidInput: It names no device, or a bound tyre says nothing that makes sense.
        InvariantViolation: A tag was heard, and the key is too short to hide it.
    """
    id_ = fields.get("id")
    if not isinstance(id_, str) or not id_:
        raise InvalidInput(Reason.BAD_PAYLOAD, "id: missing or no text")
    address = canonical_id(id_)
    if fields.get("presence") == "absent":
        return _gone(scanner, address, received, devices)
    tyre = devices.tyre_of(address, fields.get("count")) if fields.get("model_id") == "TPMS" else None
    if tyre is not None:
        return _tyre(tyre, fields, received)
    return _heard(scanner, address, fields, received, devices, credential_key)


def distance_m(rssi_dbm: float, power_1m_dbm: float) -> float:
    """Return how far a signal of this strength has come: the log-distance path loss model.

    `d = 10 ** ((P(1 m) - RSSI) / (10 n))` (Rappaport, Wireless Communications, 2nd ed. 2002, section 4.9.1).

    >>> distance_m(-79, -59)
    10.0
    """
    return float(10 ** ((power_1m_dbm - rssi_dbm) / (10 * PATH_LOSS_EXPONENT)))


def _tyre(tyre: Tyre, fields: Fields, received: Instant) -> Said:
    row, side = tyre.wheel.split(".")
    path = f"Vehicle.Chassis.Axle.{row}.Wheel.{side}.Tire"
    values = {
        "Pressure": _kpa(fields.get("pres")),
        "Temperature": fields.get("tempc"),
        "IsPressureLow": fields.get("alarm"),
    }
    signals = {f"{path}.{name}": value for name, value in values.items() if value is not None}
    # Constructed, not validated: the instant is ours, even if our clock is wrong.
    said = telemetry.translate(tyre.unit, Telemetry.model_construct(ts_ms=received, signals=signals))
    if said.refused is not None and not said.events:
        raise said.refused
    return Said(Dialect.THEENGS, tyre.unit, said.events, said.refused)


def _kpa(bar: object) -> object:
    """Return whole kilopascals; what is no pressure stays as it is, and is refused as the signal's."""
    return round(bar * _KPA_PER_BAR) if is_number(bar) and abs(bar) < _LARGEST_BAR else bar


def _heard(
    scanner: Scanner, address: str, fields: Fields, received: Instant, devices: Devices, credential_key: bytes
) -> Said | Ignored:
    events: list[Event] = []
    ignored: IgnoredReason | None = IgnoredReason.UNKNOWN_DEVICE
    beacon = _beacon(fields)
    for tag in [address] if beacon is None else [address, beacon.key]:
        role = devices.role_of(scanner.unit, tag)
        if role is None:
            continue
        ignored = None
        if tag != address:
            devices.heard(scanner.name, address, tag)
        if devices.arrives(scanner.unit, tag, role):
            subject = keyed_hash(tag, credential_key)
            events.append(SubjectIdentified(scanner.unit, received, f"t.{received}", subject, role, Method.KEY.value))
    named = None if beacon is None else devices.beacon_of(beacon.key)
    if beacon is not None and named is not None:
        devices.heard(scanner.name, address, beacon.key)
        away_m = _distance_m(fields, beacon.power_1m_dbm)
        if away_m is not None:
            ignored = None
            events.append(BeaconSighted(scanner.unit, received, named, away_m))
        elif ignored is not None:
            ignored = IgnoredReason.NO_DISTANCE
    return Ignored(ignored) if ignored is not None else Said(Dialect.THEENGS, scanner.unit, tuple(events))


def _gone(scanner: Scanner, address: str, received: Instant, devices: Devices) -> Said | Ignored:
    events: list[Event] = []
    is_known = False
    for key in devices.gone(scanner.name, address):
        role = devices.role_of(scanner.unit, key)
        if role is not None:
            is_known = True
            if devices.leaves(scanner.unit, key, role):
                events.append(SubjectLeft(scanner.unit, received, f"t.{received}", role))
        named = devices.beacon_of(key)
        if named is not None:
            is_known = True
            events.append(BeaconSighted(scanner.unit, received, named, None))
    return Said(Dialect.THEENGS, scanner.unit, tuple(events)) if is_known else Ignored(IgnoredReason.UNKNOWN_DEVICE)


def _beacon(fields: Fields) -> _Beacon | None:
    """Return the beacon a message is about, if it is about one that can be known again."""
    if fields.get("model_id") == "IBEACON":
        key = ibeacon_key(fields.get("uuid"), fields.get("major"), fields.get("minor"))
        return None if key is None else _Beacon(key, _power_1m_dbm(fields.get("txpower")))
    service_uuid, data = fields.get("servicedatauuid"), fields.get("servicedata")
    if not isinstance(service_uuid, str) or service_uuid.lower() not in _EDDYSTONE_UUIDS or not isinstance(data, str):
        return None
    try:
        frame = eddystone.decode(bytes.fromhex(data))
    except ValueError:
        return None
    match frame:
        case eddystone.Uid():
            return _Beacon(f"{frame.namespace}:{frame.instance}", frame.power_1m_dbm)
        case eddystone.Url():
            return _Beacon(frame.url, frame.power_1m_dbm)
    return None


def _power_1m_dbm(stated: object) -> float:
    """Return the power a beacon states; some put their battery's voltage in its place."""
    return float(stated) if is_number(stated) and -127 <= stated <= 20 else ASSUMED_POWER_1M_DBM


def _distance_m(fields: Fields, power_1m_dbm: float) -> float | None:
    given, rssi_dbm = fields.get("distance"), fields.get("rssi")
    if is_number(given) and 0 <= given < 1e6:
        return float(given)
    # 127 says that the strength is not known (Bluetooth Core 5.4, vol. 4 part E, 7.7.65.2).
    return distance_m(rssi_dbm, power_1m_dbm) if is_number(rssi_dbm) and -127 <= rssi_dbm <= 20 else None
