"""What the demo is played on is the same on any day and at any hour, and whatever the environment says."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.cli_demo.stage import CAR, SEASON, TILL, build_release, find_sources, last_line, morning_zone, write_config
from gateway.core.errors import ReleaseError
from gateway.core.fences.geometry import Circle
from gateway.edge.config import read_config
from gateway.wire.releases import read_release
from simulators import fuel_stop
from simulators.unit import Address

NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture
def played(tmp_path: Path) -> Path:
    build_release(find_sources(), tmp_path, NOW_MS)
    return tmp_path


def test_in_the_demo_winter_tyres_fit_all_year_and_no_campaign_ends(played: Path) -> None:
    actions = read_release(played / "release").release.actions
    assert "month in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]" in actions["winter_tyres"].applicable
    assert "air_temperature_c < 10.0" in actions["winter_tyres"].applicable
    assert {(action.starts, action.ends) for action in actions.values()} == {(None, None)}


def test_nothing_else_of_the_campaigns_is_another(played: Path) -> None:
    for source in (find_sources() / "campaigns").glob("*.yaml"):
        was, became = source.read_text().splitlines(), (played / "campaigns" / source.name).read_text().splitlines()
        kept = [line for line in was if not line.startswith("valid:")]
        assert [line for line, then in zip(kept, became, strict=True) if line != then and SEASON not in line] == []


def test_sources_without_a_season_are_refused_rather_than_played_differently(tmp_path: Path) -> None:
    sources, folder = tmp_path / "sources", tmp_path / "folder"
    (sources / "campaigns").mkdir(parents=True)
    folder.mkdir()
    with pytest.raises(ReleaseError, match="no campaign says"):
        build_release(sources, folder, NOW_MS)


def test_the_road_leads_through_the_station_of_the_release(played: Path) -> None:
    fences = read_release(played / "release").release.fences
    station = fences["station-ballard"].shape
    assert isinstance(station, Circle)
    assert (station.centre.lon, station.centre.lat) == fuel_stop.STATION
    assert station.radius_m == 60.0
    assert fuel_stop.PUMP_M - fuel_stop.RED_LIGHT_M < station.radius_m < fuel_stop.THERE.length_m / 2


@pytest.mark.parametrize("hour", range(24))
def test_the_units_lie_where_it_is_morning(hour: int) -> None:
    now_ms = NOW_MS // (24 * HOUR_MS) * 24 * HOUR_MS + hour * HOUR_MS
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(morning_zone(now_ms)))
    assert local.hour == 10


def test_the_configuration_is_one_that_a_gateway_reads(tmp_path: Path) -> None:
    config = read_config(write_config(tmp_path, Address("127.0.0.1", 1884, "3.1.1"), NOW_MS))
    assert [unit.id for unit in config.units] == [CAR, TILL]
    assert (config.broker.host, config.broker.port, config.broker.protocol) == ("127.0.0.1", 1884, "3.1.1")
    assert config.release == tmp_path.resolve() / "release"


@pytest.mark.parametrize(("logged", "line"), [("", "it said nothing"), ("one\ntwo\n\n", "two")])
def test_the_last_word_of_a_gateway_is_told(tmp_path: Path, logged: str, line: str) -> None:
    log = tmp_path / "gateway.log"
    log.write_text(logged)
    assert last_line(log) == line
