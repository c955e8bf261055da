"""The dialect of OwnTracks: what a phone or a vehicle tracker says of the unit it speaks for.

    location    a fix, with what a tracker knows of the vehicle      -> PositionReported, SignalsReported
    transition  the phone's own geofencing saw a crossing            -> FenceReported
    beacon      a beacon was heard                                   -> BeaconSighted
    lwt         the broker's word that the phone's connection ended  -> UnitLost

`tst` is the instant of the fix, so a backlog sent hours late is as old as it says. `acc` is left out when it is zero:
missing and 0 both mean "unknown". `vel` is km/h and -1 when unknown. That nothing moves (`motion` false) is not parked.
Where a phone is known to be beyond that (wireless networks, regions, waypoints) is not looked at.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.core.errors import InvalidInput
from gateway.core.events import BeaconSighted, FenceReported, UnitLost
from gateway.core.units import SECOND_MS, Instant
from gateway.wire import telemetry, vss
from gateway.wire.devices import Devices, Ignored, IgnoredReason, Said, ibeacon_key
from gateway.wire.payloads import EARLIEST_MS, LATEST_MS, Telemetry
from gateway.wire.reasons import Reason
from gateway.wire.strict import is_number, refusal
from gateway.wire.topics import Dialect

PROXIMITY_M: Mapping[int, float] = MappingProxyType({1: 0.5, 2: 3.0})
"""`prox` of a beacon whose `acc` is unknown: immediate and near. Far and unknown say nothing that counts."""

Fields = Mapping[str, object]
_Tst = Annotated[int, Field(ge=EARLIEST_MS // SECOND_MS, le=LATEST_MS // SECOND_MS)]


class _Message(BaseModel):
    """What of a message must be right for anything of it to count; the rest is looked at one by one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)

    tst: _Tst

    @property
    def ts(self) -> Instant:
        return self.tst * SECOND_MS


class _Location(_Message):
    lat: float
    lon: float


class _Transition(_Message):
    event: Literal["enter", "leave"]


def translate(unit: str, fields: Fields, received: Instant, devices: Devices) -> Said | Ignored:
    """Return what a message says of the unit its device speaks for.

    Raises:
        InvalidInput: It is not what its `_type` says.
    """
    kind = fields.get("_type")
    if not isinstance(kind, str):
        raise InvalidInput(Reason.BAD_PAYLOAD, "_type: missing or no text")
    if kind == "encrypted":
        return Ignored(IgnoredReason.ENCRYPTED)
    if kind == "lwt":
        # A will was written before it came true, so the unit is lost when it is received.
        devices.forget(unit)
        return Said(Dialect.OWNTRACKS, unit, (UnitLost(unit, received),))
    translator = _TRANSLATORS.get(kind)
    return Ignored(IgnoredReason.OTHER_TYPE) if translator is None else translator(unit, fields, devices)


def _location(unit: str, fields: Fields, _devices: Devices) -> Said:
    fix = _validated(_Location, fields)
    signals: dict[str, object] = {vss.LATITUDE: fix.lat, vss.LONGITUDE: fix.lon}
    for name, path in _VEHICLE.items():
        value = fields.get(name)
        if value is not None:
            signals[path] = _AS_VSS.get(name, _unchanged)(value)
    speed_kmh = signals.get(vss.SPEED)
    if is_number(speed_kmh) and speed_kmh < 0:
        del signals[vss.SPEED]
    said = telemetry.translate(unit, Telemetry.model_construct(ts_ms=fix.ts, signals=signals))
    if said.refused is not None and not said.events:
        raise said.refused
    return Said(Dialect.OWNTRACKS, unit, said.events, said.refused)


def _transition(unit: str, fields: Fields, devices: Devices) -> Said | Ignored:
    """A region counts if its id or its description is the id of a fence: all others are its owner's own business."""
    crossing = _validated(_Transition, fields)
    fence = devices.fence_of(fields.get("rid"), fields.get("desc"))
    if fence is None:
        return Ignored(IgnoredReason.UNKNOWN_FENCE)
    entered = crossing.event == "enter"
    event = FenceReported(unit, crossing.ts, entered=(fence,) if entered else (), exited=() if entered else (fence,))
    return Said(Dialect.OWNTRACKS, unit, (event,))


def _beacon(unit: str, fields: Fields, devices: Devices) -> Said | Ignored:
    key = ibeacon_key(fields.get("uuid"), fields.get("major"), fields.get("minor"))
    beacon = None if key is None else devices.beacon_of(key)
    if beacon is None:
        return Ignored(IgnoredReason.UNKNOWN_DEVICE)
    sighting = _validated(_Message, fields)
    distance_m = _distance_m(fields.get("acc"), fields.get("prox"))
    if distance_m is None:
        return Ignored(IgnoredReason.NO_DISTANCE)
    return Said(Dialect.OWNTRACKS, unit, (BeaconSighted(unit, sighting.ts, beacon, distance_m),))


_TRANSLATORS: Mapping[str, Callable[[str, Fields, Devices], Said | Ignored]] = MappingProxyType(
    {"location": _location, "transition": _transition, "beacon": _beacon}
)

_VEHICLE: Mapping[str, str] = MappingProxyType(
    {
        "acc": vss.HORIZONTAL_ACCURACY,
        "cog": vss.HEADING,
        "vel": vss.SPEED,
        "motion": "Vehicle.IsMoving",
        "ign": "Vehicle.LowVoltageSystemState",
        "flvl": "Vehicle.Powertrain.FuelSystem.RelativeLevel",
    }
)
"""Fields of a location, and the signal each is heard as."""


def _ignition(value: object) -> object:
    return ("ON" if value else "OFF") if isinstance(value, bool) else value


def _whole(value: object) -> object:
    return round(value) if is_number(value) else value


def _unchanged(value: object) -> object:
    return value


_AS_VSS: Mapping[str, Callable[[object], object]] = MappingProxyType({"ign": _ignition, "flvl": _whole})
"""How a value is written in VSS; one of the wrong type stays as it is, and is refused as the signal's."""


def _distance_m(accuracy_m: object, proximity: object) -> float | None:
    """Return how near a beacon is: its `acc`, which is negative when unknown; else by its `prox`."""
    if is_number(accuracy_m) and 0 < accuracy_m < 1e6:
        return float(accuracy_m)
    return PROXIMITY_M.get(proximity) if isinstance(proximity, int) and type(proximity) is int else None


_MessageT = TypeVar("_MessageT", bound=_Message)


def _validated(model: type[_MessageT], fields: Fields) -> _MessageT:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise refusal(b"", error) from None
