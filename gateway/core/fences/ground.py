"""Distances on the WGS 84 ellipsoid that hold everywhere: across the antimeridian, over a pole, around the globe.

Two places are put into space (earth-centred, earth-fixed), where no meridian is special; the straight way between
them is bent onto a sphere. For what a fence spans the sphere's radius hardly matters: the bend adds 0.001% at 100 km,
0.1% at 1,000 km, and the ellipsoid differs from the sphere by no more than a two-hundredth of that.
"""

import math

import numpy as np
from numpy.typing import NDArray

from gateway.core.units import ECCENTRICITY_SQUARED, SEMI_MAJOR_M

Floats = NDArray[np.float64]

MEAN_RADIUS_M = 6_371_008.8


def way_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Return the distance between two places in degrees, within 0.1% up to 10,000 km; nearly exact nearby."""
    xa, ya, za = _in_space(lon_a, lat_a)
    xb, yb, zb = _in_space(lon_b, lat_b)
    chord_m = math.sqrt((xb - xa) ** 2 + (yb - ya) ** 2 + (zb - za) ** 2)
    return 2.0 * MEAN_RADIUS_M * math.asin(min(1.0, chord_m / (2.0 * MEAN_RADIUS_M)))


def ways_m(lon: float, lat: float, lons: Floats, lats: Floats) -> Floats:
    """Return the distances from one place to many."""
    x, y, z = _in_space(lon, lat)
    lam, phi = np.radians(lons), np.radians(lats)
    sine, cosine = np.sin(phi), np.cos(phi)
    normal_m = SEMI_MAJOR_M / np.sqrt(1.0 - ECCENTRICITY_SQUARED * sine * sine)
    dx, dy = normal_m * cosine * np.cos(lam) - x, normal_m * cosine * np.sin(lam) - y
    dz = normal_m * (1.0 - ECCENTRICITY_SQUARED) * sine - z
    half = np.sqrt(dx * dx + dy * dy + dz * dz) / (2.0 * MEAN_RADIUS_M)
    bent: Floats = 2.0 * MEAN_RADIUS_M * np.arcsin(np.minimum(1.0, half))
    return bent


def _in_space(lon: float, lat: float) -> tuple[float, float, float]:
    """Return the place on the ellipsoid in metres from the earth's centre (NIMA TR8350.2, section 4.3)."""
    # One meridian has two names; the sine of either is not quite zero.
    lam, phi = math.radians(180.0 if lon == -180.0 else lon), math.radians(lat)
    sine = math.sin(phi)
    normal_m = SEMI_MAJOR_M / math.sqrt(1.0 - ECCENTRICITY_SQUARED * sine * sine)
    across_m = normal_m * math.cos(phi)
    return across_m * math.cos(lam), across_m * math.sin(lam), normal_m * (1.0 - ECCENTRICITY_SQUARED) * sine
