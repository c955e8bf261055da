"""A map of a file of fences as one HTML page that works without a network.

It draws on a canvas by itself and fetches nothing: its Content-Security-Policy forbids it to, and lets no script run
but the one whose hash it names. What the fences say is data to that script, never markup.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely

from gateway.core.fences.geometry import Circle, Corridor, Fence
from gateway.wire.fences import read_fences
from geofences.measures import areas_m2, footprints

_HERE = Path(__file__).parent
_PER_DEGREE = 1_000_000
"""A millionth of a degree is 0.1 m."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src {hash}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<canvas id="map" tabindex="0" aria-label="Map of the fences. Arrow keys move it, + and - zoom, 0 shows all."></canvas>
<div id="legend" class="panel">
<h1>{title}</h1>
<div id="kinds"></div>
<input id="search" type="search" placeholder="Find a fence" aria-label="Find a fence">
<div id="found"></div>
</div>
<div id="zoom" class="panel">
<button id="in" aria-label="Nearer">+</button>
<button id="out" aria-label="Farther">&minus;</button>
<button id="all" aria-label="Show all">&#9633;</button>
</div>
<div id="hint" class="panel" role="status"></div>
<script id="data" type="application/json">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def draw_page(path: Path) -> str:
    """Return the page of a compiled file.

    Raises:
        FencesRefused: It is none that a gateway would take.
    """
    fences = read_fences(path)
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _PAGE.format(
        hash=f"'sha256-{digest}'",
        title=html.escape(f"{path.name}: {len(fences):,} fences"),
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        data=_as_data({"fences": list(_entries(fences))}),
        script=script,
    )


def _as_data(document: object) -> str:
    """Return JSON that cannot end the element it stands in: no `<` of its own, nor the line ends of JavaScript."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _entries(fences: Sequence[Fence]) -> Iterator[list[object]]:
    """Yield each fence: id, name, kind, what is said of it, and its rings."""
    drawn = footprints(fences)
    areas = areas_m2(drawn).tolist() if len(drawn) else []
    for fence, footprint, area_m2 in zip(fences, drawn, areas, strict=True):
        yield [fence.id, fence.name, fence.kind, _said(fence, area_m2), _rings(footprint)]


def _said(fence: Fence, area_m2: float) -> str:
    size = f"{area_m2 / 1e6:,.2f} km2" if area_m2 >= 1e6 else f"{area_m2:,.0f} m2"
    said = [fence.kind, size]
    if isinstance(fence.shape, Circle):
        said.append(f"radius {fence.shape.radius_m:g} m")
    if isinstance(fence.shape, Corridor):
        said.append(f"width {fence.shape.width_m:g} m")
    if fence.dwell_s:
        said.append(f"dwell {fence.dwell_s} s")
    if fence.opening_hours is not None:
        said.append("opening hours")
    return ", ".join([*said, *fence.tags])


def _rings(footprint: shapely.Geometry) -> list[list[int]]:
    """Return rings as the script unpacks them: steps in millionths of a degree, longitude and latitude in turn."""
    rings = []
    for ring in shapely.get_rings(shapely.get_parts(footprint)):
        places = np.round(shapely.get_coordinates(ring)[:-1] * _PER_DEGREE).astype(np.int64)
        steps = np.diff(places, axis=0, prepend=0)
        rings.append(steps.ravel().tolist())
    return rings
