"""What the replay of real traces must come to, worked out by brute force and without a line of the gateway.

Everything here is written from the rules as they are documented, and from nothing else:

- a fix is *late* when it is not newer than the last one that counted;
- it is a *jump* when it is more than `30 m + 90 m/s * elapsed` from the last one that counted, unless a jump is
  pending, this fix is newer than it, and can be reached from it by the same measure; a jump that is not confirmed so
  is the pending one from then on, and a fix that counts ends it;
- a circle is *entered* by a fix at most its radius from its centre, and *left* by one more than 30 m beyond its edge;
- two fixes that count *belong together* when they are at most 15 s and 300 m apart; a circle is *passed by* when the
  straight way between two such fixes outside leads through it, and not again before a fix lay more than 30 m beyond
  its edge; and when it is left after every fix from its entry on belonged together with the one before and was no
  slower than 1.5 m/s;
- a stop is *parked* by the rule stated in `gateway/edge/replay/parking.py`.

Distances are geodesics on the WGS 84 ellipsoid by Vincenty's inverse formula, where the engine measures on a plane.
Every pair of a fix and a circle less than 0.006 degrees apart is measured; nothing is indexed, nothing is remembered.
A margin says how near a distance came to the threshold it was held against.
"""

import csv
import gzip
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RADIUS_M = 100.0
EXIT_BUFFER_M = 30.0
JUMP_SLACK_M = 30.0
MAX_SPEED_MPS = 90.0
PARK_RADIUS_M = 50.0
PARK_STAY_MS = 120_000
PARK_GAP_MS = 180_000
PARKED_LIMIT_MS = 12 * 3_600_000
NEAR_DEG = 0.006
STEP_MS = 15_000
STEP_M = 300.0
STANDING_MPS = 1.5

_A = 6_378_137.0
_F = 1 / 298.257223563
_B = _A * (1 - _F)


class Trace(NamedTuple):
    """A trace, oldest first: milliseconds and degrees."""

    ts: Ints
    lat: Floats
    lon: Floats


class Crossing(NamedTuple):
    """A circle left, passed by or entered, by its number; those of one fix stand in this order."""

    ts: int
    what: Literal["1 left", "2 passed by", "3 entered"]
    circle: int


@dataclass
class Margins:
    """The smallest distances between what was measured and the threshold that decided, by rule, in metres."""

    smallest: dict[str, float] = field(default_factory=dict)
    within_half_a_metre: dict[str, int] = field(default_factory=dict)

    def note(self, rule: str, measured_m: Floats, threshold_m: float) -> None:
        apart = np.abs(measured_m - threshold_m)
        if apart.size:
            self.smallest[rule] = min(self.smallest.get(rule, np.inf), float(apart.min()))
            self.within_half_a_metre[rule] = self.within_half_a_metre.get(rule, 0) + int((apart < 0.5).sum())


def read_text(path: Path) -> list[str]:
    """Return the lines of a compressed file."""
    with gzip.open(path, "rt") as file:
        return file.readlines()


def read_cab(path: Path) -> Trace:
    """Rows are `lat lon occupied unix_s`."""
    rows = np.loadtxt(read_text(path), dtype=np.float64)
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    return Trace((rows[:, 3] * 1000).astype(np.int64), rows[:, 0], rows[:, 1])


def read_drive(path: Path) -> Trace:
    """Rows are `17-Jan-2009 <tab> 20:27:37 <tab> lat <tab> lon`, in UTC, under one line of names."""
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:]]
    ts = [round(datetime.strptime(f"{row[0]} {row[1]} +0000", "%d-%b-%Y %H:%M:%S %z").timestamp()) for row in rows]
    return Trace(
        np.array(ts, dtype=np.int64) * 1000,
        np.array([float(r[2]) for r in rows]),
        np.array([float(r[3]) for r in rows]),
    )


def read_stations(path: Path) -> tuple[Floats, Floats]:
    """Return latitudes and longitudes, in the order of the file."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([float(row["latitude"]) for row in rows]), np.array([float(row["longitude"]) for row in rows])


def geodesic_m(lat1: Floats | float, lon1: Floats | float, lat2: Floats | float, lon2: Floats | float) -> Floats:
    """Return the lengths of geodesics between points that are not antipodal.

    T. Vincenty, Direct and inverse solutions of geodesics on the ellipsoid, Survey Review 23 (176), 1975, p. 88-93:
    exact to half a millimetre.
    """
    u1, u2 = (np.arctan((1 - _F) * np.tan(np.radians(np.asarray(lat, dtype=np.float64)))) for lat in (lat1, lat2))
    span = np.radians(np.asarray(lon2, dtype=np.float64) - lon1)
    lam, before = span, np.full_like(span, np.inf)
    for _ in range(30):
        if np.all(np.abs(lam - before) < 1e-13):
            break
        arc = _arc(u1, u2, lam)
        c = _F / 16 * arc.cos2_alpha * (4 + _F * (4 - 3 * arc.cos2_alpha))
        turn = arc.sigma + c * arc.sin_sigma * (arc.cos_2m + c * arc.cos_sigma * (-1 + 2 * arc.cos_2m**2))
        before, lam = lam, span + (1 - c) * _F * arc.sin_alpha * turn
    arc = _arc(u1, u2, lam)
    u_squared = arc.cos2_alpha * (_A**2 - _B**2) / _B**2
    a = 1 + u_squared / 16384 * (4096 + u_squared * (-768 + u_squared * (320 - 175 * u_squared)))
    b = u_squared / 1024 * (256 + u_squared * (-128 + u_squared * (74 - 47 * u_squared)))
    third = b / 6 * arc.cos_2m * (-3 + 4 * arc.sin_sigma**2) * (-3 + 4 * arc.cos_2m**2)
    second = b / 4 * (arc.cos_sigma * (-1 + 2 * arc.cos_2m**2) - third)
    return np.asarray(_B * a * (arc.sigma - b * arc.sin_sigma * (arc.cos_2m + second)), dtype=np.float64)


class _Arc(NamedTuple):
    """A great circle on the auxiliary sphere."""

    sigma: Floats
    sin_sigma: Floats
    cos_sigma: Floats
    sin_alpha: Floats
    cos2_alpha: Floats
    cos_2m: Floats


def _arc(u1: Floats, u2: Floats, lam: Floats) -> _Arc:
    cross = np.cos(u1) * np.sin(u2) - np.sin(u1) * np.cos(u2) * np.cos(lam)
    sin_sigma = np.hypot(np.cos(u2) * np.sin(lam), cross)
    cos_sigma = np.sin(u1) * np.sin(u2) + np.cos(u1) * np.cos(u2) * np.cos(lam)
    divisor = np.where(sin_sigma == 0, 1.0, sin_sigma)  # the same point twice: the numerator is 0 as well
    sin_alpha = np.cos(u1) * np.cos(u2) * np.sin(lam) / divisor
    cos2_alpha = 1 - sin_alpha**2
    equatorial = cos2_alpha == 0
    middle = np.where(equatorial, 0.0, 2 * np.sin(u1) * np.sin(u2) / np.where(equatorial, 1.0, cos2_alpha))
    return _Arc(np.arctan2(sin_sigma, cos_sigma), sin_sigma, cos_sigma, sin_alpha, cos2_alpha, cos_sigma - middle)


def judge(trace: Trace, margins: Margins) -> list[str]:
    """Return of each fix why it does not count: `late_fix`, `implausible_jump`, or nothing."""
    verdicts: list[str] = []
    last = pending = -1
    for at in range(len(trace.ts)):
        if last >= 0 and trace.ts[at] <= trace.ts[last]:
            verdicts.append("late_fix")
            continue
        counts = last < 0 or _reachable(trace, last, at, margins)
        if not counts and pending >= 0 and trace.ts[at] > trace.ts[pending]:
            counts = _reachable(trace, pending, at, margins)
        verdicts.append("" if counts else "implausible_jump")
        if counts:
            last, pending = at, -1
        else:
            pending = at
    return verdicts


def _reachable(trace: Trace, start: int, end: int, margins: Margins) -> bool:
    way_m = geodesic_m(trace.lat[start], trace.lon[start], trace.lat[end], trace.lon[end])
    limit_m = JUMP_SLACK_M + MAX_SPEED_MPS * float(trace.ts[end] - trace.ts[start]) / 1000
    margins.note("jump", way_m, limit_m)
    return bool(way_m <= limit_m)


def crossings(trace: Trace, counts: NDArray[np.bool_], lats: Floats, lons: Floats, margins: Margins) -> list[Crossing]:
    """Return every crossing of every circle by the fixes that count, by time, then as `Crossing` has it."""
    fixes = Trace(trace.ts[counts], trace.lat[counts], trace.lon[counts])
    ways_m = np.append(np.inf, geodesic_m(fixes.lat[:-1], fixes.lon[:-1], fixes.lat[1:], fixes.lon[1:]))
    steps_ms = np.append(1, np.diff(fixes.ts))
    together = (ways_m <= STEP_M) & (steps_ms <= STEP_MS)
    moving = together & (ways_m >= STANDING_MPS * steps_ms / 1000)
    margins.note("step", ways_m[steps_ms <= STEP_MS], STEP_M)
    found: list[Crossing] = []
    for circle in range(len(lats)):
        near = (np.abs(fixes.lat - lats[circle]) < NEAR_DEG) & (np.abs(fixes.lon - lons[circle]) < NEAR_DEG)
        if near.any():
            found += _of_circle(fixes, near, together, moving, (circle, lats[circle], lons[circle]), margins)
    return sorted(found)


def _of_circle(
    fixes: Trace,
    near: NDArray[np.bool_],
    together: NDArray[np.bool_],
    moving: NDArray[np.bool_],
    circle: tuple[int, float, float],
    margins: Margins,
) -> list[Crossing]:
    number, lat, lon = circle
    away_m = np.full(len(fixes.ts), np.inf)
    away_m[near] = geodesic_m(lat, lon, fixes.lat[near], fixes.lon[near])
    margins.note("enter", away_m[near], RADIUS_M)
    margins.note("leave", away_m[near], RADIUS_M + EXIT_BUFFER_M)
    is_away, is_within = away_m > RADIUS_M + EXIT_BUFFER_M, away_m <= RADIUS_M
    # A way that touches the circle is no shorter than from end to end over its edge.
    nearby = away_m + np.append(np.inf, away_m[:-1]) < STEP_M + 2 * RADIUS_M
    found: list[Crossing] = []
    entered = passed = -1
    for at in _worth_a_look(is_within, is_away, together & nearby):
        ts = int(fixes.ts[at])
        if entered >= 0:
            if is_away[at]:
                unbroken = bool(moving[entered : at + 1].all())
                found += [Crossing(ts, "1 left", number)] + [Crossing(ts, "2 passed by", number)] * unbroken
                entered = -1
        elif is_within[at]:
            entered = at
            found.append(Crossing(ts, "3 entered", number))
        elif together[at] and nearby[at] and (passed < 0 or is_away[passed + 1 : at + 1].any()):
            way = np.linspace(0.0, 1.0, 601)
            lats, lons = (c[at - 1] + way * (c[at] - c[at - 1]) for c in (fixes.lat, fixes.lon))
            nearest_m = geodesic_m(lat, lon, lats, lons).min()
            margins.note("pass", np.array([nearest_m]), RADIUS_M)
            if nearest_m <= RADIUS_M:
                passed = at
                found.append(Crossing(ts, "2 passed by", number))
    return found


def _worth_a_look(within: NDArray[np.bool_], away: NDArray[np.bool_], step: NDArray[np.bool_]) -> list[int]:
    """Return the fixes at which something may happen: within, on a step nearby, and the first away after either."""
    first_away = away & np.append(False, ~away[:-1])
    return np.flatnonzero(within | step | first_away).tolist()


def gears(trace: Trace, margins: Margins) -> list[tuple[int, int]]:
    """Return when which gear is inferred: 126 at the fix that completes a stop, 127 at the one that ends it."""
    found: list[tuple[int, int]] = []
    anchor, length = 0, len(trace.ts)
    while anchor < length:
        end, parked = _stop_from(trace, anchor, margins)
        if parked is not None:
            found.append((int(trace.ts[parked]), 126))
            if end < length:
                found.append((int(trace.ts[end]), 127))
        anchor = end
    return found


def _stop_from(trace: Trace, anchor: int, margins: Margins) -> tuple[int, int | None]:
    """Return the first fix that belongs to the next stop, and the one that makes this one parked, if any.

    The fixes within the radius are those before the first beyond it; of these the stop is unfinished until one is late
    enough, and only as far as no gap came before that.
    """
    reach = _first_beyond(trace, anchor, margins)
    stayed = np.flatnonzero(trace.ts[anchor:reach] - trace.ts[anchor] >= PARK_STAY_MS)
    gaps = np.flatnonzero(np.diff(trace.ts[anchor:reach]) > PARK_GAP_MS)
    first_gap = anchor + int(gaps[0]) + 1 if gaps.size else reach
    parked = anchor + int(stayed[0]) if stayed.size else reach
    if parked < first_gap:
        return reach, parked
    return first_gap, None


def _first_beyond(trace: Trace, anchor: int, margins: Margins) -> int:
    start, size = anchor + 1, 16
    while start < len(trace.ts):
        part = slice(start, start + size)
        away_m = geodesic_m(trace.lat[anchor], trace.lon[anchor], trace.lat[part], trace.lon[part])
        beyond = np.flatnonzero(away_m > PARK_RADIUS_M)
        margins.note("park", away_m[: int(beyond[0]) + 1] if beyond.size else away_m, PARK_RADIUS_M)
        if beyond.size:
            return start + int(beyond[0])
        start, size = start + size, size * 4
    return len(trace.ts)


def circles_at(crossed: list[Crossing], ts: int) -> frozenset[int]:
    """Return the circles a unit is in once everything up to and including an instant has happened."""
    inside: set[int] = set()
    for crossing in crossed:
        if crossing.ts > ts:
            break
        if crossing.what == "3 entered":
            inside.add(crossing.circle)
        elif crossing.what == "1 left":
            inside.discard(crossing.circle)
    return frozenset(inside)
