"""What holds of a campaign wherever it is read: as YAML by its author, as JSON on a device.

A device never loads the YAML library: it is 1 MB, and a tenth of a second of its start.
"""

import re

from gateway.core.policy import ExpressionFault, check_expression

LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|\d{3}))?")
"""A language, perhaps with script and region: the shape of RFC 5646 that product texts need, e.g. `pt-BR`."""

MAX_TEXT_LENGTH = 1_000
MAX_EXPRESSION_LENGTH = 2_000
MAX_DURATION_S = 3660 * 86_400

_PRICED = re.compile(
    r"""
      [€$£¥] | \b(?:EUR|USD|GBP|CHF|JPY)\b          # a currency
    | \b\d+(?:[.,]\d+)?\s*(?:euros?|dollars?|cents?|bucks)\b
    | \b\d+(?:[.,]\d+)?\s*(?:%|percent|per\ cent)\s*(?:off|discount|less|cheaper|rabatt|günstiger)\b
    | (?<!-)(?<!feel\s)\bfree\b(?!\s+(?:of|from|to)\b)      # not: hands-free, feel free, free of, free to
    | \b(?:gratis|kostenlos|gratuit|gratuite|for\ nothing|on\ the\ house|half[ -]price|two\ for\ one)\b
    | \b(?:on|for)\s+sale\b
    | \b(?:discounts?|rabatt|coupons?|vouchers?|gutscheine?|cash-?back|bonus\ points|special\ offers?)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def price_in(text: str) -> str | None:
    """Return the words by which a text names a price, a reward or an advert, or None.

    >>> price_in("A free coffee"), price_in("Feel free to stop"), price_in("Now 20% off")
    ('free', None, '20% off')
    """
    found = _PRICED.search(text)
    return found[0] if found else None


def find_expression_fault(source: str, *, anyone: bool = False) -> ExpressionFault | None:
    """Return what is wrong with an expression, or None."""
    try:
        check_expression(source, anyone=anyone)
    except ExpressionFault as fault:
        return fault
    return None
