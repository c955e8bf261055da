"""Puts the parts of the device's process together, runs them, and takes them apart again in order."""

import asyncio
import ctypes
import gc
import signal
import sys
from contextlib import closing
from enum import IntEnum
from pathlib import Path

import uvloop

from gateway import __version__
from gateway.core.errors import ReleaseError, StoreError
from gateway.edge.clock import AnchoredClock
from gateway.edge.config import ConfigError, GatewayConfig, credential_key, read_config, read_password
from gateway.edge.exchange import Terms
from gateway.edge.http import HttpServer
from gateway.edge.link import Link
from gateway.edge.lock import sole_user_of
from gateway.edge.observe import Health, Metrics, configure_log, log
from gateway.edge.registry import UnitRegistry
from gateway.edge.runner import Runner
from gateway.edge.scorer import OnnxScorer
from gateway.edge.setting import Setting
from gateway.edge.status import Standing
from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger
from gateway.edge.tls import check_credentials
from gateway.wire.payloads import Health as PublishedHealth
from gateway.wire.releases import read_release

CLOSE_WITHIN_S = 1.0
DRAIN_WITHIN_S = 3.0
"""How long to wait for disk and broker at the end; what is not done by then is owed at the next start."""


class ExitCode(IntEnum):
    """How a run ended."""

    OK = 0
    CRASHED = 1
    """A bug of ours. The supervisor restarts, and the ledger knows where."""
    BAD_CONFIG = 2
    BAD_RELEASE = 3
    BAD_LEDGER = 4


def run(config_path: Path) -> int:
    """Run the gateway until it is told to stop; return the exit code. What is wrong is said in one sentence."""
    try:
        config = read_config(config_path)
        configure_log(config.log.level, config.log.format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
            return loop_runner.run(_serve(config, config_path))
    except ConfigError as error:
        return _sorry(ExitCode.BAD_CONFIG, error)
    except ReleaseError as error:
        return _sorry(ExitCode.BAD_RELEASE, error)
    except StoreError as error:
        return _sorry(ExitCode.BAD_LEDGER, error)


def _settle_memory() -> None:
    """Give back what only the start needed; and let what lives as long as the process be, at every collection.

    The C library keeps what is freed, 2 MB after the models are loaded; not every one can be asked for it.
    """
    gc.collect()
    gc.freeze()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


def _sorry(code: ExitCode, error: Exception) -> ExitCode:
    sys.stderr.write(f"wayside: {error}\n")
    return code


async def _serve(config: GatewayConfig, config_path: Path) -> ExitCode:
    loaded = read_release(config.release)
    key = credential_key(config.key_path)
    check_credentials(config.broker)
    with sole_user_of(config.data_dir):
        opening = schema.prepare(config.ledger_path)
        salvage = opening.salvage
        health = Health() if salvage is None else Health(ledger="quarantined", salvage=salvage.told())
        health.release = {"id": loaded.release.id, "counter": loaded.release.counter}
        for unit in config.units:
            if unit.kind not in loaded.manifest.unit_kinds:
                log.warning("release_not_for_unit", unit=unit.id, kind=unit.kind, release=loaded.release.id)
        if opening.migrated_from is not None:
            log.info("ledger_migrated", version=opening.migrated_from)
        if salvage is not None:
            log.error("ledger_quarantined", **salvage.told())
        with closing(Ledger(config.ledger_path)) as ledger:
            floor = max(ledger.last_now, loaded.manifest.created_ms)
            clock = AnchoredClock(floor, known=ledger.last_now > 0, earliest=loaded.manifest.created_ms)
            published_health = PublishedHealth.OK if salvage is None else PublishedHealth.DEGRADED
            setting = Setting(
                config=config,
                scorer=OnnxScorer(loaded.model_folders),
                standing=Standing(config.id, loaded.release, clock.now(), published_health),
                credential_key=key,
                ledger=ledger,
                clock=clock,
            )
            return await _Process(setting, config_path, health).run()


class _Process:
    """The running parts."""

    def __init__(self, setting: Setting, config_path: Path, health: Health) -> None:
        config = setting.config
        self._config = config
        self._config_path = config_path
        self._health = health
        self._metrics = Metrics()
        terms = Terms(
            config.broker,
            config.broker.client_id or config.id,
            UnitRegistry(config.units).filters,
            setting.standing.will(),
        )
        self._link = Link(terms, lambda: read_password(config.broker), health, self._metrics)
        self._runner = Runner(setting, self._link, self._metrics, health)
        self._stop = asyncio.Event()
        self._crash: BaseException | None = None

    async def run(self) -> ExitCode:
        """Run until a signal or a crash."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._take_fault)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        http: HttpServer | None = None
        try:
            http = self._open_http()
            self._runner.start()
            _settle_memory()
            link = loop.create_task(self._link.run(self._runner))
            link.add_done_callback(self._link_ended)
            port = None if http is None else http.port
            log.info("started", version=__version__, gateway=self._config.id, release=self._health.release, http=port)
            await self._stop.wait()
            await self._wind_up(link)
        finally:
            if http is not None:
                http.close()
            await self._close_runner()
        if self._crash is not None:
            raise self._crash
        log.info("stopped")
        return ExitCode.OK

    async def _wind_up(self, link: "asyncio.Task[None]") -> None:
        self._health.stopping = True
        self._link.stop()
        if self._crash is None:
            try:
                async with asyncio.timeout(DRAIN_WITHIN_S):
                    await self._runner.drain()
            except TimeoutError:
                log.warning("drained_in_part", reason="the disk or the broker did not answer in time")
        await self._link.close()
        link.cancel()
        await asyncio.wait({link})

    async def _close_runner(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._runner.close()
        except TimeoutError:
            log.error("ledger_not_closed", reason="the disk did not answer in time")

    def _open_http(self) -> HttpServer | None:
        http = self._config.http
        if not http.enabled:
            return None
        try:
            return HttpServer(http.host, http.port, self._metrics.registry, self._health)
        except OSError as error:
            raise ConfigError(
                self._config.data_dir, "http.port", f"{http.host}:{http.port}: {error.strerror}"
            ) from error

    def _link_ended(self, link: "asyncio.Task[None]") -> None:
        if not link.cancelled() and (error := link.exception()) is not None:
            self._end_with(error)

    def _take_fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Take what nobody caught.

        In a callback of ours it is a bug, and the process ends; in a task or transport of the library it is the end of
        a connection, which the link deals with.
        """
        error = context.get("exception")
        if isinstance(error, Exception) and not {"task", "future", "transport", "protocol"} & context.keys():
            self._end_with(error)
        else:
            log.debug("library_fault", said=str(context.get("message")), fault=repr(error))

    def _end_with(self, error: BaseException) -> None:
        log.error("crashed", fault=type(error).__name__)
        self._crash = self._crash or error
        self._stop.set()
