"""The script that makes the broker's certificates."""

import ssl
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto" / "make-certificates.sh"


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder, *arguments], capture_output=True, text=True, check=False)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _is_trusted(folder: Path, name: str, purpose: str) -> bool:
    """Return whether a certificate holds for a purpose by the strict rules of RFC 5280, and is not revoked."""
    trust = ["-CAfile", "ca.crt", "-CRLfile", "ca.crl", "-crl_check", "-x509_strict"]
    command = ["openssl", "verify", *trust, "-purpose", purpose, f"{name}.crt"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def _shown(folder: Path, name: str, *options: str) -> str:
    command = ["openssl", "x509", "-in", f"{name}.crt", "-noout", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    for arguments in (["ca"], ["server", "broker.local", "10.0.0.5", "::1"], ["client", "car-1", "gateway-1"]):
        made = _make(folder, *arguments)
        assert (made.returncode, made.stderr) == (0, "")
    return folder


def test_certificates_hold_for_their_own_purpose_only(folder: Path) -> None:
    assert _is_trusted(folder, "server", "sslserver")
    assert not _is_trusted(folder, "server", "sslclient")
    assert _is_trusted(folder, "car-1", "sslclient")
    assert not _is_trusted(folder, "car-1", "sslserver")


def test_the_broker_is_known_by_every_name_it_was_given(folder: Path) -> None:
    for option, name in (("-checkhost", "broker.local"), ("-checkip", "10.0.0.5"), ("-checkip", "::1")):
        assert "does match" in _shown(folder, "server", option, name)


def test_a_client_is_called_by_its_id(folder: Path) -> None:
    assert _shown(folder, "car-1", "-subject", "-nameopt", "RFC2253") == "subject=CN=car-1\n"
    context = ssl.create_default_context()
    context.load_cert_chain(folder / "car-1.crt", folder / "car-1.key")


def test_keys_are_readable_by_their_owner_only(folder: Path) -> None:
    keys = list(folder.glob("*.key"))
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [["ca"], ["server", "elsewhere"], ["client", "car-1"], ["client", "gateway-1"]])
def test_nothing_is_overwritten(folder: Path, arguments: list[str]) -> None:
    before = _contents(folder)
    refused = _make(folder, *arguments)
    assert refused.returncode == 1
    assert "is there already, and is not overwritten" in refused.stderr
    assert _contents(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["client", "car/1"],
        ["client", "car+1"],
        ["client", "#"],
        ["client", ""],
        ["client", "ca"],
        ["client", "server"],
        ["client", "x" * 65],
        ["client", "car-2", "car/3"],
        ["client", "car-2", "car-1"],
        ["client"],
        ["server", "a name"],
        ["server"],
        ["revoke", "car-9"],
        ["revoke"],
        ["certificate"],
        [],
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(folder: Path, arguments: list[str]) -> None:
    (folder / "server.key").unlink()
    (folder / "server.crt").unlink()
    before = _contents(folder)
    refused = _make(folder, *arguments)
    assert refused.returncode == 1
    assert refused.stderr.startswith("make-certificates.sh: ")
    assert _contents(folder) == before


def test_without_an_authority_nothing_is_signed(tmp_path: Path) -> None:
    refused = _make(tmp_path, "client", "car-1")
    assert "has no authority" in refused.stderr
    assert _contents(tmp_path) == {}


def test_what_is_revoked_holds_no_longer_and_can_be_made_anew(folder: Path) -> None:
    assert _make(folder, "revoke", "car-1").returncode == 0
    (stolen,) = folder.glob("car-1.revoked-*.crt")
    assert not _is_trusted(folder, stolen.stem, "sslclient")
    assert _is_trusted(folder, "gateway-1", "sslclient")
    assert _make(folder, "client", "car-1").returncode == 0
    assert _is_trusted(folder, "car-1", "sslclient")
    assert _make(folder, "revoke", "gateway-1").returncode == 0
    assert not _is_trusted(folder, stolen.stem, "sslclient")
