import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.units import Position
from geofences.geopackage import SourceFence, write_geopackage
from geofences.page import draw_page

NASTY = '</script><script>alert("1")</script><!-- & \u2028 \' `${1}` [red]'


@pytest.fixture
def package(tmp_path: Path) -> Path:
    fences = (
        Fence("circle", "cafe", NASTY, Circle(Position(10.0, 50.0), 60.0), tags=(NASTY[:60],), dwell_s=60),
        Fence("hole", "zone", "B", Area(shapely.box(0, 0, 1, 1) - shapely.box(0.4, 0.4, 0.6, 0.6))),
        Fence("line", "zone", "C", Corridor(shapely.LineString([(0, 0), (1, 1)]), 30.0)),
    )
    path = tmp_path / "<b>.gpkg"
    write_geopackage([SourceFence(fence) for fence in fences], path)
    return path


def data_of(page: str) -> list[list[object]]:
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    fences: list[list[object]] = json.loads(text)["fences"]
    return fences


def rings_of(fence: list[object]) -> list[list[int]]:
    rings = fence[4]
    assert isinstance(rings, list)
    return rings


def unpacked(steps: list[int]) -> shapely.Polygon:
    """Return a ring as the script has it, in degrees."""
    return shapely.Polygon(np.cumsum(np.array(steps).reshape(-1, 2), axis=0) / 1e6)


def test_what_a_fence_says_is_data_and_never_markup(package: Path) -> None:
    page = draw_page(package)
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(" not in re.sub(r'<script id="data".*?</script>', "", page, flags=re.DOTALL)
    assert "<b>" not in page
    assert data_of(page)[0][1] == NASTY


def test_the_page_names_no_address_and_forbids_itself_to_fetch(package: Path) -> None:
    page = draw_page(package)
    assert re.findall(r"(?:https?|wss?|ftp):|\bsrc=|\bhref=|@import|url\(|fetch\(|XMLHttpRequest|import\(", page) == []
    assert "default-src 'none'" in page


def test_only_the_script_that_it_names_may_run(package: Path) -> None:
    page = draw_page(package)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_every_fence_is_drawn_with_its_holes(package: Path) -> None:
    circle, hole, line = data_of(draw_page(package))
    assert circle[0] == "circle"
    assert circle[3] == f"cafe, 11,237 m2, radius 60 m, dwell 60 s, {NASTY[:60]}"
    assert [unpacked(ring).bounds for ring in rings_of(hole)] == [(0, 0, 1, 1), (0.4, 0.4, 0.6, 0.6)]
    assert "width 30 m" in str(line[3])


def test_the_page_of_a_file_without_fences_is_drawn(tmp_path: Path) -> None:
    write_geopackage([], tmp_path / "none.gpkg")
    assert "none.gpkg: 0 fences" in draw_page(tmp_path / "none.gpkg")
