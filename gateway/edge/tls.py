"""TLS towards the broker: whom we trust, what we show, and what to do about it when the two do not fit.

Files are read for each connection, so what is replaced while the gateway runs holds from the next one on. TLS 1.2 is
the least that is spoken. The broker's name is always checked; there is no way to leave that out.
"""

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

from gateway.edge.config import BrokerConfig, ConfigError, TlsConfig, read_password, refuse_shared

_CLOCK_CODES = {9: "is not valid yet", 10: "has expired"}
_NAME_CODES = frozenset({62, 64})
_TRUST_CODES = frozenset({2, 18, 19, 20, 21, 27})
"""Results of OpenSSL's verification (x509_vfy.h): by date, by name, and for want of an authority that is trusted."""

_ADVICE = {
    "CERTIFICATE_REQUIRED": "the broker wants a certificate: see broker.tls.cert_file",
    "HANDSHAKE_FAILURE": "the broker wants a certificate, or speaks no TLS that is safe: see broker.tls.cert_file",
    "CERTIFICATE_REVOKED": "our certificate was revoked, the broker says: have a new one made (broker.tls.cert_file)",
    "CERTIFICATE_EXPIRED": "our certificate has expired, the broker says: have a new one made (broker.tls.cert_file)",
    "UNKNOWN_CA": "the broker does not trust our certificate's authority: see broker.tls.cert_file",
    "BAD_CERTIFICATE": "the broker does not take our certificate: see broker.tls.cert_file",
    "CERTIFICATE_UNKNOWN": "the broker does not take our certificate: see broker.tls.cert_file",
    "WRONG_VERSION_NUMBER": "the broker speaks no TLS at this port: see broker.port",
    "PROTOCOL_VERSION": "the broker speaks no TLS that is safe, which is 1.2 and later",
    "UNSUPPORTED_PROTOCOL": "the broker speaks no TLS that is safe, which is 1.2 and later",
}
"""By how OpenSSL's reasons end: the same alert is called SSLV3_ALERT_, TLSV1_ALERT_ or TLSV13_ALERT_."""


def check_credentials(broker: BrokerConfig) -> None:
    """Try all files that connecting needs, so that what is wrong is said at the start.

    Raises:
        ConfigError: One of them cannot be used.
    """
    read_password(broker)
    if broker.tls is not None:
        client_context(broker.tls)


def client_context(tls: TlsConfig) -> ssl.SSLContext:
    """Return what a TLS connection is made with.

    Raises:
        ConfigError: A file is missing, is no PEM, or is a key that others can read or that fits no certificate.
    """
    context = _trusting(tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert_file is not None and tls.key_file is not None:
        _show(context, tls.cert_file, tls.key_file)
    return context


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    key = "broker.tls.ca_file"
    _check_readable(ca_file, key)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigError(ca_file, key, "holds no certificate in PEM") from error


def _show(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    key = "broker.tls.key_file"
    _check_readable(cert_file, "broker.tls.cert_file")
    _check_readable(key_file, key)
    refuse_shared(key_file, key)
    asked = []

    def no_pass_phrase() -> str:
        """OpenSSL would ask for one at the terminal, and wait."""
        asked.append(key_file)
        return ""

    try:
        context.load_cert_chain(cert_file, key_file, no_pass_phrase)
    except ssl.SSLError as error:
        if asked:
            raise ConfigError(key_file, key, "has a pass phrase: give it one without") from error
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(key_file, key, f"is not the key of {cert_file}") from error
        raise ConfigError(cert_file, "broker.tls.cert_file", f"or {key_file} is no PEM") from error


def _check_readable(file: Path, key: str) -> None:
    """OpenSSL does not say which file it could not open."""
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise ConfigError(file, key, f"cannot be read: {error.strerror}") from error


def explanation_of(error: Exception, host: str) -> str:
    """Return what a failed connection means and what to do; in our own words, none of the peer's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error, host)
    if isinstance(error, socket.gaierror):
        return f"the name cannot be looked up ({error.strerror}): see broker.host and the network"
    if not isinstance(error, ssl.SSLError):
        return str(error)
    reason = error.reason or ""
    for end, advice in _ADVICE.items():
        if reason.endswith(end):
            return advice
    return f"TLS failed ({reason or 'no reason given'})"


def _distrust(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = error.verify_code
    if code in _CLOCK_CODES:
        day = datetime.now(UTC).date()
        return (
            f"the broker's certificate {_CLOCK_CODES[code]} by this device's clock ({day}): renew it or set the clock"
        )
    if code in _NAME_CODES:
        return (
            f"the broker's certificate is not for {host!r}: set broker.host to a name it has, or have one made for this"
        )
    if code in _TRUST_CODES:
        return "the broker's certificate is of no authority that is trusted: see broker.tls.ca_file"
    return f"the broker's certificate does not hold ({error.verify_message})"
