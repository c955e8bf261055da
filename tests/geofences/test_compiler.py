import gzip
from pathlib import Path

import pytest

from gateway.core.fences.geometry import Area, Circle, Corridor
from gateway.core.units import Position
from gateway.wire.fences import read_fences
from geofences.compiler import Rules, SourceRefused, compile_fences, compile_sources, read_source
from geofences.sources import Defaults
from tests.geofences.conftest import (
    BOW_TIE,
    HOLE,
    SQUARE,
    feature,
    line,
    point,
    polygon,
    refusal,
    refusal_of_all,
    write,
    write_csv,
)

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "fences" / "stations.geojson"


def test_the_demo_fences_compile_and_read_back(tmp_path: Path) -> None:
    fences = compile_fences(DEMO, tmp_path / "stations.gpkg")
    assert read_fences(tmp_path / "stations.gpkg") == tuple(sorted(fences, key=lambda fence: fence.id))
    assert [fence.kind for fence in fences] == ["fuel_station"] * 3 + ["mall"]


def test_every_property_reaches_the_fence(tmp_path: Path) -> None:
    properties = {
        "name": "A fence",
        "priority": 3,
        "opening_hours": "Mo-Fr 06:00-22:00",
        "time_zone": "Europe/Berlin",
        "enter_buffer_m": 5,
        "approach_m": 400,
        "approach_s": 60,
        "radius_m": 60,
        "dwell_s": 120,
        "exit_buffer_m": 15.5,
        "accuracy_limit_m": 80,
        "beacon": "b-1",
        "tags": ["partner"],
    }
    (source,) = read_source(write(tmp_path, feature(point(), **properties)))
    fence = source.fence
    assert (fence.id, fence.kind, fence.name) == ("a", "zone", "A fence")
    assert fence.shape == Circle(Position(10.0, 50.0), 60.0)
    assert (fence.dwell_s, fence.exit_buffer_m, fence.accuracy_limit_m, fence.beacon) == (120, 15.5, 80.0, "b-1")
    assert (fence.tags, fence.priority, fence.enter_buffer_m) == (("partner",), 3, 5.0)
    assert (fence.approach_m, fence.approach_s) == (400.0, 60)
    assert (source.opening_hours, source.time_zone) == ("Mo-Fr 06:00-22:00", "Europe/Berlin")
    compile_fences(tmp_path / "source.geojson", tmp_path / "out.gpkg")
    assert read_fences(tmp_path / "out.gpkg") == (fence,)


def test_holes_and_parts_are_kept(tmp_path: Path) -> None:
    parts = {"type": "MultiPolygon", "coordinates": [[*SQUARE, HOLE], [[[5, 5], [6, 5], [6, 6], [5, 5]]]]}
    (fence,) = compile_fences(write(tmp_path, feature(parts)), tmp_path / "out.gpkg")
    assert isinstance(fence.shape, Area)
    assert fence.shape.shape.area == pytest.approx(1 - 0.04 + 0.5)
    assert read_fences(tmp_path / "out.gpkg") == (fence,)


def test_null_properties_are_as_if_left_out(tmp_path: Path) -> None:
    (source,) = read_source(write(tmp_path, feature(polygon(*SQUARE), radius_m=None, name=None, beacon=None)))
    assert source.fence.name == "a"


def test_each_wrong_feature_is_named_with_its_index_and_reason(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        feature(point(), radius_m=60),
        feature(point()),
        feature(polygon(*SQUARE), id="b", kind="moon"),
        feature(polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), id="c"),
        feature(polygon([[0, 0], [1, 1], [1, 0]]), id="d"),
        feature({"type": "Point", "coordinates": ["x"]}, id="e", radius_m=1),
        feature(None, id="f"),
        {"type": "Point"},
        feature(polygon(*SQUARE), id="g", radius=5),
        feature({"type": "GeometryCollection", "geometries": []}, id="h"),
        feature(line([0, 0], [1, 1]), id="i"),
    )
    refused = refusal(source)
    assert [fault.place.index for fault in refused.faults] == list(range(1, 11))
    assert f"{source}: feature 1: a point needs radius_m" in str(refused)
    assert "feature 2: kind: unknown fence kind 'moon'" in str(refused)
    assert "feature 3: the geometry is not valid" in str(refused)
    assert "feature 4: a ring was not closed" in str(refused)
    assert "feature 6: needs a geometry and properties" in str(refused)
    assert "feature 7: must be a Feature" in str(refused)
    assert "feature 8: a fence has no 'radius'; --ignore-unknown leaves such out" in str(refused)
    assert "feature 9: a fence is a Point, LineString, MultiLineString, Polygon or MultiPolygon, not a Geom" in str(
        refused
    )
    assert "feature 10: a line needs width_m" in str(refused)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no GeoJSON"),
        ("[]", "must be a FeatureCollection, a Feature or a geometry"),
        ('{"type": "Feature"}', "feature 0: needs a geometry"),
        ('{"type": "FeatureCollection"}', "'features' must be a list"),
        ("[" * 100_000, "is no GeoJSON"),
    ],
)
def test_what_is_no_feature_collection_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "source.json"
    path.write_text(text)
    assert reason in str(refusal(path))


def test_a_collection_in_unknown_coordinates_is_refused(tmp_path: Path) -> None:
    unknown = {"type": "name", "properties": {"name": "EPSG:999999"}}
    assert "unknown coordinate reference system 'EPSG:999999'" in str(refusal(write(tmp_path, crs=unknown)))
    assert "names no coordinate reference system" in str(refusal(write(tmp_path, crs={"type": "link"})))


def test_a_collection_that_names_its_wgs_84_is_read(tmp_path: Path) -> None:
    crs84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert read_source(write(tmp_path, crs=crs84)) == ()


def test_ids_are_unique(tmp_path: Path) -> None:
    twice = feature(point(), radius_m=60)
    assert "'a' stands twice" in str(refusal(write(tmp_path, twice, twice)))


def test_a_csv_of_points_becomes_circles(tmp_path: Path) -> None:
    source = write_csv(tmp_path, '\ufeffname,longitude,latitude\n"Shop, and more",-117.19,34.05\n,-118,35\n')
    fences = compile_fences(source, tmp_path / "out.gpkg", kind="fuel_station")
    assert [(f.id, f.name, f.shape) for f in fences] == [
        ("fuel_station-1", "Shop, and more", Circle(Position(-117.19, 34.05), 100.0)),
        ("fuel_station-2", "fuel_station-2", Circle(Position(-118.0, 35.0), 100.0)),
    ]


def test_a_compressed_csv_is_read_with_the_radius_given(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"name,longitude,latitude\nA,1,2\n"))
    (source,) = read_source(path, kind="cafe", radius_m=25.0)
    assert source.fence.shape == Circle(Position(1.0, 2.0), 25.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,where\nA,1\n", "needs the columns longitude and latitude"),
        ("", "at least one row"),
        ("name,longitude,latitude\n", "at least one row"),
        ("name,longitude,latitude\nA,1,2\nB,x,2\n", "row 1: longitude and latitude must be numbers"),
        ("name,longitude,latitude\nA\n", "row 0: longitude and latitude must be numbers"),
        ("name,longitude,latitude\nA,nan,2\n", "row 0: "),
        ("name,longitude,latitude\nA,1,95\n", "row 0: longitude must be -180..180 and latitude -90..90"),
        ('name,longitude,latitude\n"A"b,1,2\n', "is no CSV"),
    ],
)
def test_a_wrong_csv_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in str(refusal(write_csv(tmp_path, text), kind="cafe"))


def test_a_csv_needs_the_kind_of_place_it_lists(tmp_path: Path) -> None:
    assert "kind of place" in str(refusal(write_csv(tmp_path, "name,longitude,latitude\nA,1,2\n")))
    assert "unknown fence kind" in str(refusal(write_csv(tmp_path, "name,longitude,latitude\nA,1,2\n"), kind="moon"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"name,longitude,latitude\nA,1,2\n" * 100)[:-9])
    assert "is no CSV" in str(refusal(path, kind="cafe"))


def test_a_refused_source_leaves_the_last_good_file(tmp_path: Path) -> None:
    package = tmp_path / "out.gpkg"
    compile_fences(write(tmp_path, feature(point(), radius_m=60)), package)
    before = package.read_bytes()
    with pytest.raises(SourceRefused):
        compile_fences(write(tmp_path, feature(point())), package)
    assert package.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gpkg", "source.geojson"]


def test_sources_of_several_kinds_become_one_file(tmp_path: Path) -> None:
    areas = write(tmp_path, feature(polygon(*SQUARE), id="b"), feature(line([0, 0], [1, 1]), id="a", width_m=20))
    points = write_csv(tmp_path, "name,longitude,latitude\nHere,10,50\n")
    out = tmp_path / "out.gpkg"
    report = compile_sources([areas, points], out, Defaults(kind="store"))
    fences = read_fences(out)
    assert [fence.id for fence in fences] == ["a", "b", "store-1"]
    assert [type(fence.shape) for fence in fences] == [Corridor, Area, Circle]
    assert report.sources == {str(areas): 2, str(points): 1}
    assert (report.kinds, report.shapes) == ({"store": 1, "zone": 2}, {"circle": 1, "corridor": 1, "polygon": 1})
    assert report.default_radius_m == {"100": 1}
    assert report.vertices == {"before": 8, "after": 8}


def test_an_id_or_a_beacon_that_stands_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    one = write(tmp_path, feature(point(), radius_m=60, beacon="b-1"), name="one.geojson")
    other = write(
        tmp_path,
        feature(point(), radius_m=60),
        feature(point(), id="z", radius_m=1, beacon="b-1"),
        name="other.geojson",
    )
    refused = refusal_of_all(tmp_path, one, other)
    assert [str(fault) for fault in refused.faults] == [
        f"{other}: feature 0: the id 'a' stands twice; first at {one}: feature 0",
        f"{other}: feature 1: the beacon 'b-1' speaks for two; first at {one}: feature 0",
    ]


def test_a_source_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path, feature(point(), radius_m=60))
    assert "stands twice" in str(refusal_of_all(tmp_path, source, source))


def test_the_faults_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    first = write(tmp_path, feature(point()), name="first.geojson")
    second = write_csv(tmp_path, "longitude,latitude,kind\nx,1,zone\n1,2,moon\n")
    third = tmp_path / "none.geojson"
    places = [str(fault.place) for fault in refusal_of_all(tmp_path, first, second, third, kind="store").faults]
    assert places == [f"{first}: feature 0", f"{second}: row 0", f"{second}: row 1", f"{third}"]


def test_a_wrong_shape_hides_no_wrong_property(tmp_path: Path) -> None:
    refused = refusal_of_all(tmp_path, write(tmp_path, feature(polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), kind="moon")))
    assert "nothing is left of it" in str(refused)
    assert "unknown fence kind" in str(refused)


def test_an_invalid_shape_is_repaired_and_told_or_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path, feature(polygon(BOW_TIE))), tmp_path / "out.gpkg"
    (entry,) = compile_sources([source], out).repaired
    assert entry["place"] == f"{source}: feature 0"
    assert entry["id"] == "a"
    assert entry["what"].startswith("Self-intersection")
    with pytest.raises(SourceRefused, match="feature 0: the geometry is not valid: Self-intersection"):
        compile_sources([source], out, rules=Rules(strict=True))


def test_an_open_ring_is_closed_and_told_or_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path, feature(polygon(SQUARE[0][:-1]))), tmp_path / "out.gpkg"
    (entry,) = compile_sources([source], out).repaired
    assert entry["what"] == "a ring was not closed"
    with pytest.raises(SourceRefused, match="a ring was not closed"):
        compile_sources([source], out, rules=Rules(strict=True))


def test_what_crosses_the_antimeridian_is_split_and_told(tmp_path: Path) -> None:
    source = write(tmp_path, feature(polygon([[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]])))
    report = compile_sources([source], tmp_path / "out.gpkg")
    assert report.split == [{"place": f"{source}: feature 0", "id": "a"}]
    assert report.shapes == {"multipolygon": 1}
    (fence,) = read_fences(tmp_path / "out.gpkg")
    assert fence.distance_m(Position(-179.5, 0.5)) < 0
    assert fence.distance_m(Position(0.0, 0.5)) > 0


def test_outliers_are_told_and_dropped_only_when_asked(tmp_path: Path) -> None:
    near = "".join(f"S{number},{-122 + number / 100},47\n" for number in range(25))
    source = write_csv(tmp_path, f"name,longitude,latitude\n{near}Far,-72.9,7.3\n")
    out = tmp_path / "out.gpkg"
    report = compile_sources([source], out, Defaults(kind="store"))
    assert report.outliers == [{"place": f"{source}: row 25", "id": "store-26", "at": "-72.9000, 7.3000"}]
    assert (report.dropped, report.fences, len(read_fences(out))) == (False, 26, 26)
    report = compile_sources([source], out, Defaults(kind="store"), Rules(drop_outliers=True))
    assert (report.dropped, report.fences, len(read_fences(out))) == (True, 25, 25)


def test_simplifying_is_told(tmp_path: Path) -> None:
    ring = [[0, 0], [0.5, 0.0000001], [1, 0], [1, 1], [0, 1], [0, 0]]
    report = compile_sources(
        [write(tmp_path, feature(polygon(ring)))], tmp_path / "out.gpkg", rules=Rules(simplify_m=1.0)
    )
    assert (report.vertices, report.simplified) == ({"before": 6, "after": 5}, 1)
    assert 0 < report.moved_m <= 1.0


def test_defaults_speak_for_those_that_say_nothing(tmp_path: Path) -> None:
    bare = [
        {"type": "Feature", "properties": None, "geometry": point()},
        {"type": "Feature", "geometry": line([0, 0], [1, 1])},
    ]
    said = feature(point(), id="own", kind="cafe", radius_m=5)
    defaults = Defaults(kind="store", radius_m=30.0, width_m=12.0, id_prefix="p")
    compile_sources([write(tmp_path, *bare, said)], tmp_path / "out.gpkg", defaults)
    own, first, second = read_fences(tmp_path / "out.gpkg")
    assert (own.id, own.kind, own.shape) == ("own", "cafe", Circle(Position(10.0, 50.0), 5.0))
    assert (first.id, first.kind, first.shape) == ("p-1", "store", Circle(Position(10.0, 50.0), 30.0))
    assert isinstance(second.shape, Corridor)
    assert (second.id, second.shape.width_m) == ("p-2", 12.0)


def test_an_id_and_a_name_may_be_taken_from_other_properties(tmp_path: Path) -> None:
    entry = {
        "type": "Feature",
        "properties": {"REF": 7.0, "Label": "Seven", "kind": "zone"},
        "geometry": polygon(*SQUARE),
    }
    compile_sources([write(tmp_path, entry)], tmp_path / "out.gpkg", Defaults(id_from="ref", name_from="label"))
    (fence,) = read_fences(tmp_path / "out.gpkg")
    assert (fence.id, fence.name) == ("7", "Seven")


def test_the_id_of_a_feature_itself_is_its_id(tmp_path: Path) -> None:
    entry = {"type": "Feature", "id": 12, "properties": {"kind": "zone"}, "geometry": polygon(*SQUARE)}
    compile_fences(write(tmp_path, entry), tmp_path / "out.gpkg")
    assert [fence.id for fence in read_fences(tmp_path / "out.gpkg")] == ["12"]


def test_unknown_properties_are_left_out_when_told_and_counted(tmp_path: Path) -> None:
    entries = [feature(polygon(*SQUARE), id=name, pop=1, iso="x") for name in "ab"]
    report = compile_sources([write(tmp_path, *entries)], tmp_path / "out.gpkg", Defaults(ignore_unknown=True))
    assert report.ignored == {"iso": 2, "pop": 2}


def test_columns_of_a_csv_that_are_properties_are_read(tmp_path: Path) -> None:
    text = 'ID,Kind,lat,lon,radius_m,dwell_s,tags,note\nx,cafe,50,10,25,60,"a, b",n\ny,,50,11,,,,\n'
    report = compile_sources([write_csv(tmp_path, text)], tmp_path / "out.gpkg", Defaults(kind="store"))
    x, y = read_fences(tmp_path / "out.gpkg")
    assert (x.kind, x.shape, x.dwell_s, x.tags) == ("cafe", Circle(Position(10.0, 50.0), 25.0), 60, ("a", "b"))
    assert (y.kind, y.shape) == ("store", Circle(Position(11.0, 50.0), 100.0))
    assert report.default_radius_m == {"100": 1}
    assert report.remarks == [f"{tmp_path / 'points.csv'}: ignored columns: note"]


def test_a_csv_says_numbers_or_is_refused(tmp_path: Path) -> None:
    refused = refusal_of_all(
        tmp_path, write_csv(tmp_path, "lon,lat,kind,id,dwell_s\n1,2,cafe,a,long\n1,2,cafe,b,1.5\n")
    )
    assert "row 0: dwell_s: Input should be a valid integer" in str(refused)
    assert "row 1: dwell_s: Input should be a valid integer" in str(refused)


def test_no_features_compile_to_an_empty_file(tmp_path: Path) -> None:
    report = compile_sources([write(tmp_path)], tmp_path / "out.gpkg")
    assert (report.fences, report.extent_deg, read_fences(tmp_path / "out.gpkg")) == (0, None, ())


def test_progress_is_told_while_reading_and_while_writing(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source = write_csv(tmp_path, "longitude,latitude\n" + "".join(f"{n / 10},50\n" for n in range(600)))
    compile_sources([source], tmp_path / "out.gpkg", Defaults(kind="cafe"), progress=lambda *step: told.append(step))
    assert told == [(0, 600), (256, 600), (512, 600), (600, 600)]


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    assert "must be named" in str(refusal(tmp_path / "fences.txt"))
    assert "No such file" in str(refusal(tmp_path / "fences.geojson"))
    assert "cannot be opened" in str(refusal(tmp_path / "fences.shp"))


@pytest.mark.realdata
def test_the_fuel_stations_of_california_compile_and_the_one_in_colombia_is_found(
    realdata: Path, tmp_path: Path
) -> None:
    source, out = realdata / "pois" / "california_osm_fuel.csv", tmp_path / "fuel.gpkg"
    report = compile_sources([source], out, Defaults(kind="fuel_station"))
    assert report.fences == len(read_fences(out)) == source.read_bytes().count(b"\n") - 1 == 2925
    assert [entry["at"] for entry in report.outliers] == ["-72.9450, 7.3474"]


@pytest.mark.realdata
def test_all_countries_compile_with_little_of_their_area_lost(realdata: Path, tmp_path: Path) -> None:
    source = realdata / "pois" / "naturalearth_lowres.geojson"
    defaults = Defaults(kind="zone", id_prefix="country", ignore_unknown=True)
    report = compile_sources([source], tmp_path / "countries.gpkg", defaults)
    assert (report.fences, report.repaired, report.split) == (177, [], [])
    assert report.area_km2 == pytest.approx(147.36e6, rel=1e-3)
    simple = compile_sources([source], tmp_path / "simple.gpkg", defaults, Rules(simplify_m=5000.0))
    assert simple.vertices["after"] < report.vertices["after"]
    assert simple.moved_m <= 5000.0
