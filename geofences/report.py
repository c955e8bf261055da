"""What a compilation says of itself: to scripts as JSON, to people as lines."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from geofences.outliers import DEFAULT_STEP_KM

_LISTED = 10


@dataclass(slots=True)
class Report:
    """What went in, what was done to it, and what came out.

    Attributes:
        out: The file that was written.
        sources: Each with how many features it gave.
        fences: How many were written.
        kinds: How many of each kind of place.
        shapes: How many of each kind of shape.
        vertices: Before and after.
        extent_deg: West, south, east, north.
        area_km2: The sum over all fences; what several cover counts as often.
        overlaps: How many pairs of fences overlap; None: too many to find out on the way.
        default_radius_m: The radius of points that did not say one, and how many there were.
        remarks: What holds for a source as a whole.
        repaired: Each with its place, id and what was done.
        split: Those cut at the antimeridian or a pole.
        turned: How many had a ring that ran the wrong way round.
        simplified: How many lost vertices; `simplify_m` is the tolerance, `moved_m` the farthest an outline moved.
        outliers: Those far from all others.
        dropped: Whether these were left out.
        ignored: Properties that fences do not have, and how many features said them.
        seconds: How long it took.
    """

    out: str
    sources: dict[str, int] = field(default_factory=dict)
    fences: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, int] = field(default_factory=dict)
    vertices: dict[str, int] = field(default_factory=lambda: {"before": 0, "after": 0})
    extent_deg: list[float] | None = None
    area_km2: float = 0.0
    overlaps: int | None = None
    default_radius_m: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    repaired: list[dict[str, str]] = field(default_factory=list)
    split: list[dict[str, str]] = field(default_factory=list)
    turned: int = 0
    simplify_m: float = 0.0
    moved_m: float = 0.0
    simplified: int = 0
    outlier_km: float = DEFAULT_STEP_KM
    outliers: list[dict[str, str]] = field(default_factory=list)
    dropped: bool = False
    ignored: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield it for people: what, and how much."""
        yield "fences", f"{self.fences:,} in {self.seconds:.2f} s"
        yield "from", ", ".join(f"{name} ({count:,})" for name, count in self.sources.items())
        yield "kinds", _counted(self.kinds)
        yield "shapes", _counted(self.shapes)
        yield "vertices", f"{self.vertices['before']:,} -> {self.vertices['after']:,}"
        if self.extent_deg is not None:
            west, south, east, north = self.extent_deg
            yield "extent", f"{west:.5f} to {east:.5f} degrees of longitude, {south:.5f} to {north:.5f} of latitude"
        yield "area", f"{self.area_km2:,.3f} km2"
        yield "overlaps", "not counted: see inspect" if self.overlaps is None else f"{self.overlaps:,} pairs"
        for radius_m, count in self.default_radius_m.items():
            yield "radius", f"{float(radius_m):g} m for {count:,.0f} points that did not say one"
        if self.simplify_m > 0:
            yield (
                "simplified",
                f"{self.simplified:,} within {self.simplify_m:g} m; the farthest moved by {self.moved_m:.2f} m",
            )
        if self.turned:
            yield "turned", f"{self.turned:,} with a ring that ran the wrong way round"
        for name, count in self.ignored.items():
            yield "ignored", f"{name!r}, said by {count:,}"
        yield from self._listed()

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Yield what is said of single fences and sources."""
        for remark in self.remarks:
            yield "note", remark
        fate = "dropped" if self.dropped else "kept; --drop-outliers leaves it out"
        lists = {
            "repaired": [f"{entry['place']} ({entry['id']}): {entry['what']}" for entry in self.repaired],
            "split": [f"{entry['place']} ({entry['id']})" for entry in self.split],
            "outlier": [
                f"{e['place']} ({e['id']}) at {e['at']}: more than {self.outlier_km:g} km from others; {fate}"
                for e in self.outliers
            ],
        }
        for what, lines in lists.items():
            yield from ((what, line) for line in lines[:_LISTED])
            if len(lines) > _LISTED:
                yield what, f"and {len(lines) - _LISTED:,} more: --json has them all"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"
