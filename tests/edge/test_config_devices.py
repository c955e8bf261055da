"""`[units.devices]`: what is accepted, and how what is wrong is named."""

from pathlib import Path

import pytest

from gateway.core.events import Role
from gateway.edge.config import ConfigError, GatewayConfig, read_config
from gateway.edge.config_devices import DevicesConfig, Sensor, TagConfig

_TAG = "c0ffee123456"
_SHORT = """
id = "gw-1"
data_dir = "data"
release = "release"
"""


def _unit(id_: str, devices: str) -> str:
    return f'[[units]]\nid = "{id_}"\nkind = "car"\nplacements = ["voice"]\n[units.devices]\n{devices}\n'


def _config(folder: Path, *units: str) -> GatewayConfig:
    file = folder / "gateway.toml"
    file.write_text("\n".join([_SHORT, *units]), encoding="utf-8")
    return read_config(file)


def _problem(folder: Path, *units: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _config(folder, *units)
    return caught.value


def test_a_unit_has_no_devices_unless_it_is_given_some() -> None:
    devices = DevicesConfig()
    assert (devices.owntracks, devices.theengs, devices.tyres, devices.tags) == ((), (), {}, ())


def test_all_devices_of_a_unit_are_read(tmp_path: Path) -> None:
    text = f"""
        owntracks = ["anna/phone", "fleet/tracker 7"]
        theengs = ["CarScanner"]
        tyres = {{"80:EA:CA:10:8A:78" = "Row1.Left", "81EACA204C11/2" = "Row1.Right"}}
        tags = [{{id = "{_TAG}", role = "driver"}}]
    """
    (unit,) = _config(tmp_path, _unit("car-1", text)).units

    assert unit.devices.owntracks == ("anna/phone", "fleet/tracker 7")
    assert unit.devices.tyres == {"80:EA:CA:10:8A:78": "Row1.Left", "81EACA204C11/2": "Row1.Right"}
    assert unit.devices.tags == (TagConfig(id="C0:FF:EE:12:34:56", role=Role.DRIVER),)


@pytest.mark.parametrize(
    ("devices", "key"),
    [
        ('owntracks = ["anna"]', "units.0.devices.owntracks.0"),
        ('owntracks = ["anna/phone/event"]', "units.0.devices.owntracks.0"),
        ('owntracks = ["anna/+"]', "units.0.devices.owntracks.0"),
        ('owntracks = ["#/phone"]', "units.0.devices.owntracks.0"),
        ('theengs = ["home/Car"]', "units.0.devices.theengs.0"),
        ('theengs = ["+"]', "units.0.devices.theengs.0"),
        ('theengs = [""]', "units.0.devices.theengs.0"),
        ('tyres = {"80:EA:CA" = "Row1.Left"}', "units.0.devices.tyres.80:EA:CA.[key]"),
        ('tyres = {"80:EA:CA:10:8A:78" = "Row3.Left"}', "units.0.devices.tyres.80:EA:CA:10:8A:78"),
        ('tags = [{id = "c0ffee123456", role = "chef"}]', "units.0.devices.tags.0.role"),
        ('tags = [{id = "c0ffee123456"}]', "units.0.devices.tags.0.role"),
        ('phones = ["anna/phone"]', "units.0.devices.phones"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, devices: str, key: str) -> None:
    error = _problem(tmp_path, _unit("car-1", devices))
    assert error.key == key
    assert _TAG not in str(error)


def test_tags_that_nobody_hears_are_an_error(tmp_path: Path) -> None:
    error = _problem(tmp_path, _unit("car-1", f'tags = [{{id = "{_TAG}", role = "driver"}}]'))
    assert "name a scanner" in str(error)
    assert _TAG not in str(error)


def test_a_tag_stands_once_and_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    twice = f'[{{id = "{_TAG}", role = "driver"}}, {{id = "C0:FF:EE:12:34:56", role = "passenger"}}]'
    error = _problem(tmp_path, _unit("car-1", f'theengs = ["Car"]\ntags = {twice}'))
    assert "number 2 stands there already" in str(error)
    assert "C0:FF" not in str(error)


def test_a_tag_is_not_shown_where_a_configuration_is() -> None:
    assert "C0:FF" not in repr(TagConfig(id=_TAG, role=Role.DRIVER))


def test_a_tyre_sensor_stands_once_however_it_is_written(tmp_path: Path) -> None:
    tyres = '{"80:EA:CA:10:8A:78" = "Row1.Left", "80eaca108a78" = "Row1.Right"}'
    assert "written otherwise" in str(_problem(tmp_path, _unit("car-1", f'theengs = ["Car"]\ntyres = {tyres}')))


def test_tyres_may_be_heard_by_a_scanner_of_another_unit_but_not_by_nobody(tmp_path: Path) -> None:
    tyres = 'tyres = {"80:EA:CA:10:8A:78" = "Row1.Left"}'
    assert "nobody hears the tyres of 'car-1'" in str(_problem(tmp_path, _unit("car-1", tyres)))
    assert len(_config(tmp_path, _unit("car-1", tyres), _unit("gate-1", 'theengs = ["Gate"]')).units) == 2


@pytest.mark.parametrize(
    ("one", "other", "device"),
    [
        ('owntracks = ["anna/phone"]', 'owntracks = ["anna/phone"]', "the OwnTracks device 'anna/phone'"),
        ('theengs = ["Car"]', 'theengs = ["Car"]', "the scanner 'Car'"),
        (
            'theengs = ["A"]\ntyres = {"80:EA:CA:10:8A:78/1" = "Row1.Left"}',
            'tyres = {"80eaca108a78" = "Row1.Left"}',
            "the tyre sensor '80:EA:CA:10:8A:78'",
        ),
    ],
)
def test_a_device_that_two_units_claim_is_an_error_that_names_both(
    tmp_path: Path, one: str, other: str, device: str
) -> None:
    error = _problem(tmp_path, _unit("car-1", one), _unit("car-2", other))
    assert f"{device} speaks for both 'car-1' and 'car-2'" in str(error)


def test_a_tag_may_be_known_at_several_units(tmp_path: Path) -> None:
    tags = f'tags = [{{id = "{_TAG}", role = "customer"}}]'
    config = _config(tmp_path, _unit("a", f'theengs = ["A"]\n{tags}'), _unit("b", f'theengs = ["B"]\n{tags}'))
    assert [len(unit.devices.tags) for unit in config.units] == [1, 1]


def test_a_sensor_is_an_address_and_perhaps_a_wheel_number() -> None:
    assert Sensor.of("80eaca108a78") == ("80:EA:CA:10:8A:78", None)
    assert Sensor.of("80:EA:CA:10:8A:78/3") == ("80:EA:CA:10:8A:78", 3)
