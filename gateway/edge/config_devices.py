"""`[units.devices]` of `gateway.toml`: which devices speak for a unit in a dialect of their own."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.core.events import Role
from gateway.wire.devices import canonical_id

_LEVEL = r"[^/+#\x00-\x1f]{1,64}"
_NUMBER = r"[0-9]{1,3}"
_ADDRESS = r"([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}"

Phone = Annotated[str, Field(pattern=rf"^{_LEVEL}/{_LEVEL}$")]
"""`user/device`, as the topics of OwnTracks have it."""
ScannerName = Annotated[str, Field(pattern=rf"^{_LEVEL}$")]
"""The name of a Theengs gateway: the second level of its topics."""
TyreSensor = Annotated[str, Field(pattern=rf"^{_ADDRESS}(/{_NUMBER})?$")]
"""A Bluetooth address, and after a slash the wheel number (`count`) it must say."""
Wheel = Literal["Row1.Left", "Row1.Right", "Row2.Left", "Row2.Right"]


class TagConfig(BaseModel):
    """Something a person carries that is heard by Bluetooth.

    Attributes:
        id: Its address, `uuid:major:minor` or `namespace:instance`. It is a credential, and told nowhere.
        role: What whoever carries it is at the unit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=128, repr=False), AfterValidator(canonical_id)]
    role: Role


class DevicesConfig(BaseModel):
    """The devices of a unit.

    Attributes:
        owntracks: Phones and trackers that say where the unit is.
        theengs: Scanners installed at the unit. The tags and beacons they hear count here.
        tyres: The unit's tyre sensors and their wheels, whichever scanner of the gateway hears them.
        tags: Whom the unit knows by what they carry.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    owntracks: tuple[Phone, ...] = ()
    theengs: tuple[ScannerName, ...] = ()
    tyres: dict[TyreSensor, Wheel] = {}
    tags: tuple[TagConfig, ...] = ()

    @model_validator(mode="after")
    def _tags_are_heard_once(self) -> "DevicesConfig":
        if self.tags and not self.theengs:
            raise ValueError("nobody hears these tags: name a scanner of the unit in theengs")
        known: set[str] = set()
        for number, tag in enumerate(self.tags):
            if tag.id in known:
                raise ValueError(f"tags: number {number + 1} stands there already")
            known.add(tag.id)
        return self

    @model_validator(mode="after")
    def _tyres_stand_once(self) -> "DevicesConfig":
        sensors: set[Sensor] = set()
        for text in self.tyres:
            if Sensor.of(text) in sensors:
                raise ValueError(f"tyres: {text!r} stands there already, written otherwise")
            sensors.add(Sensor.of(text))
        return self


class Sensor(NamedTuple):
    """A tyre sensor, taken apart.

    Attributes:
        number: The wheel number it must say; None: any.
    """

    address: str
    number: int | None

    @staticmethod
    def of(text: str) -> "Sensor":
        """Return what a key of `tyres` names."""
        address, _, number = text.partition("/")
        return Sensor(canonical_id(address), int(number) if number else None)


def check_claims(devices: Iterable[tuple[str, DevicesConfig]]) -> None:
    """Check that no device speaks for two units, and that somebody hears the tyres.

    Tags and beacons may be known at several units: they count where they are heard.

    Raises:
        ValueError: Names the device and both units.
    """
    units = tuple(devices)
    claimed: dict[str, str] = {}
    for unit, config in units:
        for device in _claims(config):
            other = claimed.setdefault(device, unit)
            if other != unit:
                raise ValueError(f"units: {device} speaks for both {other!r} and {unit!r}")
    if not any(config.theengs for _, config in units):
        for unit, config in units:
            if config.tyres:
                raise ValueError(f"units: nobody hears the tyres of {unit!r}: name a scanner in theengs")


def _claims(config: DevicesConfig) -> Iterator[str]:
    yield from (f"the OwnTracks device {phone!r}" for phone in config.owntracks)
    yield from (f"the scanner {scanner!r}" for scanner in config.theengs)
    yield from (f"the tyre sensor {Sensor.of(text).address!r}" for text in config.tyres)
