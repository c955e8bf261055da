"""Which season it is for tyres, and whether those fitted are of it.

Theory. Two tables. The climate is that of the latitude; a known one stands until the unit is surely across a tropic:

| latitude                                | climate |
|-----------------------------------------|---------|
| nearer to the equator than 23.4 degrees | tropics |
| north of that                           | north   |
| south of that                           | south   |

The season follows from it, from the month where the unit is, and from the air; the first row that holds counts:

| climate               | month, in the north | temperature           | season  |
|-----------------------|---------------------|-----------------------|---------|
| tropics               | any                 | any                   | unknown |
| north, south, unknown | any                 | below 4 C             | winter  |
| north, south          | October to March    | unknown or below 10 C | winter  |
| north, south          | May to September    | unknown or over 15 C  | summer  |
| any                   | any                 | any                   | unknown |

The south's months are the north's, six later. October to March is the motorists' rule of thumb "from October to
Easter" (in German "von O bis O"), in whole months; April belongs to neither. The bands of temperature keep it from
being applied against the weather: tyre makers name 7 C as where winter tyres begin to be better, between 4 and 10;
below 4 C the road may be icy, which is where cars begin to warn of it.

Tyres are out of season if any of them is no winter tyre in winter, or all of them are winter tyres in summer. That is
noticed once a season: a winter is reckoned from September, a summer from March, so that neither is cut in two.

Climate is a word on a unit's state and in reports of crossings. It is all that is kept of where on earth the unit is.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from gateway.core.state import Memory, Scope, StateKey

TROPIC_DEG = 23.4
"""The latitude of the tropics: the tilt of the earth's axis, 23.44 degrees."""
ACROSS_DEG = 0.1
"""How far beyond a tropic a unit is across it, 11 km: one that drives along it stays where it was."""

WINTER, SUMMER, UNKNOWN = "winter", "summer", "unknown"

_TROPICS = "tropics"
_CLIMATE = "climate"
_NOTICED = "out_of_season"
_WINTER_MONTHS = frozenset({10, 11, 12, 1, 2, 3})
_SUMMER_MONTHS = frozenset({5, 6, 7, 8, 9})
_SHIFT: Mapping[str, int] = MappingProxyType({"north": 0, "south": 6})
_BEGINS: Mapping[str, int] = MappingProxyType({WINTER: 9, SUMMER: 3})
"""The month, in the north, from which the year of a season is reckoned."""
_ICY_C, _COLD_C, _WARM_C = 4.0, 10.0, 15.0
_LAT_M = 110_000.0
"""A degree of latitude is nowhere shorter."""


def climate_of(lat_deg: float, known: str | None) -> str:
    """Return the climate of a latitude; the one that is `known` for as long as the unit may still be in it.

    >>> climate_of(47.6, None), climate_of(-33.9, None), climate_of(1.3, None)
    ('north', 'south', 'tropics')
    >>> climate_of(23.45, "tropics"), climate_of(23.45, "north")
    ('tropics', 'north')
    """
    beyond_deg = abs(lat_deg) - TROPIC_DEG
    found = _TROPICS if beyond_deg < 0 else "north" if lat_deg > 0 else "south"
    if known is not None and abs(beyond_deg) < ACROSS_DEG and _TROPICS in {known, found}:
        return known
    return found


def clear_m(lat_deg: float) -> float:
    """Return how far a unit may surely go before its climate changes; less than 0 near a tropic."""
    return (abs(abs(lat_deg) - TROPIC_DEG) - ACROSS_DEG) * _LAT_M


def known_climate(memory: Memory, unit: str) -> str | None:
    """Return the climate a unit was last in, or None."""
    climate: str | None = memory.get(Scope.UNIT, unit, _CLIMATE)
    return climate


def come_into(memory: Memory, unit: str, lat_deg: float) -> str:
    """Return the climate that a unit is in now if it is another than before; else empty. Changes nothing."""
    before = known_climate(memory, unit)
    climate = climate_of(lat_deg, before)
    return "" if climate == before else climate


def keep_climate(memory: Memory, unit: str, climate: str) -> None:
    """Keep the climate a unit is in."""
    memory.put(StateKey(Scope.UNIT, unit, _CLIMATE), climate)


def season_of(climate: str | None, month: int, air_c: float | None) -> str:
    """Return the season by the table above.

    Args:
        climate: north, south, tropics; None: not known.
        month: Where the unit is, 1 to 12.
        air_c: The temperature of the air; None: not known.
    """
    if climate == _TROPICS:
        return UNKNOWN
    if air_c is not None and air_c < _ICY_C:
        return WINTER
    if climate is None:
        return UNKNOWN
    _, month = _northern(climate, 0, month)
    if month in _WINTER_MONTHS and (air_c is None or air_c < _COLD_C):
        return WINTER
    if month in _SUMMER_MONTHS and (air_c is None or air_c > _WARM_C):
        return SUMMER
    return UNKNOWN


def is_out(season: str, tyres: str) -> bool:
    """Return whether tyres (WINTER, NON_WINTER, UNKNOWN) are out of season."""
    return (season, tyres) in {(WINTER, "NON_WINTER"), (SUMMER, "WINTER")}


def band(air_c: float | None) -> int:
    """Return in which band of the table a temperature is: only another band can be another season.

    >>> [band(air_c) for air_c in (None, 3.9, 4.0, 9.9, 10.0, 15.0, 15.1)]
    [0, 1, 2, 2, 3, 3, 4]
    """
    if air_c is None:
        return 0
    return 1 + (air_c >= _ICY_C) + (air_c >= _COLD_C) + (air_c > _WARM_C)


def note(memory: Memory, unit: str, season: str, local: datetime) -> bool:
    """Note that tyres are out of season. Returns whether that is news: it is once a season.

    Args:
        memory: Where it is noted.
        unit: Whose tyres they are.
        season: Winter or summer.
        local: The time where the unit is.
    """
    year, month = _northern(known_climate(memory, unit), local.year, local.month)
    year -= month < _BEGINS[season]
    key = StateKey(Scope.UNIT, unit, _NOTICED, season)
    if memory.get(*key) == year:
        return False
    memory.put(key, year)
    return True


def _northern(climate: str | None, year: int, month: int) -> tuple[int, int]:
    """Return the year and the month that are in the north what these are where the unit is."""
    year, month = divmod(12 * year + month - 1 + _SHIFT.get(climate or "", 0), 12)
    return year, month + 1
