"""How a raw number that says who someone is becomes a pseudonym, before anything else sees it."""

import hashlib
import hmac
import unicodedata

from gateway.core.errors import InvariantViolation

MIN_KEY_BYTES = 16


def keyed_hash(credential: str, key: bytes) -> str:
    """Return the pseudonymous subject id of a raw card, key or ticket number: `s.` and 24 hex digits.

    HMAC-SHA-256 (RFC 2104), cut to 96 bits: without the key nobody can tell the number from it, nor try all numbers.
    However a reader writes it, a number is one person's: case, width (Unicode NFKC) and outer space do not count.

    Raises:
        InvariantViolation: The key has fewer than 16 bytes.
    """
    if len(key) < MIN_KEY_BYTES:
        raise InvariantViolation(f"a credential key needs at least {MIN_KEY_BYTES} bytes")
    written = unicodedata.normalize("NFKC", credential).casefold().strip()
    digest = hmac.new(key, written.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"s.{digest[:24]}"
