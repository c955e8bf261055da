"""From sources that people edit to a GeoPackage that devices read and QGIS opens.

All faults of all sources are found in one go, and sources with a fault compile to nothing. The same sources give the
same bytes; no clock is read. What is done to a shape on the way stands in the report.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely

from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.wire.fences import FencesRefused, make_fence
from geofences.geopackage import Progress, SourceFence, encode_geometry, geometry_of, write_geopackage
from geofences.measures import footprints
from geofences.mending import Mended, mend
from geofences.outliers import DEFAULT_STEP_KM, find_outliers
from geofences.overlaps import find_overlaps, find_pairs, total_area_m2
from geofences.report import Report
from geofences.sources import DEFAULT_RADIUS_M, TABLES, Defaults, Fault, Feature, Place, Reading, SourceRefused
from geofences.sources import read_source as read_features
from geofences.wording import word

__all__ = [
    "DEFAULT_RADIUS_M",
    "SourceFence",
    "SourceRefused",
    "compile_fences",
    "compile_sources",
    "encode_geometry",
    "read_source",
    "write_geopackage",
]

MOST_PAIRS = 20_000
"""If more fences meet, how many overlap is not found out on the way: about a second."""
_TOLD_EVERY = 256


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done to shapes.

    Attributes:
        strict: Refuse what would have to be repaired.
        simplify_m: How far an outline may move to save vertices, in metres.
        drop_outliers: Leave out what lies far from all others.
        outlier_km: How far that is.
    """

    strict: bool = False
    simplify_m: float = 0.0
    drop_outliers: bool = False
    outlier_km: float = DEFAULT_STEP_KM


@dataclass(frozen=True, slots=True)
class _Compiled:
    place: Place
    source: SourceFence
    mended: Mended


def compile_fences(
    source: Path, out: Path, *, kind: str | None = None, radius_m: float | None = None
) -> tuple[Fence, ...]:
    """Compile one source as it is, with nothing repaired and nothing left out. Returns its fences, in its order.

    Args:
        source: Any source that `wayside fences compile` takes.
        out: The GeoPackage, which appears whole or not at all; one that is there is replaced.
        kind: What kind of place the points of a CSV are.
        radius_m: The radius of the points of a CSV; left out: 100 m.

    Raises:
        SourceRefused: The source is wrong.
    """
    fences = read_source(source, kind=kind, radius_m=radius_m)
    write_geopackage(fences, out)
    return tuple(fence.fence for fence in fences)


def read_source(source: Path, *, kind: str | None = None, radius_m: float | None = None) -> tuple[SourceFence, ...]:
    """Return the fences of one source, in its order; as `compile_fences`.

    Raises:
        SourceRefused: The source is wrong.
    """
    is_table = source.name.lower().endswith(TABLES)
    gathered = _Gathering(Defaults(kind=kind, radius_m=radius_m) if is_table else Defaults(), Rules(strict=True))
    gathered.read(source)
    return tuple(entry.source for entry in gathered.finish())


def compile_sources(
    sources: Sequence[Path],
    out: Path,
    defaults: Defaults = Defaults(),  # noqa: B008 - frozen
    rules: Rules = Rules(),
    progress: Progress | None = None,
) -> Report:
    """Compile sources into one GeoPackage, which appears whole or not at all, and say what was done.

    Raises:
        SourceRefused: With all that is wrong in any of them.
    """
    gathered = _Gathering(defaults, rules)
    for source in sources:
        gathered.read(source, progress)
    report = Report(str(out), simplify_m=rules.simplify_m, outlier_km=rules.outlier_km, dropped=rules.drop_outliers)
    compiled = _without_outliers(gathered.finish(), rules, report)
    write_geopackage([entry.source for entry in compiled], out, progress)
    gathered.tell(report)
    _summarise(compiled, report)
    return report


class _Gathering:
    """The fences of several sources, and all that is wrong in them."""

    def __init__(self, defaults: Defaults, rules: Rules) -> None:
        self._defaults = defaults
        self._rules = rules
        self._compiled: list[_Compiled] = []
        self._faults: list[Fault] = []
        self._readings: list[Reading] = []
        self._left_out: Counter[str] = Counter()
        self._radii: Counter[float] = Counter()

    def read(self, source: Path, progress: Progress | None = None) -> None:
        """Read a source and compile what it says."""
        reading = read_features(source, self._defaults)
        self._readings.append(reading)
        faults = list(reading.faults)
        for number, feature in enumerate(reading.features):
            try:
                self._compiled.append(self._compile(feature, reading))
            except FencesRefused as error:
                faults.append(Fault(feature.place, str(error)))
            if progress is not None and number % _TOLD_EVERY == 0:
                progress(number, len(reading.features))
        self._faults += sorted(faults, key=lambda fault: (fault.place.layer or "", fault.place.index or 0))

    def _compile(self, feature: Feature, reading: Reading) -> _Compiled:
        worded = word(feature, reading, self._defaults)
        self._left_out.update(worded.left_out)
        if worded.took_radius:
            self._radii[reading.points_radius_m or 0.0] += 1
        try:
            mended = mend(
                feature.shape, strict=self._rules.strict, simplify_m=self._rules.simplify_m, notes=feature.notes
            )
        except FencesRefused as error:
            also = _faults_of(worded.properties, feature)
            raise FencesRefused("; ".join([str(error), *also])) from error
        fence, checked = make_fence(worded.properties, mended.shape)
        return _Compiled(feature.place, SourceFence.of(fence, checked), mended)

    def finish(self) -> list[_Compiled]:
        """Return the fences.

        Raises:
            SourceRefused: With all that is wrong.
        """
        faults = self._faults + _twice(self._compiled)
        if faults:
            raise SourceRefused(faults)
        return self._compiled

    def tell(self, report: Report) -> None:
        """Say what was read."""
        for reading in self._readings:
            report.sources[str(reading.source)] = len(reading.features)
            report.remarks += [f"{reading.source}: {remark}" for remark in reading.remarks]
        report.ignored = dict(sorted(self._left_out.items()))
        report.default_radius_m = {f"{radius_m:g}": count for radius_m, count in sorted(self._radii.items())}


def _faults_of(properties: dict[str, object], feature: Feature) -> list[str]:
    """Return what is wrong with the properties of a feature whose shape is wrong."""
    stand_in = {"Point": shapely.Point(0, 0), "LineString": shapely.LineString([(0, 0), (1, 1)])}
    try:
        make_fence(properties, stand_in.get(feature.shape.geom_type.removeprefix("Multi"), shapely.box(0, 0, 1, 1)))
    except FencesRefused as error:
        return [str(error)]
    return []


def _twice(compiled: Sequence[_Compiled]) -> list[Fault]:
    """Return a fault for each id and each beacon that stands a second time, with both places."""
    faults: list[Fault] = []
    ids: dict[str, Place] = {}
    beacons: dict[str, Place] = {}
    for entry in compiled:
        fence = entry.source.fence
        first = ids.setdefault(fence.id, entry.place)
        if first is not entry.place:
            faults.append(Fault(entry.place, f"the id {fence.id!r} stands twice; first at {first}"))
        if fence.beacon is not None:
            first = beacons.setdefault(fence.beacon, entry.place)
            if first is not entry.place:
                faults.append(Fault(entry.place, f"the beacon {fence.beacon!r} speaks for two; first at {first}"))
    return faults


def _without_outliers(compiled: list[_Compiled], rules: Rules, report: Report) -> list[_Compiled]:
    far = find_outliers([geometry_of(entry.source.fence) for entry in compiled], rules.outlier_km)
    for number in far:
        entry = compiled[number]
        point = shapely.point_on_surface(geometry_of(entry.source.fence))
        place = f"{point.x:.4f}, {point.y:.4f}"
        report.outliers.append({"place": str(entry.place), "id": entry.source.fence.id, "at": place})
    if not rules.drop_outliers:
        return compiled
    left_out = set(far)
    return [entry for number, entry in enumerate(compiled) if number not in left_out]


def _summarise(compiled: Sequence[_Compiled], report: Report) -> None:
    """Say what came out."""
    fences = [entry.source.fence for entry in compiled]
    report.fences = len(fences)
    report.kinds = dict(sorted(Counter(fence.kind for fence in fences).items()))
    report.shapes = dict(sorted(Counter(shape_name(fence) for fence in fences).items()))
    if not fences:
        return
    after = shapely.get_num_coordinates([entry.mended.shape for entry in compiled])
    before = [entry.mended.vertices_before for entry in compiled]
    report.vertices = {"before": sum(before), "after": int(after.sum())}
    drawn = footprints(fences)
    report.extent_deg = [round(edge, 7) for edge in shapely.total_bounds(drawn).tolist()]
    report.area_km2 = total_area_m2(drawn) / 1e6
    pairs = find_pairs(drawn)
    report.overlaps = len(find_overlaps(fences, drawn, pairs)) if len(pairs) <= MOST_PAIRS else None
    report.turned = sum(entry.mended.was_turned for entry in compiled)
    report.moved_m = max(entry.mended.moved_m for entry in compiled)
    report.simplified = sum(entry.mended.was_simplified for entry in compiled)
    for entry in compiled:
        named = {"place": str(entry.place), "id": entry.source.fence.id}
        if entry.mended.repaired is not None:
            report.repaired.append({**named, "what": entry.mended.repaired})
        if entry.mended.was_split:
            report.split.append(named)


def shape_name(fence: Fence) -> str:
    """Return what kind of shape a fence has."""
    if isinstance(fence.shape, Circle):
        return "circle"
    if not isinstance(fence.shape, Area):
        return "corridor"
    return "polygon" if fence.shape.shape.geom_type == "Polygon" else "multipolygon"
