"""What the geometry of the core is measured against: a formula it does not use."""

import math
from collections.abc import Callable

import pytest

from gateway.core.units import Position

SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)


def vincenty_m(a: Position, b: Position) -> float:
    """Return the geodesic on WGS 84 to a millimetre (T. Vincenty, Survey Review XXIII 176, 1975, the inverse problem).

    Not for points that are nearly antipodal, where the iteration does not converge.
    """
    u1, u2 = (math.atan((1 - FLATTENING) * math.tan(math.radians(p.lat))) for p in (a, b))
    lon_difference = lam = math.remainder(math.radians(b.lon - a.lon), math.tau)
    sin_sigma = cos_sigma = sigma = cos_sq_alpha = cos_2m = 0.0
    for _ in range(100):
        cross = math.cos(u1) * math.sin(u2) - math.sin(u1) * math.cos(u2) * math.cos(lam)
        sin_sigma = math.hypot(math.cos(u2) * math.sin(lam), cross)
        if sin_sigma == 0:
            return 0.0
        cos_sigma = math.sin(u1) * math.sin(u2) + math.cos(u1) * math.cos(u2) * math.cos(lam)
        sigma = math.atan2(sin_sigma, cos_sigma)
        sin_alpha = math.cos(u1) * math.cos(u2) * math.sin(lam) / sin_sigma
        cos_sq_alpha = 1 - sin_alpha**2
        cos_2m = cos_sigma - 2 * math.sin(u1) * math.sin(u2) / cos_sq_alpha if cos_sq_alpha else 0.0
        c = FLATTENING / 16 * cos_sq_alpha * (4 + FLATTENING * (4 - 3 * cos_sq_alpha))
        series = cos_2m + c * cos_sigma * (2 * cos_2m**2 - 1)
        before, lam = lam, lon_difference + (1 - c) * FLATTENING * sin_alpha * (sigma + c * sin_sigma * series)
        if abs(lam - before) < 1e-13:
            break
    u_sq = cos_sq_alpha * (SEMI_MAJOR_M**2 / SEMI_MINOR_M**2 - 1)
    a_ = 1 + u_sq / 16384 * (4096 + u_sq * (u_sq * (320 - 175 * u_sq) - 768))
    b_ = u_sq / 1024 * (256 + u_sq * (u_sq * (74 - 47 * u_sq) - 128))
    last = b_ / 6 * cos_2m * (4 * sin_sigma**2 - 3) * (4 * cos_2m**2 - 3)
    correction = b_ * sin_sigma * (cos_2m + b_ / 4 * (cos_sigma * (2 * cos_2m**2 - 1) - last))
    return SEMI_MINOR_M * a_ * (sigma - correction)


@pytest.fixture
def geodesic_m() -> Callable[[Position, Position], float]:
    """The distance between two positions by a formula that the core does not use."""
    return vincenty_m
