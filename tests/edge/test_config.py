"""`gateway.toml`: what is accepted, and how what is wrong is named."""

import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.edge.config import (
    BrokerConfig,
    ConfigError,
    GatewayConfig,
    HttpConfig,
    JournalConfig,
    LogConfig,
    TlsConfig,
    UnitConfig,
    credential_key,
    read_config,
    read_password,
)
from gateway.edge.config_devices import DevicesConfig
from gateway.edge.config_privacy import PrivacyConfig
from gateway.wire.receipts import Controller

_MINIMAL = """
id = "gw-1"
data_dir = "data"
release = "release"

[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen", "voice"]
"""


def _write(folder: Path, text: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return file


def _problem(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_config(_write(folder, text))
    return caught.value


def test_the_shortest_file_gets_safe_defaults(tmp_path: Path) -> None:
    config = read_config(_write(tmp_path, _MINIMAL))

    assert config.ledger_path == tmp_path / "data" / "ledger.db"
    assert config.release == tmp_path / "release"
    assert config.key_path == tmp_path / "data" / "credential.key"
    assert config.journal.level == "off"
    assert config.http.host == "127.0.0.1"
    assert config.units[0].contextual_offers is False
    assert config.units[0].time_zone == "UTC"


def test_the_environment_stands_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_BROKER__HOST", "10.0.0.5")
    monkeypatch.setenv("WAYSIDE_ID", "gw-2")

    config = read_config(_write(tmp_path, _MINIMAL + '[broker]\nhost = "elsewhere"\nport = 2883\n'))

    assert (config.id, config.broker.host, config.broker.port) == ("gw-2", "10.0.0.5", 2883)


@pytest.mark.parametrize(
    "host", ["broker", "broker.local.", "my_broker.example.org", "10.0.0.5", "::1", "fe80::1%eth0", "bröker.ch"]
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert BrokerConfig(host=host).host == host


def test_a_password_of_the_environment_stands_above_the_file_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYSIDE_BROKER__PASSWORD", "0123")
    text = _MINIMAL + '[broker]\nusername = "gw"\npassword_file = "absent"\n'
    config = read_config(_write(tmp_path, text))

    assert read_password(config.broker) == "0123"
    assert "0123" not in repr(config) + config.model_dump_json()


def test_a_username_needs_no_password() -> None:
    assert read_password(BrokerConfig(username="token")) is None


@pytest.mark.parametrize(("content", "problem"), [(b"\n", "is empty"), (b"hush\xff", "is not UTF-8")])
def test_a_password_file_that_holds_none_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    config = BrokerConfig(username="gw", password_file=tmp_path / "secret")

    with pytest.raises(ConfigError, match=problem) as caught:
        read_password(config)
    assert "hush" not in str(caught.value)


def test_tls_and_password_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    text = _MINIMAL + '[broker]\nusername = "gw"\npassword_file = "secret"\n[broker.tls]\nca_file = "ca.pem"\n'

    broker = read_config(_write(tmp_path, text)).broker

    assert broker.password_file == tmp_path / "secret"
    assert broker.tls is not None
    assert broker.tls.ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("addition", "key", "problem"),
    [
        ('colour = "red"\n', "colour", "unknown key"),
        ("[broker]\nport = 70000\n", "broker.port", "less than or equal to 65535"),
        ("[broker]\nhost = 'a..b'\n", "broker.host", "is no host"),
        ("[broker]\nhost = ''\n", "broker.host", "is no host"),
        ("[broker]\nhost = 'a b'\n", "broker.host", "is no host"),
        (f"[broker]\nhost = '{'x' * 64}.org'\n", "broker.host", "is no host"),
        (f"[broker]\nhost = '{'x.' * 127}org'\n", "broker.host", "is no host"),
        ("[broker]\nhost = 'mqtt://broker'\n", "broker.host", "the port as broker.port"),
        ("[broker]\nhost = 'broker:1883'\n", "broker.host", "the port as broker.port"),
        ("[broker]\nhost = '[::1]'\n", "broker.host", "the port as broker.port"),
        ("[broker]\nusername = ''\n", "broker.username", "at least 1 character"),
        ("[broker]\npassword_file = 'secret'\n", "broker", "a password needs a username"),
        ("[broker]\nusername = 'gw'\npassword = 'hush'\n", "broker.password", "WAYSIDE_BROKER__PASSWORD"),
        ("[http]\nhost = '0.0.0.0'\n", "http.host", "loopback"),
        ("[http]\nhost = 'example.org'\n", "http.host", "loopback"),
        ("[journal]\nlevel = 'raw'\n", "journal", "raw_until"),
        ("[broker.tls]\ncert_file = 'a.pem'\n", "broker.tls", "belong together"),
    ],
)
def test_what_is_wrong_is_named_by_key_and_file(tmp_path: Path, addition: str, key: str, problem: str) -> None:
    text = addition + _MINIMAL if "[" not in addition else _MINIMAL + addition

    error = _problem(tmp_path, text)

    assert (error.key, error.file) == (key, tmp_path / "gateway.toml")
    assert problem in str(error)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert str(_problem(tmp_path, _MINIMAL.replace('id = "gw-1"', ""))).endswith("gateway.toml: id: is missing")


def test_a_wrong_unit_is_named_by_its_place(tmp_path: Path) -> None:
    error = _problem(tmp_path, _MINIMAL + 'time_zone = "Mars/Olympus"\n')

    assert error.key == "units.0.time_zone"
    assert "Mars/Olympus" in str(error)


def test_a_unit_may_not_bear_the_name_of_the_gateway(tmp_path: Path) -> None:
    assert "also a unit's" in str(_problem(tmp_path, _MINIMAL.replace("gw-1", "car-1")))


def test_two_units_may_not_bear_one_name(tmp_path: Path) -> None:
    twice = _MINIMAL + '[[units]]\nid = "car-1"\nkind = "kiosk"\nplacements = ["kiosk_screen"]\n'

    assert "stands twice" in str(_problem(tmp_path, twice))


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    assert "is not TOML" in str(_problem(tmp_path, "id = = 1"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "absent.toml")


def test_localhost_is_loopback(tmp_path: Path) -> None:
    assert read_config(_write(tmp_path, _MINIMAL + "[http]\nhost = 'localhost'\n")).http.host == "localhost"


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "credential.key"

    key = credential_key(path)

    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert credential_key(path) == key


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credential.key"
    credential_key(path)
    path.chmod(0o644)

    with pytest.raises(ConfigError, match="readable by others"):
        credential_key(path)


def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "credential.key"
    path.write_bytes(b"short")
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="must hold 32 bytes"):
        credential_key(path)


def test_a_key_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be", encoding="utf-8")

    with pytest.raises(ConfigError, match="cannot be used"):
        credential_key(tmp_path / "data" / "credential.key")


def test_the_password_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n", encoding="utf-8")
    config = read_config(_write(tmp_path, _MINIMAL + '[broker]\nusername = "gw"\npassword_file = "secret"\n')).broker

    assert read_password(config) == "hush"
    assert read_password(config.model_copy(update={"password_file": None})) is None
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="password_file"):
        read_password(config)


def test_the_example_is_a_valid_configuration_and_what_it_comments_out_are_keys() -> None:
    example = Path(__file__).parents[2] / "deploy" / "demo" / "gateway.toml"
    config = read_config(example)
    lines = example.read_text(encoding="utf-8").splitlines()
    keys = {line.removeprefix("# ").split(" = ")[0] for line in lines if " = " in line}
    keys |= {line.removeprefix("# [units.").split("]")[0] for line in lines if line.startswith("# [units.")}

    assert config.id == "gateway-1"
    assert keys >= set(GatewayConfig.model_fields) - {"units", "broker", "journal", "ledger", "http", "log", "privacy"}
    assert keys >= set(BrokerConfig.model_fields) - {"tls", "password"} | set(UnitConfig.model_fields) | set(
        TlsConfig.model_fields
    )
    assert keys >= set(DevicesConfig.model_fields) | set(PrivacyConfig.model_fields)
    assert keys >= set(JournalConfig.model_fields) | set(HttpConfig.model_fields) | set(LogConfig.model_fields)


def test_who_answers_for_the_data_is_told_as_it_was_stated_and_is_not_needed() -> None:
    stated = PrivacyConfig(controller="Example Fuel AG", jurisdiction="CH")
    assert stated.party() == Controller("Example Fuel AG", None, None, "CH", None)
    assert PrivacyConfig().party() == Controller()
    with pytest.raises(ValidationError):
        PrivacyConfig.model_validate({"controler": "Example Fuel AG"})
