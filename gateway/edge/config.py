"""`gateway.toml`: what this gateway is called, what it serves, and where things lie.

Every key can be overruled by the environment: `WAYSIDE_BROKER__HOST=10.0.0.5` stands above `[broker] host`. A key that
is unknown, missing or wrong is refused with its name and its file. Relative paths start at the file's folder.
"""

import ipaddress
import os
import re
import secrets
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.core.campaign import Placement
from gateway.core.errors import WaysideError
from gateway.core.events import UnitKind
from gateway.edge.config_devices import DevicesConfig, check_claims
from gateway.edge.config_privacy import PrivacyConfig

KEY_BYTES = 32
PASSWORD_VARIABLE = "WAYSIDE_BROKER__PASSWORD"  # noqa: S105 -- where to look for one, not one
_SHARED_BITS = stat.S_IRWXG | stat.S_IRWXO
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


class ConfigError(WaysideError):
    """The operator's to mend: a file that is missing, unreadable or says something wrong.

    Attributes:
        file: The file it stands in.
        key: The dotted key, or empty when the file as a whole is meant.
    """

    def __init__(self, file: Path, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}" if key else f"{file}: {problem}")
        self.file = file
        self.key = key


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}; use a name like 'Europe/Zurich'") from error
    return name


def _loopback(host: str) -> str:
    if host != "localhost" and not _is_loopback_address(host):
        raise ValueError(f"must be a loopback address, not {host!r}: what it serves is not protected")
    return host


def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reachable(host: str) -> str:
    """Return a host that can be looked up. What cannot be one is better refused here than at each attempt."""
    if _is_address(host):
        return host
    if "/" in host or ":" in host or "[" in host:
        raise ValueError(f"{host!r} is no host: give a name or an address alone, and the port as broker.port")
    try:
        is_name = _HOST_NAME.fullmatch(host) is not None and len(host.encode("idna")) <= 253
    except UnicodeError:  # a part is empty or longer than 63 characters
        is_name = False
    if not is_name:
        raise ValueError(f"{host!r} is no host: give a name like 'broker.local' or an address like '10.0.0.5'")
    return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$")]
"""A name that fits between the slashes of a topic."""

Port = Annotated[int, Field(ge=1, le=65_535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsConfig(_Section):
    """Encryption towards the broker. Without `ca_file` the system's authorities are trusted.

    The files are PEM, and read anew for each connection. `key_file` may be readable by its owner only, and has no pass
    phrase.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "TlsConfig":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class BrokerConfig(_Section):
    """Where the broker is and how to speak to it.

    Attributes:
        password: From the environment only (`WAYSIDE_BROKER__PASSWORD`), where it stands above `password_file`.
        client_id: Names the session at the broker; the gateway's id unless given.
        protocol: `auto` speaks MQTT 5 and falls back to 3.1.1 where it is refused.
        receive_maximum: How many QoS 1 messages may wait for their acknowledgement here. MQTT 5 only.
        session_expiry_s: How long the broker keeps what arrives while the gateway is away. MQTT 5 only.
        keepalive_s: A peer that has been silent for one and a half times this is given up. A broker may ask for less.
    """

    host: Annotated[str, AfterValidator(_reachable)] = "127.0.0.1"
    port: Port = 1883
    tls: TlsConfig | None = None
    username: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    client_id: Id | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    receive_maximum: Annotated[int, Field(ge=1, le=65_535)] = 200
    session_expiry_s: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 86_400
    keepalive_s: Annotated[int, Field(ge=5, le=65_535)] = 30

    @model_validator(mode="after")
    def _password_with_username(self) -> "BrokerConfig":
        if self.username is None and (self.password is not None or self.password_file is not None):
            raise ValueError("a password needs a username: MQTT 3.1.1 cannot send one without")
        return self


class UnitConfig(_Section):
    """One installed place of contact that this gateway serves.

    Attributes:
        contextual_offers: The unit's owner lets unknown people see marketing here.
        time_zone: An IANA name; the local hour of campaigns is told by it.
        devices: What speaks for it in a dialect of its own.
    """

    id: Id
    kind: UnitKind
    placements: Annotated[tuple[Placement, ...], Field(min_length=1)]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    contextual_offers: bool = False
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    devices: DevicesConfig = DevicesConfig()


class JournalConfig(_Section):
    """What is written down for replays. Off unless asked for; `raw` holds coordinates and must say until when."""

    level: Literal["off", "moments", "raw"] = "off"
    path: Path = Path("journals")
    raw_until: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None

    @model_validator(mode="after")
    def _raw_expires(self) -> "JournalConfig":
        if self.level == "raw" and self.raw_until is None:
            raise ValueError("level 'raw' records coordinates: say until when with raw_until = 'YYYY-MM-DD'")
        return self


class LedgerConfig(_Section):
    """How large the ledger may grow, and how long it keeps what no longer alters a decision.

    Attributes:
        max_mib: The ledger and its write-ahead log together.
        keep_decisions_days: Explanations of decisions.
        keep_results_days: Offers that have ended, with their outcomes. Receipts of consents are kept for good.
    """

    max_mib: Annotated[int, Field(ge=1, le=65_536)] = 512
    keep_decisions_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    keep_results_days: Annotated[int, Field(ge=1, le=36_500)] = 400


class HttpConfig(_Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served: on this machine only. Port 0 lets the system choose."""

    enabled: bool = True
    host: Annotated[str, AfterValidator(_loopback)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464


class LogConfig(_Section):
    """How much is logged, and for whom: `json` for machines, `console` for people."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class GatewayConfig(BaseSettings):
    """The whole of `gateway.toml`, checked. Made by `read_config`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="WAYSIDE_", env_nested_delimiter="__", env_ignore_empty=True
    )

    id: Id
    data_dir: Path
    release: Path
    credential_key_file: Path | None = None
    broker: BrokerConfig = BrokerConfig()
    units: Annotated[tuple[UnitConfig, ...], Field(min_length=1)]
    journal: JournalConfig = JournalConfig()
    ledger: LedgerConfig = LedgerConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    privacy: PrivacyConfig = PrivacyConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the environment above the file's values, and nothing else."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_are_apart(self) -> "GatewayConfig":
        ids = [unit.id for unit in self.units]
        for unit_id in ids:
            if ids.count(unit_id) > 1:
                raise ValueError(f"units: the id {unit_id!r} stands twice")
        if self.id in ids:
            raise ValueError(f"id: {self.id!r} is also a unit's; gateway and units publish their status side by side")
        check_claims((unit.id, unit.devices) for unit in self.units)
        return self

    @property
    def ledger_path(self) -> Path:
        """Where the ledger lies."""
        return self.data_dir / "ledger.db"

    @property
    def key_path(self) -> Path:
        """Where the key lies that turns credentials into pseudonyms."""
        return self.credential_key_file or self.data_dir / "credential.key"


def read_config(file: Path) -> GatewayConfig:
    """Return the checked configuration, its paths absolute.

    Raises:
        ConfigError: The file is missing, not TOML, or says something wrong; names the key.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file, "", f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "", f"is not TOML: {error}") from error
    _refuse_secrets(file, values)
    try:
        config = GatewayConfig(**values)
    except ValidationError as error:
        raise _first_problem(file, error) from error
    return _with_absolute_paths(config, file.resolve().parent)


def _refuse_secrets(file: Path, values: dict[str, object]) -> None:
    """A configuration is copied, shown and kept where a secret should not be."""
    broker = values.get("broker")
    if isinstance(broker, dict) and "password" in broker:
        raise ConfigError(
            file, "broker.password", f"does not belong in this file: name a password_file, or set {PASSWORD_VARIABLE}"
        )


def _first_problem(file: Path, error: ValidationError) -> ConfigError:
    problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        text = "unknown key"
    elif problem["type"] == "missing":
        text = "is missing"
    return ConfigError(file, key, text)


def _with_absolute_paths(config: GatewayConfig, folder: Path) -> GatewayConfig:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else folder / path.expanduser()

    broker = config.broker.model_copy(update={"password_file": absolute(config.broker.password_file)})
    if broker.tls is not None:
        files = {name: absolute(getattr(broker.tls, name)) for name in ("ca_file", "cert_file", "key_file")}
        broker = broker.model_copy(update={"tls": broker.tls.model_copy(update=files)})
    return config.model_copy(
        update={
            "data_dir": absolute(config.data_dir),
            "release": absolute(config.release),
            "credential_key_file": absolute(config.credential_key_file),
            "journal": config.journal.model_copy(update={"path": absolute(config.journal.path)}),
            "broker": broker,
        }
    )


def read_password(config: BrokerConfig) -> str | None:
    """Return the broker password: of the environment, else of the file, its line end removed; else None.

    Raises:
        ConfigError: The file cannot be read, or is empty.
    """
    if config.password is not None:
        return config.password.get_secret_value()
    if config.password_file is None:
        return None
    try:
        password = config.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise _password_problem(config.password_file, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:  # its text repeats what stands in the file
        raise _password_problem(config.password_file, "is not UTF-8") from None
    if not password:
        raise _password_problem(config.password_file, "is empty")
    return password


def _password_problem(file: Path, problem: str) -> ConfigError:
    return ConfigError(file, "broker.password_file", problem)


def refuse_shared(path: Path, key: str) -> None:
    """Refuse a secret that others can read.

    Raises:
        ConfigError: They can.
        OSError: It is not there.
    """
    if stat.S_IMODE(path.stat().st_mode) & _SHARED_BITS:
        raise ConfigError(path, key, "is readable by others: chmod 600 it")


def credential_key(path: Path) -> bytes:
    """Return the secret that turns credentials into pseudonyms; made at the first start, readable by its owner only.

    Raises:
        ConfigError: The file cannot be read or made, others can read it, or it does not hold the 32 bytes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make_key(path)
        refuse_shared(path, "credential_key_file")
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, "credential_key_file", f"cannot be used: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise ConfigError(path, "credential_key_file", f"must hold {KEY_BYTES} bytes, but holds {len(key)}")
    return key


def _make_key(path: Path) -> None:
    """Make it under a passing name: one that a full disk or a power cut ends by half is never found."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
