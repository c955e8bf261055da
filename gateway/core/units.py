"""Measures of the engine: instants, durations and positions, checked where they are made.

Every number that is not one of these carries its unit in its name (`_m`, `_s`, `_ms`, `_deg`, `_mps`).
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

from gateway.core.errors import InvalidPosition

Instant: TypeAlias = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# WGS 84, as defined by NIMA TR8350.2: the semi-major axis and the first eccentricity squared.
SEMI_MAJOR_M = 6_378_137.0
ECCENTRICITY_SQUARED = 6.694379990141317e-3


@dataclass(frozen=True, slots=True)
class Position:
    """A point on the WGS 84 ellipsoid, in GeoJSON order.

    Attributes:
        lon: Longitude in degrees, -180 to 180.
        lat: Latitude in degrees, -90 to 90.

    Raises:
        InvalidPosition: A coordinate is not finite or lies outside its range.
    """

    lon: float
    lat: float

    def __post_init__(self) -> None:
        # Written so that NaN, which compares false to everything, is refused as well.
        if not (-180.0 <= self.lon <= 180.0 and -90.0 <= self.lat <= 90.0):
            raise InvalidPosition(self.lon, self.lat)


def metres_per_degree(lat_deg: float) -> tuple[float, float]:
    """Return the metres that one degree of longitude and one of latitude span at a latitude.

    The radii of curvature of the ellipsoid (Snyder, Map Projections: A Working Manual, USGS 1987, p. 24-25):
    exact for an infinitesimal step, and within 0.1% for the few kilometres a fence spans, up to 85 degrees.
    """
    phi = math.radians(lat_deg)
    curvature = 1.0 - ECCENTRICITY_SQUARED * math.sin(phi) ** 2
    prime_vertical_m = SEMI_MAJOR_M / math.sqrt(curvature)
    meridian_m = prime_vertical_m * (1.0 - ECCENTRICITY_SQUARED) / curvature
    return math.radians(prime_vertical_m * math.cos(phi)), math.radians(meridian_m)


def distance_m(a: Position, b: Position) -> float:
    """Return the distance between two positions, on the plane that touches their middle latitude.

    Within 0.1% of the geodesic up to 100 km and 70 degrees of latitude; the short way round the antimeridian.
    """
    lon_m, lat_m = metres_per_degree((a.lat + b.lat) / 2)
    return math.hypot(delta_lon_deg(a.lon, b.lon) * lon_m, (b.lat - a.lat) * lat_m)


def delta_lon_deg(start_deg: float, end_deg: float) -> float:
    """Return the signed way from one longitude to another, the short way round: -180 to 180 degrees.

    >>> delta_lon_deg(179.5, -179.5)
    1.0
    """
    return (end_deg - start_deg + 180.0) % 360.0 - 180.0
