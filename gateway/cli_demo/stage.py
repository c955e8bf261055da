"""What a demo is played on: a folder with a release and a configuration, and the gateway as a process of its own."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import gateway
from edge_models import coupon_propensity
from gateway.core.errors import ReleaseError, WaysideError
from gateway.core.events import UnitKind
from gateway.wire.releases import build
from geofences.compiler import compile_fences
from simulators.unit import Address

GATEWAY = "gateway-1"
CAR = "car-1"
TILL = "till-1"

LEDGER = Path("data", "ledger.db")
LOG = Path("gateway.log")
"""Where they lie in the demo's folder."""

SEASON = "month in [10, 11, 12, 1, 2, 3]"
_ALL_YEAR = "month in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]"
_DATES = re.compile(r"^valid:.*\n", re.MULTILINE)
_MORNING_HOUR = 10
_STOP_WITHIN_S = 10.0
_PACKAGE = Path(gateway.__file__).parent

_CONFIG = """\
id = "{gateway}"
data_dir = "data"
release = "release"

[broker]
host = "{host}"
port = {port}
protocol = "{protocol}"

[[units]]
id = "{car}"
kind = "car"
placements = ["driver_screen"]
time_zone = "{zone}"

[[units]]
id = "{till}"
kind = "kiosk"
placements = ["kiosk_screen"]
time_zone = "{zone}"

[http]
port = 0
"""


class GatewayEnded(WaysideError):
    """The gateway ended while it was still needed, or not as it should when told to."""


def find_sources() -> Path:
    """Return where the demo's campaigns and fences lie: in the installed package, else in the source tree.

    Raises:
        ReleaseError: In neither.
    """
    for folder in (_PACKAGE / "_demo", _PACKAGE.parent / "deploy" / "demo"):
        if (folder / "campaigns").is_dir():
            return folder
    raise ReleaseError("the demo's campaigns are not installed")


def build_release(sources: Path, folder: Path, now_ms: int) -> None:
    """Build the demo's release in `folder/release`, out of a copy of its sources in which it is always winter.

    The story is the same on every day of the year: what a campaign says of months and dates is set aside, and
    winter tyres rest on the thermometer and the tyre sensor alone.

    Raises:
        ReleaseError: The sources have a fault, or say nothing of the season that is set aside.
    """
    campaigns, fences = folder / "campaigns", folder / "fences"
    campaigns.mkdir()
    fences.mkdir()
    text = "".join(_without_season(source, campaigns) for source in sorted((sources / "campaigns").glob("*.yaml")))
    if SEASON not in text:
        raise ReleaseError(f"{sources}: no campaign says {SEASON!r}, which the demo would set aside")
    for source in sorted((sources / "fences").glob("*.geojson")):
        compile_fences(source, fences / f"{source.stem}.gpkg")
    build(
        folder / "release",
        id="demo-1",
        counter=1,
        created=now_ms,
        campaigns=[campaigns],
        fences=sorted(fences.iterdir()),
        models=[Path(coupon_propensity.__file__).parent],
        unit_kinds=[UnitKind.CAR, UnitKind.KIOSK],
    )


def _without_season(source: Path, folder: Path) -> str:
    """Copy a campaign without its season and dates; return it as it was."""
    text = source.read_text(encoding="utf-8")
    (folder / source.name).write_text(_DATES.sub("", text).replace(SEASON, _ALL_YEAR), encoding="utf-8")
    return text


def write_config(folder: Path, broker: Address, now_ms: int) -> Path:
    """Write `folder/gateway.toml` and return it. The units lie in a time zone in which it is morning now."""
    config = folder / "gateway.toml"
    names = {"gateway": GATEWAY, "car": CAR, "till": TILL, "zone": morning_zone(now_ms)}
    config.write_text(_CONFIG.format_map(names | asdict(broker)), encoding="utf-8")
    return config


def morning_zone(now_ms: int) -> str:
    """Return a time zone in which it is between ten and eleven, so that a model that reads the hour says the same.

    >>> morning_zone(10 * 3_600_000), morning_zone(6 * 3_600_000), morning_zone(16 * 3_600_000)
    ('Etc/GMT-0', 'Etc/GMT-4', 'Etc/GMT+6')
    """
    hour = datetime.fromtimestamp(now_ms / 1000, UTC).hour
    east_h = (_MORNING_HOUR - hour + 11) % 24 - 11
    # POSIX counts to the west: Etc/GMT-8 lies east of Greenwich.
    return f"Etc/GMT{-east_h:+d}" if east_h else "Etc/GMT-0"


@asynccontextmanager
async def running_gateway(config: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yield the process of `wayside run`; it has ended when the block is left.

    Raises:
        GatewayEnded: It did not drain and end well when it was told to, at the end of the block.
    """
    # In a group of its own: Ctrl-C is meant for the demo, which then tells the gateway in good order.
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway.cli", "run", "--config", str(config)),
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        yield process
    except BaseException:
        await _stop(process)
        raise
    await _stop(process)
    if process.returncode != 0:
        raise GatewayEnded(f"the gateway ended with {process.returncode} when told to stop: {last_line(log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Tell a process to end, and end it if it does not."""
    try:
        with suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(_STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def last_line(log: Path) -> str:
    """Return the last line a process has logged, for an error's text."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _environment() -> dict[str, str]:
    """Return an environment in which nothing but the demo's file configures the gateway, and this code is found."""
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("WAYSIDE_")}
    paths = [str(_PACKAGE.parent), *filter(None, [inherited.get("PYTHONPATH")])]
    return inherited | {"PYTHONPATH": os.pathsep.join(paths)}
